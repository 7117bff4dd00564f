"""A ring buffer whose newest window is always one contiguous slice."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


class WindowRing:
    """The last ``window`` rows of a stream, oldest first, without copying.

    Every row is written twice, ``window`` rows apart, so that the newest window is a plain slice: a flat view that
    the interpreter can read as it is.

    >>> ring = WindowRing(window=2, channels=1, dtype=np.int8)
    >>> for value in (1, 2, 3):
    ...     ring.push(np.array([value], np.int8))
    >>> ring.full, ring.newest().ravel().tolist()
    (True, [2, 3])
    """

    def __init__(self, *, window: int, channels: int, dtype: npt.DTypeLike) -> None:
        self._window = window
        self._rows = np.zeros((2 * window, channels), dtype)
        self._twice = self._rows.reshape(2, window, channels)
        self._flat = [self._rows[i : i + window].reshape(1, -1) for i in range(window)]
        self.clear()

    def clear(self) -> None:
        """Forget all rows: the next window is full after ``window`` more."""
        self._next = 0
        self.filled = 0

    @property
    def full(self) -> bool:
        """Whether ``window`` rows have arrived since the last :meth:`clear`."""
        return self.filled >= self._window

    def push(self, row: npt.NDArray[np.generic]) -> None:
        """Add a row of shape ``(channels,)``; the oldest one falls out."""
        position = self._next
        self._twice[:, position] = row
        self._next = position + 1 if position + 1 < self._window else 0
        self.filled += 1

    def newest(self) -> npt.NDArray[np.generic]:
        """The newest window, shape ``(1, window * channels)``, rows oldest first; valid until the next push."""
        return self._flat[self._next]
