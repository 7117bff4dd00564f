"""How a table was sampled: at which period, and whether so evenly that its rows can be taken as they come."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vedette.errors import DataError
from vedette.runtime.detection.signal import GAP_PERIODS
from vedette.train.config import SignalConfig
from vedette.train.data.table import Table

# A step is off its period where it differs by more than this part of it, and by more than the clock's rounding.
OFF = 0.2
# The rounding that is allowed for, as a part of the period; a lost sample, twice the period, is more than rounding.
MOST_ROUNDING = 0.75
# Sampling is irregular where more than this part of the steps are off.
IRREGULAR = 0.1
# The grid for irregular samples is so wide that the first of these parts of the steps are no gaps on it, as a window
# has none inside; or the second, or the last, where that would be wider than this many median steps: the longest steps
# are then real gaps.
COVERED, WIDEST = (0.999, 0.99, 0.95), 4.0
# Where fewer steps than this are as long as their median, it says little: a clock rounds 1.5 s to 1 s and 2 s.
TYPICAL = 0.75
LONG_STEP = 16
# Files whose periods differ by more than this factor are sampled differently; irregular ones vary more by themselves.
SAME_RATE, SAME_IRREGULAR_RATE = 1.25, 3.0
# Fewer steps say nothing about a file's period.
MIN_STEPS = 10
# Steps that are looked at, in stretches that are spread over the series.
STRETCHES, STRETCH = 64, 2**14
# Clocks count in one of these, in seconds, or finer.
RESOLUTIONS = (1.0, 0.1, 0.01, 0.001)

Seconds = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Sampling:
    """The period in seconds, None without a time base, and whether samples must be put on a grid of that period."""

    period_s: float | None
    resampled: bool
    notes: tuple[str, ...] = ()


def examine(table: Table, config: SignalConfig) -> Sampling:
    """Find the period of a table.

    Raises :class:`DataError` where its files were sampled at different rates, unless the project asks for resampling.
    """
    if table.times is None:
        if config.resample:
            raise DataError("signal.resample: there is no timestamp column, so no times to resample by; take it out")
        return Sampling(config.sample_period_s, resampled=False)
    bounds = [*(recording.start for recording in table.recordings), len(table)]
    stretches = [stretch for start, stop in itertools.pairwise(bounds) for stretch in _stretches(table, start, stop)]
    if not config.resample:
        _check_same_rate(table, bounds)
    steps = _steps(stretches)
    if not len(steps):
        return Sampling(config.sample_period_s, resampled=False)
    found = typical_step(stretches)
    period = config.sample_period_s or found
    off = _part_off(stretches, period)
    if not (off > IRREGULAR if config.resample is None else config.resample):
        return Sampling(period, resampled=False)
    if config.sample_period_s is None:
        period = _grid_period(steps, found)
    few, many = np.quantile(steps, [1 - COVERED[-1], COVERED[-1]])
    because = f"{off:.0%} of the steps between samples are not {duration(config.sample_period_s or found)}"
    return Sampling(
        period,
        resampled=True,
        notes=(
            f"{because} (most are {duration(few)} to {duration(many)}): samples are averaged to one row every "
            f"{duration(period)}, here and on the gateway",
        ),
    )


def typical_step(stretches: list[Seconds]) -> float:
    """The usual seconds between samples, from stretches of a series; NaN where there is no step."""
    steps = _steps(stretches)
    if not len(steps):
        return math.nan
    median = float(np.median(steps))
    if np.mean(np.abs(steps - median) <= OFF * median) >= TYPICAL:
        return median
    long = np.concatenate([times[LONG_STEP:] - times[:-LONG_STEP] for times in stretches]) / LONG_STEP
    long = long[long > 0]
    over_many = float(np.median(long)) if len(long) else median
    return over_many if abs(over_many - median) <= _resolution(stretches) else median


def _grid_period(steps: Seconds, typical: float) -> float:
    """The period of the grid for irregular steps."""
    periods = [max(typical, float(np.quantile(steps, part)) / GAP_PERIODS) for part in COVERED]
    return _rounded_up(next((period for period in periods if period <= WIDEST * typical), periods[-1]))


def duration(seconds: float) -> str:
    """Seconds in words.

    >>> duration(0.02), duration(90), duration(7500), duration(3 * 86400)
    ('0.02 s', '1.5 min', '2.08 h', '3 days')
    """
    for unit, size in (("days", 86_400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= size and (unit != "days" or seconds >= 2 * size):
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"


def _check_same_rate(table: Table, bounds: list[int]) -> None:
    """Raise :class:`DataError` where two files were sampled at different rates."""
    rates: list[tuple[float, bool, str]] = []
    for recording, stop in zip(table.recordings, bounds[1:], strict=True):
        stretches = _stretches(table, recording.start, stop)
        if sum(map(len, stretches)) > MIN_STEPS:
            period = typical_step(stretches)
            rates.append((period, _part_off(stretches, period) > IRREGULAR, recording.name))
    if len(rates) < 2:
        return
    (fast, fast_irregular, fast_name), (slow, slow_irregular, slow_name) = min(rates), max(rates)
    if slow > fast * (SAME_IRREGULAR_RATE if fast_irregular or slow_irregular else SAME_RATE):
        raise DataError(
            f"files of different sampling rates: {fast_name} has a sample every {duration(fast)}, {slow_name} every "
            f"{duration(slow)}; train on files of one rate, or set signal.resample = true to bring all to one"
        )


def _stretches(table: Table, start: int, stop: int) -> list[Seconds]:
    """Times of consecutive rows, all of a recording or parts that are spread over it."""
    assert table.times is not None
    if stop - start <= STRETCHES * STRETCH:
        return [table.times[start:stop]]
    firsts = np.linspace(start, stop - STRETCH, STRETCHES).astype(np.int64)
    return [table.times[first : first + STRETCH] for first in firsts]


def _steps(stretches: list[Seconds]) -> Seconds:
    """Steps between samples, without those to late rows."""
    steps = np.concatenate([np.diff(times) for times in stretches])
    return steps[steps > 0]


def _part_off(stretches: list[Seconds], period: float) -> float:
    """The part of the steps that are not one period, allowing for the clock's rounding."""
    steps = _steps(stretches)
    tolerance = max(OFF * period, min(_resolution(stretches), MOST_ROUNDING * period)) * 1.001
    return float(np.mean(np.abs(steps - period) > tolerance)) if len(steps) else 0.0


def _resolution(stretches: list[Seconds]) -> float:
    """What the clock counts in, in seconds, as far as the times show it; 0 where that is very fine."""
    for resolution in RESOLUTIONS:
        counts = [times[:STRETCH] / resolution for times in stretches]
        if all(np.abs(count - np.rint(count)).max(initial=0.0) < 1e-3 for count in counts):
            return resolution
    return 0.0


def _rounded_up(period: float) -> float:
    """The period with two digits, so that it reads well; never less.

    >>> _rounded_up(3.31), _rounded_up(0.5), _rounded_up(1234.0)
    (3.4, 0.5, 1300.0)
    """
    digits = 1 - math.floor(math.log10(period))
    scaled = period * 10.0**digits
    return round(math.ceil(scaled - 1e-9) / 10.0**digits, 15)
