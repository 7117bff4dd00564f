"""Synthetic anomalies, to compare a model with its compressed self where no labelled faults exist.

Segments of normal data are disturbed in one channel each, in the ways sensors and machines fail: a spike, a level
shift, a stuck value, a ramp, extra noise. Sizes are in units of the channel's spread on training data, small enough
that detection is not a foregone conclusion.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vedette.runtime.signal import SignalSpec

Rows = npt.NDArray[np.float64]
# One disturbed segment for every this many windows of data, so that most of the data stays normal.
WINDOWS_PER_ANOMALY = 8
SIZES = (1.0, 5.0)


def inject(rows: Rows, signal: SignalSpec, *, seed: int = 0) -> tuple[Rows, npt.NDArray[np.int8]]:
    """Return a disturbed copy of normal rows ``(n, channels)`` and its labels ``(n,)``; another seed, other places.

    More than one window of rows gets at least one anomaly.
    """
    rng = np.random.default_rng(seed)
    rows, label = rows.copy(), np.zeros(len(rows), np.int8)
    span = WINDOWS_PER_ANOMALY * signal.window
    first = int(rng.integers(span // 2, span))
    first = min(first, (len(rows) - signal.window) // 2)
    for i, start in enumerate(range(first, len(rows) - signal.window, span)):
        segment = slice(start, start + signal.window)
        channel = int(rng.integers(len(signal.channels)))
        size = rng.uniform(*SIZES) * signal.scale[channel] * rng.choice([-1.0, 1.0])
        disturb = _DISTURBANCES[(i + seed) % len(_DISTURBANCES)]
        rows[segment, channel] = disturb(rows[segment, channel], size, rng)
        label[segment] = 1
    return rows, label


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


_DISTURBANCES = (_spike, _shift, _stuck, _ramp, _noise)
