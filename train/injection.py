"""Synthetic anomalies, to compare models with each other, or with their compressed selves, without labelled faults.

Two families. *Faults* disturb one channel, in the ways sensors and machines fail: a spike, a level shift, a stuck
value, a ramp, extra noise. Their sizes are in units of the channel's spread on training data, small enough that
detection is not a foregone conclusion. *Changed patterns* take all channels together, and every reading is one that
could be normal: a stretch runs backwards, at another speed, with another amplitude, smoothed, or comes from elsewhere
in the data. To find them, what is normal must be known in its order in time.

Both are after the injected anomalies of Goswami et al., "Unsupervised Model Selection for Time-series Anomaly
Detection" (ICLR 2023, https://arxiv.org/abs/2210.01078).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from vedette.runtime.detection.signal import SignalSpec

Rows = npt.NDArray[np.float64]
Label = npt.NDArray[np.int8]
# One disturbed segment for every this many times its greatest length, so that most of the data stays normal.
SPACING = 8
SIZES = (1.0, 5.0)
SPEEDS, AMPLITUDES = (0.5, 2.0), (0.3, 0.5, 1.5, 2.0)
# A smoothed reading is the mean over this part of the segment.
SMOOTHED = 1 / 4


def inject(
    rows: Rows, signal: SignalSpec, *, seed: int = 0, lengths: tuple[int, int] | None = None
) -> tuple[Rows, Label]:
    """Return a copy of normal rows ``(n, channels)`` with faults and its labels ``(n,)``; another seed, other places.

    An anomaly is one window long, or, with ``lengths``, from the shortest to the longest of them, log-uniformly: the
    same then for signals that differ in their window alone. More rows than the longest get at least one anomaly.
    """
    rng = np.random.default_rng(seed)
    if lengths:
        segments = _anywhere(len(rows), lengths, rng)
    else:
        window = signal.window
        first = int(rng.integers(SPACING * window // 2, SPACING * window))
        segments = _segments(len(rows), min(first, (len(rows) - window) // 2), (window, window), rng)
    rows, label = rows.copy(), np.zeros(len(rows), np.int8)
    for i, segment in enumerate(segments):
        channel = int(rng.integers(len(signal.channels)))
        size = rng.uniform(*SIZES) * signal.scale[channel] * rng.choice([-1.0, 1.0])
        disturb = _FAULTS[(i + seed) % len(_FAULTS)]
        rows[segment, channel] = disturb(rows[segment, channel], size, rng)
        label[segment] = 1
    return rows, label


def inject_patterns(rows: Rows, signal: SignalSpec, *, lengths: tuple[int, int], seed: int = 0) -> tuple[Rows, Label]:
    """As :func:`inject` with ``lengths``, but with changed patterns. The window of ``signal`` does not matter."""
    rng = np.random.default_rng(seed)
    changed, label = rows.copy(), np.zeros(len(rows), np.int8)
    for i, segment in enumerate(_anywhere(len(rows), lengths, rng)):
        change = _PATTERNS[(i + seed) % len(_PATTERNS)]
        changed[segment] = change(rows, segment, signal, rng)
        label[segment] = 1
    return changed, label


def _anywhere(count: int, lengths: tuple[int, int], rng: np.random.Generator) -> Iterator[slice]:
    """Segments of which the first may begin with the first row."""
    longest = lengths[1]
    return _segments(count, int(rng.integers(min(SPACING * longest, max(count - longest, 1)))), lengths, rng)


def _segments(count: int, first: int, lengths: tuple[int, int], rng: np.random.Generator) -> Iterator[slice]:
    """Evenly spaced segments of ``count`` rows, each drawn when it is asked for."""
    shortest, longest = lengths
    for start in range(first, count - longest, SPACING * longest):
        length = longest
        if shortest < longest:
            length = round(float(np.exp(rng.uniform(np.log(shortest), np.log(longest)))))
        yield slice(start, start + length)


def _spike(values: Rows, size: float, rng: np.random.Generator) -> Rows:
    values = values.copy()
    values[rng.integers(len(values))] += 2.0 * size
    return values


def _shift(values: Rows, size: float, rng: np.random.Generator) -> Rows:
    return values + size


def _stuck(values: Rows, size: float, rng: np.random.Generator) -> Rows:
    return np.full_like(values, values[0] + 0.5 * size)


def _ramp(values: Rows, size: float, rng: np.random.Generator) -> Rows:
    return values + np.linspace(0.0, 1.5 * size, len(values))


def _noise(values: Rows, size: float, rng: np.random.Generator) -> Rows:
    return values + rng.normal(0.0, abs(size), len(values))


_FAULTS = (_spike, _shift, _stuck, _ramp, _noise)


def _backwards(rows: Rows, segment: slice, signal: SignalSpec, rng: np.random.Generator) -> Rows:
    return rows[segment][::-1]


def _at_another_speed(rows: Rows, segment: slice, signal: SignalSpec, rng: np.random.Generator) -> Rows:
    place = np.arange(segment.stop - segment.start) * rng.choice(SPEEDS) + segment.start
    place = np.minimum(place, len(rows) - 1)
    before = place.astype(np.int64)
    part = (place - before)[:, None]
    between: Rows = rows[before] * (1.0 - part) + rows[np.minimum(before + 1, len(rows) - 1)] * part
    return between


def _with_another_amplitude(rows: Rows, segment: slice, signal: SignalSpec, rng: np.random.Generator) -> Rows:
    scaled: Rows = signal.mean + (rows[segment] - signal.mean) * rng.choice(AMPLITUDES)
    return scaled


def _smoothed(rows: Rows, segment: slice, signal: SignalSpec, rng: np.random.Generator) -> Rows:
    width = max(3, round((segment.stop - segment.start) * SMOOTHED))
    padded = np.pad(rows[segment], ((width // 2, (width - 1) // 2), (0, 0)), mode="edge")
    means: Rows = np.lib.stride_tricks.sliding_window_view(padded, width, axis=0).mean(axis=-1)
    return means


def _from_elsewhere(rows: Rows, segment: slice, signal: SignalSpec, rng: np.random.Generator) -> Rows:
    length = segment.stop - segment.start
    start = int(rng.integers(len(rows) - length + 1))
    return rows[start : start + length]


_PATTERNS = (_backwards, _at_another_speed, _with_another_amplitude, _smoothed, _from_elsewhere)
