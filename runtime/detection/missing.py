"""The missing policy: what stands in for values that are no measurements, and for how long."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from vedette.errors import DataError
from vedette.runtime.detection.ring import Integers
from vedette.runtime.detection.signal import MAX_READING, SignalSpec

Doubles = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


class SampleRejectedError(DataError):
    """A sample that cannot be scored; the stream goes on with the next one."""


class Filled(NamedTuple):
    """Samples ``(n, channels)`` without missing values, but for those that were ``rejected``; ``kept`` are the others.

    Where ``broken`` ``(n,)``, a stream starts afresh; ``restarted`` are the streams that do so with their next sample.
    """

    values: Doubles
    broken: Flags
    kept: Integers
    rejected: dict[int, DataError]
    restarted: list[int]


class MissingValues:
    """The last values of each stream, and for how many samples they have stood in."""

    def __init__(self, signal: SignalSpec) -> None:
        self._signal = signal
        self._last = np.full((1, len(signal.channels)), np.nan)
        self._held = np.zeros(self._last.shape, np.int32)
        self._holding = False  # whether any value may have been held
        self._as_one()

    @property
    def bytes_per_stream(self) -> int:
        """What the arrays of one stream take."""
        return self._last.shape[1] * (self._last.itemsize + self._held.itemsize)

    def grow(self, streams: int) -> None:
        """Make room for so many streams."""
        last, held = self._last, self._held
        self._last = np.full((streams, last.shape[1]), np.nan)
        self._held = np.zeros(self._last.shape, np.int32)
        self._last[: len(last)], self._held[: len(held)] = last, held
        self._as_one()

    def reset(self, stream: int) -> None:
        """Forget the stream."""
        self._last[stream] = np.nan
        self._held[stream] = 0

    def complete(self, streams: Integers, values: Doubles) -> None:
        """Take note of samples in which nothing is missing."""
        if self._signal.missing != "hold":
            return
        self._last_rows[streams] = np.ascontiguousarray(values).view(self._last_rows.dtype)[:, 0]
        if self._holding:
            self._held[streams] = 0

    def fill(self, streams: Integers, values: Doubles, broken: Flags | None) -> Filled:
        """Apply the policy to samples some of which are not complete."""
        values = values.copy()
        broken = np.zeros(len(streams), bool) if broken is None else broken.copy()
        rejected: dict[int, DataError] = {}
        missing = ~(np.abs(values) <= MAX_READING)
        incomplete: Flags = np.asarray(missing.any(axis=1))
        # Streams in which nothing is missing go the short way.
        long_way = np.isin(streams, streams[incomplete])
        self.complete(streams[~long_way], values[~long_way])
        restarting: set[int] = set()
        for row in np.flatnonzero(long_way).tolist():
            stream = int(streams[row])
            if broken[row]:
                self.reset(stream)
                restarting.add(stream)
            try:
                values[row] = self._fill(stream, values[row], missing[row] if incomplete[row] else None)
            except _TooLongError as error:
                restarting.add(stream)
                rejected[row] = SampleRejectedError(str(error))
            except DataError as error:
                rejected[row] = error
            else:
                broken[row] = stream in restarting
                restarting.discard(stream)
        kept = np.delete(np.arange(len(streams)), list(rejected))
        return Filled(values, broken, kept, rejected, list(restarting))

    def _fill(self, stream: int, values: Doubles, missing: Flags | None) -> Doubles:
        signal = self._signal
        if missing is None:
            self._held[stream], self._last[stream] = 0, values
            return values
        named = ", ".join(signal.names[i] for i in np.flatnonzero(missing)[:5])
        if signal.missing == "fail":
            raise DataError(f'no value for {named}; missing = "fail" is set (other policies: hold, drop)')
        if signal.missing == "drop":
            raise SampleRejectedError(f'no value for {named}; missing = "drop" is set')
        held, last = self._held[stream], np.asarray(self._last[stream])
        held[:] = np.where(missing, np.minimum(held, signal.max_hold) + 1, 0)
        np.copyto(last, values, where=~missing)
        self._holding = True
        never = np.isnan(last).any()
        if never or held.max() > signal.max_hold:
            because = "and none before it to hold" if never else f"for more than {signal.max_hold} samples"
            raise _TooLongError(f"no value for {named}{',' if never else ''} {because}")
        return last

    def _as_one(self) -> None:
        """The last values with a stream's as a single element: NumPy copies those fastest."""
        self._last_rows = self._last.view(np.dtype((np.void, self._last.shape[1] * self._last.itemsize)))[:, 0]


class _TooLongError(DataError):
    """A value is missing for longer than it may be held: the window starts afresh."""
