"""Samples from JSON: what may arrive over MQTT or on stdin, and nothing else.

A payload is one sample or an array of samples (a batch, oldest first). A sample is an object with channel names as
keys, ``{"time": "2026-11-02T08:00:00Z", "x": 0.1, "y": null}``, or an array with one number per channel, in the
bundle's order. The time is optional: ISO 8601 text, without an offset UTC, or seconds since 1970.
"""

from __future__ import annotations

import json
import math
from array import array
from collections.abc import Callable
from operator import itemgetter
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from vedette.errors import DataError, nearest
from vedette.runtime import strict_json
from vedette.runtime.detection.detector import SampleRejectedError
from vedette.runtime.detection.signal import SignalSpec
from vedette.runtime.ingest import flat_json
from vedette.runtime.ingest.stream_checks import ChannelCheck
from vedette.runtime.times import parse_time

MAX_BYTES = 1024 * 1024
TIME_KEYS = ("time", "timestamp")
_NUMBER_TYPES = frozenset((int, float))
_NUMBER_TYPES_OR_NONE = frozenset((int, float, type(None)))


Values: TypeAlias = "npt.NDArray[np.float64] | array[float]"


class Sample(NamedTuple):
    """One reading of all channels: seconds since 1970 or None, and one float64 per channel, NaN where missing.

    The values are an ``array("d")`` where they come from JSON, which is made in a third of the time of a NumPy array.
    ``device`` is None where the payload does not name it.
    """

    time: float | None
    values: Values
    device: str | None = None


class SampleReader:
    """Reads the payloads of streams with one signal."""

    def __init__(self, signal: SignalSpec, *, max_bytes: int = MAX_BYTES) -> None:
        self._names = signal.names
        self._pick = itemgetter(*self._names) if len(self._names) > 1 else _only(self._names[0])
        self._max_bytes = max_bytes
        keys = (signal.timestamp, *TIME_KEYS) if signal.timestamp else TIME_KEYS
        self._time_keys = tuple(key for key in dict.fromkeys(keys) if key not in self._names)
        self._channel_check: ChannelCheck | None = None

    def tell_channels(self, tell: Callable[[str], None]) -> None:
        """Call ``tell`` once for each channel that samples do not have, and for each key of them that is none."""
        self._channel_check = ChannelCheck(self._names, self._time_keys, tell)

    def read(self, payload: bytes) -> list[Sample | SampleRejectedError]:
        """The samples of a payload; in a batch, a bad one comes as its error and the others stay.

        Raises :class:`SampleRejectedError` where the payload as a whole cannot be read.
        """
        document = flat_json.loads(payload) if len(payload) <= self._max_bytes else None
        if type(document) is dict:
            return [self._plain_sample(document)]
        if document is None:
            try:
                document = strict_json.loads(payload, max_bytes=self._max_bytes, what="payload")
            except DataError as error:
                raise SampleRejectedError(str(error)) from None
        if isinstance(document, list) and document and isinstance(document[0], (dict, list)):
            return [self._try_sample(item) for item in document]
        return [self._sample(document)]

    def _try_sample(self, document: Any) -> Sample | SampleRejectedError:
        try:
            return self._sample(document)
        except SampleRejectedError as error:
            return error

    def _plain_sample(self, document: dict[str, Any]) -> Sample:
        """The sample of a flat object, whose values are numbers, text or null."""
        try:
            values = array("d", self._pick(document))
        except (KeyError, TypeError):  # a channel that is missing, null or text
            return self._sample(document)
        if self._channel_check is not None:
            self._channel_check.look(document)
        return Sample(self._time(document), values)

    def _sample(self, document: Any) -> Sample:
        time = None
        if isinstance(document, dict):
            found = [document.get(name) for name in self._names]
            if not any(name in document for name in self._names):
                raise SampleRejectedError(self._no_channel(document))
            if self._channel_check is not None:
                self._channel_check.look(document)
            time = self._time(document)
        elif isinstance(document, list):
            found = document
            if len(found) != len(self._names):
                raise SampleRejectedError(f"expected {self._expected()}, found an array of {len(found)}")
        else:
            raise SampleRejectedError(f"expected {self._expected()}, found {_kind(document)}")
        return Sample(time, self._values(found))

    def _values(self, found: list[Any]) -> Values:
        kinds = set(map(type, found))
        try:
            if kinds <= _NUMBER_TYPES:
                return array("d", found)
            if kinds <= _NUMBER_TYPES_OR_NONE:
                return array("d", [math.nan if value is None else value for value in found])
        except OverflowError:
            raise SampleRejectedError("expected numbers of at most 1.8e308, found a larger one") from None
        name, value = next(
            (name, value)
            for name, value in zip(self._names, found, strict=True)
            if type(value) not in _NUMBER_TYPES_OR_NONE
        )
        raise SampleRejectedError(f'channel "{name}": expected a number or null, found {_kind(value)}')

    def _time(self, document: dict[str, Any]) -> float | None:
        for key in self._time_keys:
            value = document.get(key)
            if value is not None:
                try:
                    return parse_time(value)
                except DataError as error:
                    raise SampleRejectedError(f'key "{key}": {error}') from None
        return None

    def _expected(self) -> str:
        count = len(self._names)
        return f"an object with channels as keys, or an array of {count} numbers ({_listed(self._names)})"

    def _no_channel(self, document: dict[str, Any]) -> str:
        if not document:
            return f"expected the channels {_listed(self._names)}, found an empty object"
        first = next(iter(document))[:40]
        shown = json.dumps(first)  # without characters that would break or fake a line of the log
        names = self._names if len(self._names) <= 8 else self._names[:8]
        return f"none of the {len(self._names)} channels is in the object; found {shown}, {nearest(first, names)}"


def _only(name: str) -> Callable[[dict[str, Any]], tuple[Any]]:
    return lambda document: (document[name],)


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names[:5]) + (", …" if len(names) > 5 else "")


def _kind(value: Any) -> str:
    """What a JSON value is, in words, without showing all of a hostile one."""
    if isinstance(value, str):
        return f"the text {value[:20]!r}"
    kinds = {dict: "an object", list: "an array", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number")
