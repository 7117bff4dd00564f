"""What the simulators have in common: named random streams, a clock, wandering values, readings in whole steps."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.signal import lfilter

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

# A Monday, so that the week begins with the data.
START = np.datetime64("2026-01-05T00:00:00", "ms")
_MONDAY = np.datetime64("2026-01-05", "D")


class Streams:
    """Random generators by name: what is drawn from one moves no other, and each part of a recording has its own."""

    def __init__(self, seed: int, part: str) -> None:
        """``part`` is train, test, or what both have in common."""
        self._seed = seed
        self._part = part

    def __getitem__(self, name: str) -> np.random.Generator:
        """Return the generator of that name, from its beginning."""
        return np.random.default_rng([self._seed, zlib.crc32(f"{self._part}/{name}".encode())])


@dataclass(frozen=True)
class Clock:
    """When each row of a part is, ``period_s`` apart: ``times`` ``(n,)`` in UTC, which is taken for local time."""

    times: npt.NDArray[np.datetime64]
    period_s: float

    @classmethod
    def rows(cls, first: int, count: int, period_s: float) -> Clock:
        """The clock of ``count`` rows, ``first`` rows after the beginning of the recording."""
        steps = np.arange(first, first + count, dtype=np.int64) * round(period_s * 1000)
        return cls(START + steps.astype("timedelta64[ms]"), period_s)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.times)

    @property
    def hour(self) -> FloatArray:
        """Hour of the day, 0 to 24."""
        hour: FloatArray = (self.times - self.times.astype("datetime64[D]")) / np.timedelta64(1, "h")
        return hour

    @property
    def day(self) -> npt.NDArray[np.int64]:
        """Days since the Monday of the week in which recordings begin."""
        return (self.times.astype("datetime64[D]") - _MONDAY).astype(np.int64)

    @property
    def weekday(self) -> npt.NDArray[np.int64]:
        """Day of the week, 0 is Monday."""
        weekday: npt.NDArray[np.int64] = self.day % 7
        return weekday

    @property
    def day_of_month(self) -> npt.NDArray[np.int64]:
        """Day of the month, from 1."""
        dates = self.times.astype("datetime64[D]")
        since: npt.NDArray[np.int64] = (dates - dates.astype("datetime64[M]").astype("datetime64[D]")).astype(np.int64)
        return since + 1


def wander(rng: np.random.Generator, samples: int, correlation_s: float, sigma: float, period_s: float) -> FloatArray:
    """An Ornstein-Uhlenbeck process around 0 with spread ``sigma``, stationary from its first sample."""
    keep = float(np.exp(-period_s / correlation_s))
    drive = rng.standard_normal(samples) * sigma
    drive[1:] *= np.sqrt(1 - keep**2)
    path: FloatArray = lfilter([1.0], [1.0, -keep], drive)
    return path


def spells(rng: np.random.Generator, samples: int, off_s: float, on_s: float, period_s: float) -> BoolArray:
    """An on-off state that begins off; its spells last exponential times with these means."""
    pairs = int(2 * samples * period_s / (off_s + on_s)) + 16
    lengths = rng.exponential((off_s, on_s), (pairs, 2)) / period_s
    while lengths.sum() < samples:
        lengths = np.concatenate([lengths, rng.exponential((off_s, on_s), (pairs, 2)) / period_s])
    ends = np.cumsum(lengths.ravel())
    on: BoolArray = np.searchsorted(ends, np.arange(samples), side="right") % 2 == 1
    return on


def daily(hour: FloatArray, at_hours: tuple[float, ...], values: tuple[float, ...]) -> FloatArray:
    """A profile over the day through these points, straight between them and from the last to the first."""
    return np.interp(hour, at_hours, values, period=24.0)


def in_steps(values: FloatArray, resolution: tuple[float, ...]) -> FloatArray:
    """Round each channel of ``(n, channels)`` to its resolution; 1 / resolution is whole, or resolution is.

    Dividing by whole steps per unit gives the nearest float to each decimal, so that it prints short.
    """
    steps = 1 / np.array(resolution)
    steps = np.where(steps >= 1, np.round(steps), steps)
    rounded: FloatArray = np.round(values * steps) / steps
    return rounded + 0.0  # no negative zeros
