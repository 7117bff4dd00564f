"""From samples to scores: the one path that training, evaluation, the daemon and the self-test all take.

The score of a window is the error of its **last row**. Up to two expectations of that row are compared with the float
row (int8 inputs saturate outside the calibrated range, and that is evidence): the network's, and that of the nearest of
a few prototypes of normal windows. Each residual is divided per channel by its spread on normal data, bounded, squared,
averaged over the channels, and smoothed by a causal exponential mean; divided by its mean on normal data it is a
*term*. The score is the geometric mean of (1 + term), less 1: the product of the terms' tail probabilities under the
heavy-tailed law P(term > t) = 1 / (1 + t), back on the scale of a term. Higher is more anomalous, a normal window
scores about 1, and a score uses only the samples pushed so far.

A detector scores any number of streams. What they push together goes through the model together, and gives the same
bits as if each sample had come alone.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from vedette.errors import DataError
from vedette.runtime.detection.missing import MissingValues, SampleRejectedError
from vedette.runtime.detection.reading import Reading, Readings
from vedette.runtime.detection.ring import Integers, WindowRows
from vedette.runtime.detection.score_spec import ScoreSpec
from vedette.runtime.detection.scorer import Scorer
from vedette.runtime.detection.signal import MAX_READING, FloatArray, SignalSpec
from vedette.runtime.detection.smoothing import ErrorMeans
from vedette.runtime.inference.interpreter import MAX_BATCH, Model

__all__ = ["Detector", "Reading", "Readings", "SampleRejectedError"]

# Rows of one stream that fit in before its window is moved: the more, the longer the runs of a stream that are scored
# together, and the more memory each stream takes. A recorded series is alone, and takes as many as go at once.
ROOM = 64
_NUMBERS = np.arange(MAX_BATCH)
_NUMBERS.flags.writeable = False
Flags = npt.NDArray[np.bool_]


class Detector:
    """Scores the streams of one signal. Several detectors may share one :class:`Model`.

    The first stream is there from the beginning, number 0; :meth:`add` makes others.

    >>> reading = detector.push(np.array([0.1, 0.2]))      # doctest: +SKIP
    """

    def __init__(self, signal: SignalSpec, score: ScoreSpec, model: Model, *, room: int = ROOM) -> None:
        """``room`` is how many rows of one stream are taken in at once."""
        width = len(signal.channels)
        self.signal = signal
        self.streams = 1
        self._scorer = Scorer(signal, score, model)
        self._missing = MissingValues(signal)
        self._rows = WindowRows(window=signal.window, channels=width, dtype=self._scorer.dtype, room=room)
        self._means = ErrorMeans(self._scorer.terms, width)
        # By stream: rows since its window began, and where a batch saw it last.
        self._filled = np.zeros(1, np.int64)
        self._seen = np.zeros(1, np.int64)
        # The last batch of which no stream was there twice.
        self._different = b""

    @property
    def model(self) -> Model:
        """What scores the windows."""
        return self._scorer.model

    @property
    def bytes_per_stream(self) -> int:
        """What the arrays of one stream take."""
        parts = (self._rows, self._missing, self._means)
        return sum(part.bytes_per_stream for part in parts) + self._filled.itemsize + self._seen.itemsize

    def add(self) -> int:
        """A further stream; returns its number."""
        number, self.streams = self.streams, self.streams + 1
        if self.streams > len(self._filled):
            more = len(self._filled)
            self._filled = np.append(self._filled, np.zeros(more, np.int64))
            self._seen = np.append(self._seen, np.zeros(more, np.int64))
            for part in (self._rows, self._missing, self._means):
                part.grow(len(self._filled))
        return number

    def reset(self, stream: int = 0) -> None:
        """Forget a stream: its next score comes after one full window."""
        self._filled[stream] = 0
        self._missing.reset(stream)

    def push(self, values: npt.NDArray[np.float64], *, stream: int = 0) -> Reading | None:
        """Take one sample, shape ``(channels,)`` in sensor units, NaN where a value is missing.

        What is infinite or beyond :data:`~vedette.runtime.detection.signal.MAX_READING` is missing too.

        Returns a :class:`Reading` when the sample completes a window, else None. Raises :class:`SampleRejectedError`
        for a sample that the missing policy does not cover, and :class:`DataError` where that is to fail; after too
        long a gap the window starts afresh.
        """
        readings = self.push_many(np.array([stream]), values[None])
        for error in readings.rejected.values():
            raise error
        return readings.at(0) if len(readings.rows) else None

    def push_many(
        self, streams: Integers, values: npt.NDArray[np.float64], broken: Flags | None = None
    ) -> Readings:  # fmt: skip
        """Take samples ``(n, channels)``, as :meth:`push` does, of ``streams`` ``(n,)``; each stream's in order.

        Where ``broken`` ``(n,)``, a stream starts afresh with that sample.
        """
        if not len(streams):
            return Readings.none(self._scorer.terms, len(self.signal.channels))
        if len(streams) <= MAX_BATCH:
            return self._push_batch(streams, values, broken)
        parts = []
        for start in range(0, len(streams), MAX_BATCH):
            part = slice(start, start + MAX_BATCH)
            found = self._push_batch(streams[part], values[part], None if broken is None else broken[part])
            parts.append(found.shifted(start))
        return Readings.joined(parts)

    def _push_batch(self, streams: Integers, values: npt.NDArray[np.float64], broken: Flags | None) -> Readings:
        rejected: dict[int, DataError] = {}
        kept: Integers | None = None
        # None is larger than the root of the sum of all squares, which is soon found.
        largest = math.sqrt(np.vdot(values, values))
        if not largest <= MAX_READING:
            largest = np.abs(values).max()
        restarted: list[int] = []
        if largest <= MAX_READING:  # NaN fails this too
            self._missing.complete(streams, values)
        else:
            filled = self._missing.fill(streams, values, broken)
            values, broken, rejected, restarted = filled.values, filled.broken, filled.rejected, filled.restarted
            if rejected:
                kept = filled.kept
                streams, values, broken = streams[kept], values[kept], broken[kept]
        if broken is not None and not broken.any():
            broken = None
        readings = self._score(streams, self._scorer.standardise(values, largest), broken)
        self._filled[restarted] = 0
        if kept is not None:
            readings = readings.placed(kept)
        return readings.with_rejected(rejected) if rejected else readings

    def _score(self, streams: Integers, observed: FloatArray, broken: Flags | None) -> Readings:
        """Put standardised rows into their windows, and score those that are due."""
        count = len(streams)
        if not count:
            return Readings.none(self._scorer.terms, len(self.signal.channels))
        if self._differ(streams):
            return self._score_runs(streams, observed, broken, rank=None, most=1)
        # Several rows of a stream: they must stand together, and not be more than there is room for.
        order = np.argsort(streams, kind="stable")
        streams = streams[order]
        begins = np.flatnonzero(np.diff(streams, prepend=-1))
        rank = _NUMBERS[:count] - np.repeat(begins, np.diff(begins, append=count))
        most, room = int(rank.max()) + 1, self._rows.room
        parts = []
        for first in range(0, most, room):
            part = slice(None) if most <= room else np.flatnonzero((rank >= first) & (rank < first + room))
            rows = order[part]
            found = self._score_runs(
                streams[part],
                observed[rows],
                None if broken is None else broken[rows],
                rank=rank[part] - first,
                most=min(most - first, room),
            )
            parts.append(found.placed(rows))
        return Readings.joined(parts).in_order()

    def _differ(self, streams: Integers) -> bool:
        """Whether no stream is there twice."""
        if len(streams) == 1:
            return True
        # Round after round it is mostly the same streams.
        content = streams.tobytes()
        if content != self._different:
            numbers = _NUMBERS[: len(streams)]
            self._seen[streams] = numbers
            if not (self._seen[streams] == numbers).all():
                return False
            self._different = content
        return True

    def _score_runs(
        self, streams: Integers, observed: FloatArray, broken: Flags | None, *, rank: Integers | None, most: int
    ) -> Readings:
        """The same where the rows of a stream stand together and count up in ``rank`` to ``most``; None: all differ."""
        ends = self._rows.push(streams, rank, most, self._scorer.model_rows(observed))
        filled = self._filled[streams]
        filled += 1 if rank is None else rank + 1
        if broken is not None:
            _restart(filled, broken, rank)
        self._filled[streams] = filled

        signal = self.signal
        rows, first = _NUMBERS[: len(streams)], None
        if filled.min() <= signal.window or signal.stride > 1:
            beyond = filled - signal.window
            rows = np.flatnonzero((beyond >= 0) & (beyond % signal.stride == 0))
            if not len(rows):
                return Readings.none(self._scorer.terms, len(signal.channels))
            ends, observed, streams, first = ends[rows], observed[rows], streams[rows], beyond[rows] == 0
        errors, expected = self._scorer.errors(self._rows.windows(ends), observed)
        self._means.update(streams, errors, first, self._scorer.smoothing, apart=rank is None)
        scores, terms = self._scorer.scores(errors)
        return Readings(rows, scores, terms, errors, observed, expected, {})


def _restart(filled: Integers, broken: Flags, rank: Integers | None) -> None:
    """Count afresh, in place, from each broken row on to the end of its stream's run."""
    if rank is None:
        filled[broken] = 1
        return
    numbers = np.arange(len(filled))
    since = numbers - np.maximum.accumulate(np.where(broken, numbers, -1))
    np.copyto(filled, since + 1, where=since <= rank)
