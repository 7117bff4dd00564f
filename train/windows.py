"""Windows cut out of rows, a selection at a time, so that never all of them are in memory."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vedette.runtime.detection.signal import FloatArray
from vedette.train.data.table_store import release

Rows = npt.NDArray[np.int64]
# Windows that are gathered at a time.
GATHERED = 2**9
# Up to this many channels say too little at a time: their windows, and the score's memory, are longer.
FEW_CHANNELS = 4
LONG_WINDOW, SHORT_WINDOW = 64, 16


def default_window(channels: int, rows: int) -> int:
    """Rows of a window where the project does not say: 64 for few channels, at most a tenth of the data, else 16.

    >>> default_window(1, 10_000), default_window(1, 300), default_window(8, 10_000)
    (64, 30, 16)
    """
    return max(SHORT_WINDOW, min(LONG_WINDOW, rows // 10)) if channels <= FEW_CHANNELS else SHORT_WINDOW


class WindowEnds:
    """The last rows of windows, in order, kept as runs of consecutive rows.

    Index it with an array of integers, from 0 to the length, to get row numbers of the same shape.

    >>> ends = WindowEnds(np.array([3, 10]), np.array([2, 3]))
    >>> len(ends), ends[np.arange(5)].tolist()
    (5, [3, 4, 10, 11, 12])
    """

    def __init__(self, firsts: Rows, counts: Rows) -> None:
        """Runs of ``counts`` rows, each at least 1, that begin at ``firsts``, increasing."""
        self._firsts = firsts
        # How many windows there are before each run, and in all.
        self._before = np.concatenate([[0], np.cumsum(counts)])

    def __len__(self) -> int:
        return int(self._before[-1])

    def __getitem__(self, index: npt.NDArray[np.integer]) -> Rows:
        run = np.searchsorted(self._before, index, side="right") - 1
        rows: Rows = self._firsts[run] + (index - self._before[run])
        return rows

    @classmethod
    def of_runs(cls, starts: Rows, stops: Rows, window: int, *, first: int, last: int) -> WindowEnds:
        """The windows that lie within runs of rows, ``starts`` to before ``stops``, and end from ``first`` to before
        ``last``."""
        firsts = np.maximum(starts + window - 1, first)
        counts = np.minimum(stops, last) - firsts
        return cls(firsts[counts > 0], counts[counts > 0])


def gather(rows: FloatArray, ends: Rows, window: int) -> FloatArray:
    """Flat windows ``(len(ends), window * channels)``, rows oldest first, that end at these rows.

    >>> gather(np.array([[1], [2], [3]], np.float32), np.array([1, 2]), 2).tolist()
    [[1.0, 2.0], [2.0, 3.0]]
    """
    windows = np.empty((len(ends), window, rows.shape[1]), rows.dtype)
    back = np.arange(window - 1, -1, -1)
    for first in range(0, len(ends), GATHERED):
        windows[first : first + GATHERED] = rows[ends[first : first + GATHERED, None] - back]
        release(rows)
    return windows.reshape(len(ends), window * rows.shape[1])


def evenly(count: int, most: int) -> Rows:
    """At most ``most`` indices of ``count`` items, from the first to the last, evenly spread.

    >>> evenly(10, 4).tolist(), evenly(3, 4).tolist()
    ([0, 3, 6, 9], [0, 1, 2])
    """
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.int64))
