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
        self._row, self._whole = np.dtype((np.void, row_bytes)), np.dtype((np.void, window * row_bytes))
        self._reserve(1)

    @property
    def bytes_per_stream(self) -> int:
        """What a stream's rows take."""
        return self._length * self._row.itemsize + self._next.itemsize

    def grow(self, streams: int) -> None:
        """Make room for at least so many streams; those that are there keep their rows."""
        if streams > len(self._next):
            rows, filled = self._rows, self._next
            self._reserve(max(streams, 2 * len(filled)))
            self._rows[: len(rows)] = rows
            self._next[: len(filled)] = filled

    def push(
        self, streams: Integers, rank: Integers | None, most: int, rows: npt.NDArray[np.generic]
    ) -> Integers:  # fmt: skip
        """Add contiguous ``rows`` ``(n, channels)`` of ``streams`` ``(n,)``, and return where they are.

        ``rank`` ``(n,)`` counts the rows of the same stream before each, which must stand together; None where all
        streams differ. ``most`` is the most rows of one stream; more than ``room`` do not fit.
        """
        after = self._next[streams]
        full = after > self._length - most
        if full.any():
            self._move_back(streams[full])
            after = self._next[streams]
        if rank is not None:
            after = after + rank
        places = streams * self._length + after
        self._rows[places] = rows.view(self._row)[:, 0]
        self._next[streams] = after + 1
        return places

    def windows(self, ends: Integers) -> npt.NDArray[Any]:
        """The windows ``(n, window * channels)`` whose newest rows are at ``ends``, rows oldest first."""
        found = self._windows[ends - (self._window - 1)]
        return found.view(self._dtype).reshape(len(ends), -1)

    def _reserve(self, streams: int) -> None:
        self._next = np.zeros(streams, np.int64)
        self._rows = np.zeros(streams * self._length, self._row)
        count = len(self._rows) - self._window + 1
        self._windows: npt.NDArray[np.void] = np.ndarray(count, self._whole, self._rows, strides=self._row.itemsize)

    def _move_back(self, streams: Integers) -> None:
        """Move the rows that the next window needs to the beginning."""
        kept = self._window - 1
        streams = np.unique(streams)
        ends = self._next[streams]
        moved = ends > kept
        streams, ends = streams[moved], ends[moved]
        offsets = np.arange(kept)
        begins = streams * self._length
        self._rows[(begins[:, None] + offsets)] = self._rows[(begins + ends - kept)[:, None] + offsets]
        self._next[streams] = kept
