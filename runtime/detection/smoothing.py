"""The causal exponential mean of the errors, stream by stream, over a batch of windows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vedette.runtime.detection.ring import Integers
from vedette.runtime.detection.signal import FloatArray

Flags = npt.NDArray[np.bool_]


class ErrorMeans:
    """The means of every stream, ``(terms, channels)`` each."""

    def __init__(self, terms: int, channels: int) -> None:
        self._shape = terms, channels
        # A stream's as a single element: NumPy copies those fastest.
        self._cells = np.zeros(1, np.dtype((np.void, 4 * terms * channels)))

    @property
    def bytes_per_stream(self) -> int:
        """What the means of one stream take."""
        return self._cells.itemsize

    def grow(self, streams: int) -> None:
        """Make room for so many streams."""
        cells = self._cells
        self._cells = np.zeros(streams, cells.dtype)
        self._cells[: len(cells)] = cells

    def update(
        self, streams: Integers, errors: FloatArray, first: Flags | None, weight: FloatArray, *, apart: bool
    ) -> None:  # fmt: skip
        """Replace ``errors`` ``(n, terms, channels)`` of ``streams`` ``(n,)`` by their means, in place.

        ``first`` ``(n,)`` says where a mean begins, None: nowhere. ``weight``, of the same shape or longer, is what the
        newest error weighs. The windows of a stream stand together, oldest first; ``apart`` says that there is one of
        each at most.
        """
        if apart:
            _step(errors, first, self._of(streams), weight)
            self._keep(streams, errors)
        else:
            self._update_runs(streams, errors, first, weight)

    def _of(self, streams: Integers) -> FloatArray:
        return self._cells[streams].view(np.float32).reshape(-1, *self._shape)

    def _keep(self, streams: Integers, means: FloatArray) -> None:
        self._cells[streams] = means.reshape(len(means), -1).view(self._cells.dtype)[:, 0]

    def _update_runs(self, streams: Integers, errors: FloatArray, first: Flags | None, weight: FloatArray) -> None:
        begins = np.flatnonzero(np.diff(streams, prepend=-1))
        lengths = np.diff(begins, append=len(streams))
        # In rounds: the first window of every stream, the second, and so on, those with the most windows in front. A
        # round is then one piece of memory, and continues the front of the one before.
        front = np.argsort(-lengths, kind="stable")
        begins, lengths = begins[front], lengths[front]
        rounds = np.count_nonzero(lengths[:, None] > np.arange(lengths[0]), axis=0).tolist()
        order = np.concatenate([begins[:count] + number for number, count in enumerate(rounds)])
        in_rounds = errors[order]
        begin = None if first is None else first[order]
        previous, start = self._of(streams[begins]), 0
        for count in rounds:
            part = slice(start, start + count)
            now = in_rounds[part]
            _step(now, None if begin is None else begin[part], previous[:count], weight)
            previous, start = now, start + count
        errors[order] = in_rounds
        ends = begins + lengths - 1
        self._keep(streams[ends], errors[ends])


def _step(errors: FloatArray, first: Flags | None, previous: FloatArray, weight: FloatArray) -> None:
    """One step of the mean, in place. Where it is the first, the error itself: the difference to itself is nothing."""
    if first is not None:
        previous = np.where(first[:, None, None], errors, previous)
    np.subtract(errors, previous, out=errors)
    np.multiply(errors, weight[: len(errors)], out=errors)
    np.add(errors, previous, out=errors)
