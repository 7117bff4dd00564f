"""What is normal for each channel: its mean, spread and range, and whether it says anything at all."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from vedette.errors import ConfigError, DataError, nearest
from vedette.runtime.detection.signal import Channel
from vedette.train.data.table_store import spans
from vedette.train.windows import FEW_CHANNELS

# A range below this part of the channel's magnitude is rounding, not signal: the channel counts as constant.
CONSTANT = 1e-9
# ... and so is everything below this.
SMALLEST = 1e-30
# Cells that means, spreads and duplicates are found on, spread over the series.
SAMPLE_CELLS = 2**22
# Readings that are this many times the middle 90% away from it, about 50 spreads of ordinary noise, say nothing about
# how far the channel usually moves: spikes, a sensor stuck far off.
MIDDLE, FAR = (0.05, 0.95), 15.0
# Among many channels such readings are taken for bursts that belong to the channel, up to this part of the rows: that
# makes it less sensitive, but the others still see, and on servers the plain deviation ranks anomalies better (mean
# VUS-PR of four machines .54 against .50).
BURSTS = 0.01
# That does not hold for a channel with one and the same reading in this part of the rows or more: what stands out from
# it is its signal. Flags, commands and counters of errors are like that.
STILL = 0.3
# A channel that changes in fewer rows than this is nearly dead: its few excursions make so small a spread over all the
# quiet rows that each would count for dozens of spreads, or hundreds. A typical one is this many at most.
NEARLY_DEAD, REACH = 1e-3, 20.0
# Of a channel that stands still for more than this part of the rows at a time, as flags and commands do, the data has
# seen too few moves to say how long is unusual.
STILL_RUN = 0.01
# Channels are compared where they correlate at least so well, and are duplicates where one gives the other up to the
# rounding of both, though no more than a small part of its spread, or up to what floating point loses.
ALIKE, COARSE, FINE = 0.999, 0.05, 1e-6
# Channels that one note names at most.
NAMED = 5

Values = npt.NDArray[np.float64]


@dataclass
class _Extremes:
    """What a pass over all rows finds about ``channels`` channels."""

    channels: int
    low: Values = field(init=False)
    high: Values = field(init=False)
    rows: int = 0
    changes: npt.NDArray[np.int64] = field(init=False)
    longest_flat: npt.NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        self.low, self.high = np.full(self.channels, np.inf), np.full(self.channels, -np.inf)
        self.changes = np.zeros(self.channels, np.int64)
        self.longest_flat, self._flat = np.ones(self.channels, np.int64), np.zeros(self.channels, np.int64)
        self._before = np.full(self.channels, np.nan)

    def take(self, block: Values) -> None:
        self.low, self.high = np.fmin(self.low, np.fmin.reduce(block)), np.fmax(self.high, np.fmax.reduce(block))
        steps = np.diff(block, axis=0, prepend=self._before[None])
        changed = np.nan_to_num(steps) != 0
        self.changes += np.count_nonzero(changed, axis=0)
        for i in range(self.channels):
            # The run up to the first change began in an earlier block; the one after the last goes on in the next.
            edges = np.concatenate([[-self._flat[i]], np.flatnonzero(changed[:, i]), [len(block)]])
            self.longest_flat[i] = max(self.longest_flat[i], np.diff(edges).max())
            self._flat[i] = edges[-1] - edges[-2]
        self.rows += len(block)
        self._before = block[-1].copy()


def channels(
    names: tuple[str, ...], rows: Values, stop: int, units: dict[str, str]
) -> tuple[tuple[Channel, ...], tuple[str, ...]]:
    """Scaling and range of each channel, from the rows before ``stop``, and notes on the odd ones.

    A constant channel is scaled by its magnitude, at most 1, so that a later move shows. Raises :class:`DataError`
    where a channel has no value there, or none ever changes, and :class:`ConfigError` for a unit of an unknown channel.
    """
    for name in units:
        if name not in names:
            raise ConfigError(f'signal.units: no channel "{name}"; {nearest(name, names)}')
    extremes = _Extremes(len(names))
    chosen, parts = sample_rows(stop, len(names)), [rows[:0]]
    for span in spans(rows, 0, stop):
        block = rows[span]
        extremes.take(block)
        first, last = np.searchsorted(chosen, [span.start, span.stop])
        parts.append(block[chosen[first:last] - span.start])
    sample = np.concatenate(parts)
    found, constant, notes = [], [], []
    for i, name in enumerate(names):
        low, high, changes = float(extremes.low[i]), float(extremes.high[i]), int(extremes.changes[i])
        if not np.isfinite(low):
            raise DataError(f'channel "{name}" has no value in the training part of the data; take it out')
        values, magnitude = sample[np.isfinite(sample[:, i]), i], max(abs(low), abs(high))
        mean, scale = robust_scale(values, bursts=0.0 if len(names) <= FEW_CHANNELS else BURSTS)
        if high - low <= max(CONSTANT * magnitude, SMALLEST):
            constant.append(name)
            mean, scale = low, min(1.0, magnitude) if magnitude > SMALLEST else 1.0
            notes.append(f'channel "{name}" is constant ({mean:g}); any later move counts as evidence')
        elif changes < NEARLY_DEAD * extremes.rows:
            mean, scale = quiet_scale(values, high - low)
            notes.append(
                f'channel "{name}" is nearly dead ({changes} changes in {extremes.rows:,} rows, {low:g} to {high:g}); '
                "it is scaled so that these count, but do not outweigh everything else"
            )
        flat = int(extremes.longest_flat[i])
        longest_flat = flat if flat <= STILL_RUN * extremes.rows else None
        found.append(Channel(name, mean, scale, low, high, units.get(name), longest_flat))
    if len(constant) == len(names):
        raise DataError(f"every channel is constant ({', '.join(names[:5])}); there is nothing to learn from")
    return tuple(found), (*notes, *_duplicates(names, sample, [name not in constant for name in names]))


def sample_rows(count: int, width: int) -> npt.NDArray[np.int64]:
    """Rows to look at in place of all ``count`` of ``(width,)``: all, or one at random in each of many equal parts.

    Evenly spaced ones could all fall on the same time of day. The same numbers give the same rows.
    """
    most = max(1, SAMPLE_CELLS // width)
    if count <= most:
        return np.arange(count)
    edges = np.linspace(0, count, most + 1).astype(np.int64)
    return np.random.default_rng(0).integers(edges[:-1], edges[1:])


def robust_scale(values: Values, *, bursts: float = 0.0) -> tuple[float, float]:
    """Mean and spread of ``(n,)`` values, of which some percent may be far from any normal one.

    Up to the part ``bursts`` of far ones are taken for normal.

    For clean data these are the plain mean and standard deviation, also where a channel that mostly stands still has
    rare bursts. With up to 4% of readings of 100 spreads the result stays what it would be without them.

    >>> robust_scale(np.array([1.0, 2.0, 3.0, 4.0]))
    (2.5, 1.118033988749895)
    """
    if not len(values):
        return 0.0, 0.0
    ordered = np.sort(values)
    low, high = np.quantile(ordered, MIDDLE)
    kept = ordered[np.searchsorted(ordered, low - FAR * (high - low)) :]
    kept = kept[: np.searchsorted(kept, high + FAR * (high - low), side="right")]
    if len(ordered) - len(kept) <= bursts * len(ordered) or _most_common(ordered) >= STILL:
        kept = values
    return float(kept.mean()), float(kept.std())


def quiet_scale(values: Values, extent: float) -> tuple[float, float]:
    """Mean and spread of ``(n,)`` values that hardly ever change, over a range of ``extent`` in all.

    The spread is the standard deviation, but no less than a twentieth of the typical excursion from the usual value,
    so that it does not explode, and one excursion far beyond the typical counts for no more than twenty of those, so
    that it does not bury them.
    """
    usual = float(np.median(values))
    away = np.abs(values - usual)
    excursions = away[away > 0]
    typical = float(np.median(excursions)) if len(excursions) else extent
    bounded = np.clip(values, usual - REACH * typical, usual + REACH * typical)
    return float(bounded.mean()), max(float(bounded.std()), typical / REACH)


def _most_common(ordered: Values) -> float:
    """The part of sorted values that are the most frequent one."""
    firsts = np.flatnonzero(np.diff(ordered, prepend=np.nan) != 0)
    return float(np.diff(firsts, append=len(ordered)).max() / len(ordered))


def _duplicates(names: tuple[str, ...], sample: Values, varies: list[bool]) -> list[str]:
    """Notes on channels that repeat an earlier one, up to unit, offset and rounding."""
    rows = sample[np.isfinite(sample).all(axis=1)]
    mean, spread = rows.mean(axis=0) if len(rows) else 0.0, rows.std(axis=0) if len(rows) else np.zeros(len(names))
    usable = np.array(varies) & (spread > 0)
    scaled = np.divide(rows - mean, spread, out=np.zeros_like(rows), where=usable)
    alike = np.abs(scaled.T @ scaled) >= ALIKE * max(1, len(rows))
    repeats: dict[int, list[str]] = {}
    known: set[int] = set()
    for i, j in np.argwhere(np.triu(alike, 1)).tolist():
        if i not in known and j not in known and _gives(rows[:, i], rows[:, j]):
            repeats.setdefault(i, []).append(names[j])
            known.add(j)
    notes = []
    for i, others in repeats.items():
        more = f" and {len(others) - NAMED} more" if len(others) > NAMED else ""
        which = ", ".join(f'"{name}"' for name in others[:NAMED]) + more
        subject, verb = ("channel", "says") if len(others) == 1 else ("channels", "say")
        notes.append(
            f'{subject} {which} {verb} the same as "{names[i]}", up to unit and rounding; all are kept, as the gateway '
            "gets them too, and a later difference counts as evidence"
        )
    return notes


def _gives(x: Values, y: Values) -> bool:
    """Whether ``y`` is a straight line of ``x``, up to the rounding of both."""
    slope = float(np.mean((x - x.mean()) * (y - y.mean())) / x.var())
    rounding = 0.51 * (_quantum(y) + abs(slope) * _quantum(x))
    spread = float(y.std())
    worst = float(np.abs(y - y.mean() - slope * (x - x.mean())).max())
    return worst <= max(min(rounding, COARSE * spread), FINE * spread)


def _quantum(values: Values) -> float:
    """The least step between different values."""
    steps = np.diff(np.unique(values))
    return float(steps.min()) if len(steps) else 0.0
