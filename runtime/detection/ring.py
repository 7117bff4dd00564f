"""The newest rows of many streams, kept so that every newest window is one contiguous piece of memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]


class WindowRows:
    """The last rows of each stream, in one array for all of them.

    A stream's rows stand one behind the other, with room for ``room`` more than the ``window - 1`` that the next window
    needs; where there is none left, these move back to the beginning. So a stream takes ``(window - 1 + room) *
    channels`` values, and a batch of windows is gathered with a single copy.

    >>> rows = WindowRows(window=2, channels=1, dtype=np.int8, room=4)
    >>> streams = np.zeros(3, np.int64)
    >>> ends = rows.push(streams, np.arange(3), 3, np.array([[1], [2], [3]], np.int8))
    >>> rows.windows(ends[1:]).tolist()
    [[1, 2], [2, 3]]
    """

    def __init__(self, *, window: int, channels: int, dtype: npt.DTypeLike, room: int) -> None:
        self._window, self._channels, self._dtype = window, channels, np.dtype(dtype)
        self.room = room
        self._length = window - 1 + room
        # Rows and windows as single elements: NumPy copies those fastest.
        row_bytes = channels * self._dtype.itemsize
        self._row = np.dtype((np.void, row_bytes))
        self._reserve(1)

    @property
    def bytes_per_stream(self) -> int:
        """What a stream's rows take."""
        return self._length * self._row.itemsize + self._next.itemsize

    def grow(self, streams: int) -> None:
        """Make room for at least so many streams; those that are there keep their rows."""
        if streams > len(self._next):
            rows, places = self._rows, self._next
            self._reserve(max(streams, 2 * len(places)))
            self._rows[: len(rows)] = rows
            self._next[: len(places)] = places

    def push(self, streams: Integers, rank: Integers | None, most: int, rows: npt.NDArray[np.generic]) -> Integers:
        """Add contiguous ``rows`` ``(n, channels)`` of ``streams`` ``(n,)``, and return where they are.

        ``rank`` ``(n,)`` counts the rows of the same stream before each, which must stand together; None where all
        streams differ. ``most`` is the most rows of one stream; more than ``room`` do not fit.
        """
        if most > self._left:
            self._move_back()
        self._left -= most
        places = self._next[streams]
        if rank is not None:
            places += rank
        self._rows[places] = rows.view(self._row)[:, 0]
        self._next[streams] = places + 1
        return places

    def windows(self, ends: Integers) -> npt.NDArray[Any]:
        """The windows ``(n, window * channels)`` whose newest rows are at ``ends``, rows oldest first."""
        found = self._windows[ends - (self._window - 1)]
        return found.view(self._dtype).reshape(len(ends), -1)

    def _reserve(self, streams: int) -> None:
        self._begins = np.arange(streams) * self._length
        self._next = self._begins.copy()
        self._rows = np.zeros(streams * self._length, self._row)
        self._windows, self._kept = self._runs(self._window), self._runs(self._window - 1)
        # For so many rows more there is room in every stream; how many there is in each is looked up rarely.
        self._left = 0

    def _runs(self, rows: int) -> npt.NDArray[np.void]:
        """A view in which every run of so many rows, whatever row it begins with, is one element."""
        count = len(self._rows) - max(rows, 1) + 1
        kind = np.dtype((np.void, max(rows, 1) * self._row.itemsize))
        return np.ndarray(count, kind, self._rows, strides=self._row.itemsize)

    def _move_back(self) -> None:
        """Move the rows that the next windows need to the beginning."""
        kept = self._window - 1
        moved = np.flatnonzero(self._next - self._begins > kept)
        if kept:
            self._kept[self._begins[moved]] = self._kept[self._next[moved] - kept]
        self._next[moved] = self._begins[moved] + kept
        self._left = self.room
