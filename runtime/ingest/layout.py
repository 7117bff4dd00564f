"""How the JSON payloads of a source are laid out, where they are not as vedette writes them.

``source = { mqtt = "plant/+/raw", samples = "payload.readings", fields = { vib_x = "accel.x" }, time = "meta.ts",
time_unit = "ms" }``: the samples are in the array ``payload.readings``, each has the channel ``vib_x`` at ``accel.x``
and every other channel under its own name, and its time in milliseconds at ``meta.ts``. What a sample does not have
itself, time and device, may stand in the payload around it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vedette.errors import ConfigError, DataError, nearest
from vedette.runtime import strict_json
from vedette.runtime.detection.detector import SampleRejectedError
from vedette.runtime.detection.signal import SignalSpec
from vedette.runtime.ingest.fields import ABSENT, Path, follow, parse_path
from vedette.runtime.ingest.samples import MAX_BYTES, Sample, SampleReader
from vedette.runtime.json_keys import Keys
from vedette.runtime.times import parse_time

LAYOUT_KEYS = ("fields", "samples", "time", "time_unit", "device")
MAX_DEVICE_CHARS = 128
# Parts of a second; None is ISO 8601 text.
TIME_UNITS: dict[str, int | None] = {"iso": None, "s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


@dataclass(frozen=True)
class Layout:
    """Where things are; None and no field is vedette's own layout.

    ``fields`` are the channels that are not under their own names. ``time_unit`` is a key of :data:`TIME_UNITS`, or
    None for ISO 8601 text or seconds.
    """

    fields: tuple[tuple[str, Path], ...] = ()
    samples: Path | None = None
    time: Path | None = None
    time_unit: str | None = None
    device: Path | None = None

    @classmethod
    def from_keys(cls, keys: Keys) -> Layout | None:
        """Read the layout's keys of a ``source`` table, None where there are none. Raises :class:`ConfigError`."""
        if not any(key in keys.document for key in LAYOUT_KEYS):
            return None
        fields = keys.section("fields") if "fields" in keys.document else Keys({}, keys.where, ConfigError)
        unit = keys.optional("time_unit", keys.text)
        if unit is not None and unit not in TIME_UNITS:
            raise ConfigError(f'{keys.where}: time_unit: unknown "{unit}"; {nearest(unit, TIME_UNITS)}')
        return cls(
            tuple((channel, _path(fields, channel)) for channel in fields.document),
            keys.optional("samples", lambda key: _path(keys, key)),
            keys.optional("time", lambda key: _path(keys, key)),
            unit,
            keys.optional("device", lambda key: _path(keys, key)),
        )

    def check(self, signal: SignalSpec, where: str) -> None:
        """Refuse fields that are no channels of the bundle. Raises :class:`ConfigError`."""
        for channel, _ in self.fields:
            if channel not in signal.names:
                hint = nearest(channel, signal.names[:20])
                raise ConfigError(f'{where}: fields: the bundle has no channel "{channel}"; {hint}')


def sample_reader(signal: SignalSpec, layout: Layout | None, *, max_bytes: int = MAX_BYTES) -> SampleReader:
    """The reader for payloads with that layout."""
    if layout is None:
        return SampleReader(signal, max_bytes=max_bytes)
    return LayoutReader(signal, layout, max_bytes=max_bytes)


def of_the_same_device_after(samples: Sequence[Sample | SampleRejectedError]) -> list[int]:
    """For each sample of a batch, how many of its device come after it.

    Without devices one that cannot be read counts too; it is one period of time all the same.
    """
    counts: dict[str | None, int] = {}
    after = []
    for sample in reversed(samples):
        device = sample.device if isinstance(sample, Sample) else None
        after.append(counts.get(device, 0))
        counts[device] = after[-1] + 1
    return after[::-1]


class LayoutReader(SampleReader):
    """Reads payloads that have a :class:`Layout`."""

    def __init__(self, signal: SignalSpec, layout: Layout, *, max_bytes: int = MAX_BYTES) -> None:
        super().__init__(signal, max_bytes=max_bytes)
        own = {name: (name,) for name in signal.names}
        self._layout = layout
        self._period_s = signal.period_s
        self._paths: list[Path] = list({**own, **dict(layout.fields)}.values())
        self._times: list[Path] = [layout.time] if layout.time else [(key,) for key in self._time_keys]
        unit = layout.time_unit
        self._iso_only = unit == "iso"
        self._parts = TIME_UNITS[unit] if unit is not None else None

    def read(self, payload: bytes) -> list[Sample | SampleRejectedError]:
        """The samples of a payload; in a batch, a bad one comes as its error and the others stay.

        Where a batch's only time stands around it, that is the time of its last sample, and the others are one sample
        period apart. Raises :class:`SampleRejectedError` where the payload as a whole cannot be read.
        """
        try:
            document = strict_json.loads(payload, max_bytes=self._max_bytes, what="payload")
        except DataError as error:
            raise SampleRejectedError(str(error)) from None
        found = document if self._layout.samples is None else follow(self._layout.samples, document)
        if found is ABSENT:
            raise SampleRejectedError(f"expected samples at {show(self._layout.samples)}, found nothing there")
        if not (isinstance(found, list) and found and isinstance(found[0], (dict, list))):
            sample = self._one(found, document)
            return [sample if sample.time is not None else sample._replace(time=self._time_in(document))]
        samples: list[Sample | SampleRejectedError] = []
        for item in found:
            try:
                samples.append(self._one(item, document))
            except SampleRejectedError as error:
                samples.append(error)
        if not any(isinstance(sample, Sample) and sample.time is None for sample in samples):
            return samples
        try:
            end = self._time_in(document)
        except SampleRejectedError as error:
            return [error] * len(samples)
        if end is None:
            return samples
        return [
            sample._replace(time=end - after * self._period_s)
            if isinstance(sample, Sample) and sample.time is None
            else sample
            for sample, after in zip(samples, of_the_same_device_after(samples), strict=True)
        ]

    def _one(self, item: Any, around: Any) -> Sample:
        if isinstance(item, list) and not self._layout.fields:
            if len(item) != len(self._names):
                raise SampleRejectedError(f"expected {self._expected()}, found an array of {len(item)}")
            values = item
        else:
            values = [follow(path, item) for path in self._paths]
            if all(value is ABSENT for value in values):
                shown = ", ".join(show(path) for path in self._paths[:3])
                raise SampleRejectedError(f"none of the {len(self._names)} channels is in the sample; expected {shown}")
            if ABSENT in values:
                present = [name for name, value in zip(self._names, values, strict=True) if value is not ABSENT]
                if self._channel_check is not None:
                    self._channel_check.look(present)
                values = [None if value is ABSENT else value for value in values]
        return Sample(self._time_in(item), self._values(values), self._device(item, around))

    def _time_in(self, document: Any) -> float | None:
        for path in self._times:
            value = follow(path, document)
            if value is ABSENT or value is None:
                continue
            try:
                return self._seconds(value)
            except DataError as error:
                raise SampleRejectedError(f"time at {show(path)}: {error}") from None
        return None

    def _seconds(self, value: Any) -> float:
        if self._parts is not None and isinstance(value, str):
            try:
                value = float(value)
            except ValueError:
                raise DataError(f'expected a number of "{self._layout.time_unit}", found {value[:40]!r}') from None
        if self._iso_only and not isinstance(value, str):
            raise DataError(f"expected ISO 8601 text, found {type(value).__name__}")
        if self._parts is not None and isinstance(value, (int, float)) and not isinstance(value, bool):
            value = value / self._parts
        return parse_time(value)

    def _device(self, item: Any, around: Any) -> str | None:
        path = self._layout.device
        if path is None:
            return None
        value = follow(path, item)
        if value is ABSENT:
            value = follow(path, around)
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str) or not 1 <= len(value) <= MAX_DEVICE_CHARS:
            raise SampleRejectedError(
                f"device: expected a text of 1 to {MAX_DEVICE_CHARS} characters or a whole number at {show(path)}"
            )
        return value


def show(path: Path | None) -> str:
    """A path as text, for messages.

    >>> show(("data", 2, "a.b"))
    'data[2]["a.b"]'
    """
    text = ""
    for step in path or ():
        if isinstance(step, int):
            text += f"[{step}]"
        elif "." in step or "[" in step:
            text += f'["{step}"]'
        else:
            text += f".{step}" if text else step
    return text


def _path(keys: Keys, key: str) -> Path:
    try:
        return parse_path(keys.text(key))
    except DataError as error:
        raise ConfigError(f"{keys.where}: {key}: {error}") from None
