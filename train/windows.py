"""Windows cut out of rows, a selection at a time, so that never all of them are in memory."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vedette.runtime.signal import FloatArray


def gather(rows: FloatArray, ends: npt.NDArray[np.int64], window: int) -> FloatArray:
    """Flat windows ``(len(ends), window * channels)``, rows oldest first, that end at these rows.

    >>> gather(np.array([[1], [2], [3]], np.float32), np.array([1, 2]), 2).tolist()
    [[1.0, 2.0], [2.0, 3.0]]
    """
    index = ends[:, None] - np.arange(window - 1, -1, -1)
    windows: FloatArray = rows[index].reshape(len(ends), -1)
    return windows


def evenly(count: int, most: int) -> npt.NDArray[np.int64]:
    """At most ``most`` indices of ``count`` items, from the first to the last, evenly spread.

    >>> evenly(10, 4).tolist(), evenly(3, 4).tolist()
    ([0, 3, 6, 9], [0, 1, 2])
    """
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.int64))
