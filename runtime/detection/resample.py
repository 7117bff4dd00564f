"""Irregular samples on a regular grid: one piece of code for the gateway, sample by sample, and for training, in bulk.

The first sample, at ``start``, begins a grid whose tick ``k`` is at ``start + (k + 1/2) * period``; the interval of a
tick reaches back to the tick before it. The half period keeps samples away from the edges of the intervals: as long as
they are less than half a period off their own rhythm, every interval has exactly one, where a grid on the first sample
itself would miss or merge one in three. Ticks are computed from their numbers, so that no error adds up.

The row of a tick is, channel by channel, the mean of the values in its interval, NaN where there is none: that is for
the missing policy. Where the interval has no sample at all, the last values of the one before stand in. A row is made
of samples up to its tick only, and comes with the first sample that is not before the tick. A step between samples of
more than ``signal.GAP_PERIODS`` periods is a gap: nothing is held across it, and the sample after it begins a grid of
its own.
"""

from __future__ import annotations

import math
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from vedette.runtime.detection.signal import GAP_PERIODS, MAX_READING

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Time = TypeVar("Time", float, Floats)


class Tick(NamedTuple):
    """One row of the grid: time in seconds, row ``(channels,)``, and whether a gap is right before it."""

    time: float
    row: Floats
    broken: bool


class Ticks(NamedTuple):
    """Rows of the grid: times ``(n,)`` in seconds, rows ``(n, channels)``, ``broken`` ``(n,)`` as in :class:`Tick`.

    ``late`` counts the samples that were left out because they were not newer than one before them.
    """

    times: Floats
    rows: Floats
    broken: npt.NDArray[np.bool_]
    late: int


class Resampler:
    """Puts one stream on a grid.

    :meth:`push` and :meth:`feed` give the same ticks to the last bit, in whatever portions a series comes. The last
    interval stays open until a sample closes it. A value that is no measurement (NaN, infinite, or beyond
    ``signal.MAX_READING``) is missing, and a sample that is not newer than the one before it is left out.

    >>> grid = Resampler(1.0, channels=1)
    >>> for time in (0.0, 0.25, 1.25):
    ...     print([(tick.time, tick.row.tolist()) for tick in grid.push(time, np.array([time]))])
    []
    []
    [(0.5, [0.125])]
    >>> grid.feed(np.array([1.3, 3.0, 9.0]), np.array([[1.35], [3.0], [9.0]])).rows.ravel().tolist()
    [1.3, 1.35, 3.0]
    """

    def __init__(self, period: float, *, channels: int) -> None:
        """``period`` is the grid's, in seconds."""
        self._period = period
        self._longest_step = GAP_PERIODS * period
        self._time = -math.inf  # of the newest sample
        self._start = 0.0
        self._broken = False  # whether a gap is right before the open interval
        self._last = np.full(channels, np.nan)  # last values of the newest interval with samples
        self._zeros = np.zeros(channels)
        self._sampled = False  # whether the open interval has samples
        self._open(0)

    def push(self, time: float, values: Floats) -> list[Tick]:
        """Take the sample of ``time`` (seconds), ``(channels,)``, and return the ticks up to ``time`` that are new.

        The array may be kept, so the caller must not change it afterwards.
        """
        ticks: list[Tick] = []
        if time <= self._time:
            return ticks
        if time - self._time > self._longest_step:
            if self._sampled:
                ticks.append(self._close())
            self._broken = self._time > -math.inf
            self._start = time
            self._open(0)
        self._time = time
        while self._tick < time:
            ticks.append(self._close())
        self._add(values)
        if self._tick == time:
            ticks.append(self._close())
        return ticks

    def feed(self, times: Floats, values: Floats) -> Ticks:
        """Take samples, ``times`` ``(n,)`` in seconds and ``values`` ``(n, channels)``; return the ticks that are new.

        What :meth:`push` does for each of them, at array speed and for about ten times the memory of ``values``: a long
        series is best fed in chunks of some ten thousand samples.
        """
        fresh = times > np.maximum.accumulate(np.concatenate([[self._time], times]))[:-1]
        late = len(times) - int(np.count_nonzero(fresh))
        if late:
            times, values = times[fresh], values[fresh]
        if not len(times):
            return Ticks(np.empty(0), np.empty((0, len(self._zeros))), np.empty(0, bool), late)
        begins = np.diff(times, prepend=self._time) > self._longest_step
        beginning = np.maximum.accumulate(np.where(begins, np.arange(len(times)), -1))
        start = np.where(beginning >= 0, times[beginning], self._start)
        number = self._numbers(start, times)

        # Each sample's row in a table of the intervals. Row 0 is the open one; as long as that has no samples, row 0 is
        # the one before it, whose last values may have to stand in, and which is no tick of this call.
        done = 0 if self._sampled else 1
        steps = np.diff(number, prepend=self._number)
        steps[0] += done
        steps[begins] = 1
        place: Integers = np.cumsum(steps, dtype=np.int64)
        sums, counts, rows, last = self._table(place, values)

        index: Integers = np.arange(len(rows))
        sample = np.searchsorted(place, index)  # the first one in this row or after it
        tick = self._at(start[sample], number[sample] - (place[sample] - index))
        tick[0] = self._tick
        broken = np.zeros(len(rows), bool)
        broken[0] = self._broken
        broken[place[begins]] = True
        if self._time == -math.inf:
            broken[place[0]] = False

        self._time, self._start = float(times[-1]), float(start[-1])
        self._broken, self._last = bool(broken[-1]), last
        if tick[-1] == self._time:
            self._broken = False
            self._open(int(number[-1]) + 1)
            end = len(rows)
        else:
            self._open(int(number[-1]))
            self._sampled, self._sum, self._count = True, sums, counts
            end = len(rows) - 1
        return Ticks(tick[done:end], rows[done:end], broken[done:end], late)

    def _open(self, number: int) -> None:
        """Begin the interval of that number."""
        self._number = number
        self._tick: float = self._at(self._start, number)
        self._sampled = False
        self._sum = self._count = self._zeros

    def _add(self, values: Floats) -> None:
        """Put a sample into the open interval."""
        if np.maximum.reduce(np.abs(values)) <= MAX_READING:  # NaN fails this too
            self._last = values
            self._sum = self._sum + values
            self._count = self._count + 1.0
        else:
            there = np.abs(values) <= MAX_READING
            self._last = np.where(there, values, self._last if self._sampled else np.nan)
            self._sum = self._sum + np.where(there, values, 0.0)
            self._count = self._count + there
        self._sampled = True

    def _close(self) -> Tick:
        """The tick of the open interval; the next one is open then."""
        row = _mean(self._sum, self._count) if self._sampled else self._last
        tick = Tick(self._tick, row, self._broken)
        self._broken = False
        self._open(self._number + 1)
        return tick

    def _table(self, place: Integers, values: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Sums and counts ``(channels,)`` of the last interval, all rows, and the last interval's last values.

        ``place`` are the samples' rows. What the open interval has already comes first, in row 0.
        """
        count, width = int(place[-1]) + 1, values.shape[1]
        there = np.abs(values) <= MAX_READING
        cells = np.concatenate([np.arange(width), (place[:, None] * width + np.arange(width)).ravel()])
        added = np.concatenate([self._sum, np.where(there, values, 0.0).ravel()])
        counted = np.concatenate([self._count, there.ravel()])
        # One by one, in the samples' order, as _add does: pairwise sums would differ in the last bits.
        sums = np.asarray(np.bincount(cells, added, count * width), np.float64).reshape(count, width)
        counts = np.asarray(np.bincount(cells, counted, count * width), np.float64).reshape(count, width)

        samples = np.concatenate([self._last[None], np.where(there, values, np.nan)])
        newest = np.maximum.accumulate(np.where(np.isfinite(samples), np.arange(len(samples))[:, None], -1))
        place = np.concatenate([[0], place])
        ends = np.flatnonzero(np.append(np.diff(place), 1))  # the last sample of each interval that has samples
        begins = np.concatenate([[0], ends[:-1] + 1])
        last = np.where(newest[ends] >= begins[:, None], samples[newest[ends], np.arange(width)], np.nan)

        sampled = place[ends]
        rows = last[np.searchsorted(sampled, np.arange(count), side="right") - 1]
        rows[sampled] = _mean(sums[sampled], counts[sampled])
        return sums[-1].copy(), counts[-1].copy(), rows, last[-1].copy()

    def _numbers(self, start: Floats, times: Floats) -> Integers:
        """The numbers of the intervals that these times are in: the first ones whose ticks are not before them."""
        number = np.maximum(np.ceil((times - start) / self._period - 0.5), 0).astype(np.int64)
        # The division rounds, and what counts is how the ticks themselves compare.
        while (before := self._at(start, number) < times).any():
            number += before
        while (after := (number > 0) & (self._at(start, number - 1) >= times)).any():
            number -= after
        return number

    def _at(self, start: Time, number: int | Integers) -> Time:
        """The time of the tick of that number."""
        return start + (number + 0.5) * self._period  # type: ignore[return-value]


def _mean(sums: Floats, counts: Floats) -> Floats:
    """Means where there is something to take them of, else NaN."""
    means: Floats = np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
    return means
