"""Long series drawn with few points, without losing a peak, a gap or an event."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Positions = npt.NDArray[np.float64]


def thin(
    at: Positions, values: npt.NDArray[np.floating[Any]], points: int
) -> tuple[Positions, npt.NDArray[np.floating[Any]]]:
    """The lowest and the highest value of each of ``points`` stretches, in their order; NaN where one has no value."""
    step = len(values) // points
    if step < 3:
        return at, values
    index = np.sort(np.stack(_extremes(values, step), axis=1), axis=1).ravel()
    return at[index], values[index]


def highest(
    at: Positions, values: npt.NDArray[np.floating[Any]], points: int
) -> tuple[Positions, npt.NDArray[np.floating[Any]]]:
    """The highest value of each of ``points`` stretches."""
    step = len(values) // points
    if step < 3:
        return at, values
    _, index = _extremes(values, step)
    return at[index], values[index]


def _extremes(values: npt.NDArray[np.floating[Any]], step: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """The row of the lowest and of the highest value of each ``step`` rows; the last stretch may be shorter."""
    padded = np.append(values, np.full(-len(values) % step, np.nan)).reshape(-1, step)
    missing = np.isnan(padded)
    begins = np.arange(len(padded)) * step
    lowest = np.where(missing, np.inf, padded).argmin(axis=1)
    return begins + lowest, begins + np.where(missing, -np.inf, padded).argmax(axis=1)


def bars(ranges: Sequence[tuple[float, float]], narrowest: float) -> list[tuple[float, float]]:
    """Ranges (from, to) as bars (from, width), none narrower than ``narrowest`` and those closer than that joined.

    >>> bars([(0.0, 0.0), (0.5, 0.6), (5.0, 9.0)], 1.0)
    [(0.0, 1.5), (5.0, 4.0)]
    """
    joined: list[list[float]] = []
    for begin, end in ranges:
        visible = max(end, begin + narrowest)
        if joined and begin - joined[-1][1] < narrowest:
            joined[-1][1] = max(visible, joined[-1][1])
        else:
            joined.append([begin, visible])
    return [(begin, end - begin) for begin, end in joined]
