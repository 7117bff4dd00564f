"""Streams on the gateway: samples with times in, readings and alerts out.

The daemon and ``vedette score`` both run these classes, so what was evaluated is what is deployed. Streams of one
bundle form a group: samples are offered to the streams, one after another, and then scored together.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from vedette.errors import DataError
from vedette.runtime.alerting.alerts import Alert, AlertPolicy, AlertTracker
from vedette.runtime.bundles.manifest import Manifest
from vedette.runtime.detection.detector import ROOM, Detector, Reading, Readings, SampleRejectedError
from vedette.runtime.detection.resample import Resampler
from vedette.runtime.detection.signal import SignalSpec
from vedette.runtime.inference.interpreter import MAX_BATCH, Model
from vedette.runtime.ingest.samples import Values

# One window scored: the time of its last row in seconds, its reading, and the alert step it causes, if any.
Step = tuple[float, Reading, Alert | None]


class AlertStep(NamedTuple):
    """What an alert has to tell: of which stream, the time of the window's last row, and which sample that was."""

    stream: Stream
    time: float
    alert: Alert
    sample: int


class Rejection(NamedTuple):
    """A row that could not be scored: of which stream, why, which sample brought it, and which row it is; -1 where the
    sample is late and has none."""

    stream: Stream
    error: DataError
    sample: int
    row: int


class Round(NamedTuple):
    """What came of the samples that were offered since the last round.

    ``numbers``, ``times`` and ``samples`` have one entry for each row: its stream's number in the group, its time, and
    the number of the sample that brought it, counting from 0. ``readings.rows`` point into them. ``alerts`` and
    ``rejections`` are in the order of the samples.
    """

    readings: Readings
    numbers: Sequence[int]
    times: Sequence[float]
    samples: Sequence[int]
    alerts: list[AlertStep]
    rejections: list[Rejection]


class StreamGroup:
    """The streams that share a bundle."""

    def __init__(self, manifest: Manifest, model: Model, *, room: int = ROOM) -> None:
        """``room`` is how many rows of one stream are scored together at most."""
        self.manifest = manifest
        self.detector = Detector(manifest.signal, manifest.score, model, room=room)
        self._width = len(manifest.signal.channels)
        self._streams: list[Stream] = []
        self._left: list[int] = []
        self._clear()

    @property
    def waiting(self) -> int:
        """How many rows wait to be scored."""
        return len(self._numbers)

    def enter(self, stream: Stream) -> int:
        """Take a stream in; returns its number."""
        if self._left:
            number = self._left.pop()
            self._streams[number] = stream
            self.detector.reset(number)
            return number
        number = self.detector.add() if self._streams else 0
        self._streams.append(stream)
        return number

    def leave(self, stream: Stream) -> None:
        """Let a stream go, of which nothing waits; its place is for the next one that enters."""
        self._left.append(stream.number)

    def take(self, stream: Stream, time: float, values: Values, broken: bool) -> None:
        """Let a row wait for the next round. Streams call it."""
        self._numbers.append(stream.number)
        self._times.append(time)
        self._samples.append(self.samples)
        if type(values) is array:
            self._values.extend(values)
        else:
            self._values.frombytes(np.asarray(values, np.float64).tobytes())
        if broken:
            self._broken.append(len(self._numbers) - 1)

    def score(self) -> Round:
        """Score what waits."""
        times, samples, rejections = self._times, self._samples, self._late
        numbers = self._numbers
        values = np.frombuffer(self._values, np.float64).reshape(-1, self._width)
        broken = None
        if self._broken:
            broken = np.zeros(len(numbers), bool)
            broken[self._broken] = True
        readings = self.detector.push_many(np.array(numbers, np.int64), values, broken)
        if readings.rejected:
            found = ((row, error) for row, error in sorted(readings.rejected.items()))
            rejections += [Rejection(self._streams[numbers[row]], error, samples[row], row) for row, error in found]
            rejections.sort(key=lambda rejection: rejection.sample)
        alerts = self._alerts(readings)
        self._clear()
        return Round(readings, numbers, times, samples, alerts, rejections)

    def _alerts(self, readings: Readings) -> list[AlertStep]:
        """Let the streams' incidents go on. Where nothing is out of the ordinary there is nothing to look at."""
        found = []
        streams, rows = self._streams, readings.rows.tolist()
        threshold = self.manifest.threshold
        for index, (row, score) in enumerate(zip(rows, readings.scores.tolist(), strict=True)):
            stream = streams[self._numbers[row]]
            stream.score = score
            if score > threshold or not stream.alerts.quiet:
                time = self._times[row]
                alert = stream.alerts.step(time, readings.at(index))
                if alert is not None:
                    found.append(AlertStep(stream, time, alert, self._samples[row]))
        return found

    def _clear(self) -> None:
        self.samples = 0
        self._numbers: list[int] = []
        self._times: list[float] = []
        self._samples: list[int] = []
        self._values = array("d")
        self._broken: list[int] = []
        self._late: list[Rejection] = []

    def reject(self, stream: Stream, error: DataError) -> None:
        """Let a rejection wait for the next round. Streams call it."""
        self._late.append(Rejection(stream, error, self.samples, -1))


class Stream:
    """One stream, of a group of its own where none is given.

    ``score`` is its newest score, NaN before the first; ``reading`` the newest one that :meth:`push` gave. ``owner`` is
    whatever the stream belongs to.
    """

    __slots__ = (
        "_last_time", "_longest_step_s", "_resampler", "alerts", "group", "number", "owner", "reading", "score",
    )  # fmt: skip

    def __init__(
        self,
        manifest: Manifest,
        model: Model,
        *,
        policy: AlertPolicy | None = None,
        group: StreamGroup | None = None,
        owner: Any = None,
    ) -> None:
        """``policy`` replaces the manifest's own alert policy."""
        signal = manifest.signal
        self.group = group or StreamGroup(manifest, model, room=MAX_BATCH)
        self.number = self.group.enter(self)
        self.owner = owner
        self.alerts = AlertTracker(signal, manifest.threshold, policy or manifest.alert)
        self.score = math.nan
        self.reading: Reading | None = None
        self._last_time = -math.inf
        self._longest_step_s = signal.longest_step_s
        self._resampler = self._new_resampler()

    @property
    def signal(self) -> SignalSpec:
        """What its samples must look like."""
        return self.group.manifest.signal

    def offer(self, time: float, values: Values) -> None:
        """Take the sample of ``time`` (seconds), one value per channel, NaN where there is none; it is scored with the
        group's next round. One that is not newer than the last one is rejected then."""
        group = self.group
        if time <= self._last_time:
            late = f"sample of {time} s is not newer than the one before it ({self._last_time} s)"
            group.reject(self, SampleRejectedError(late))
        else:
            broken = time - self._last_time > self._longest_step_s
            self._last_time = time
            if self._resampler is None:
                group.take(self, time, values, broken)
            else:
                for tick in self._resampler.push(time, np.asarray(values, np.float64)):
                    group.take(self, *tick)
        group.samples += 1

    def restart(self) -> None:
        """Forget everything: the times to come have nothing to do with those before. Nothing of it may wait, and no
        incident be open."""
        self.group.detector.reset(self.number)
        self.alerts.restart()
        self._last_time = -math.inf
        self._resampler = self._new_resampler()

    def push(self, time: float, values: Values) -> tuple[Step | DataError, ...]:
        """Take one sample and score it alone; return the windows it completes, oldest first.

        That is at most one, or, where the signal is resampled, one for each row of the grid up to ``time``. In place of
        a row that cannot be scored comes its error, so that it costs no other row and no alert:
        :class:`SampleRejectedError`, also for a sample that is not newer than the last one, or :class:`DataError` where
        the missing policy is to fail. The stream goes on with the next sample.
        """
        self.offer(time, values)
        found = self.group.score()
        told = {step.time: step.alert for step in found.alerts}
        steps: dict[int, Step | DataError] = {rejection.row: rejection.error for rejection in found.rejections}
        for number, row in enumerate(found.readings.rows.tolist()):
            row_time = found.times[row]
            self.reading = found.readings.at(number)
            steps[row] = row_time, self.reading, told.get(row_time)
        return tuple(step for _, step in sorted(steps.items(), key=lambda item: item[0]))

    def _new_resampler(self) -> Resampler | None:
        signal = self.signal
        return Resampler(signal.period_s, channels=len(signal.channels)) if signal.resampled else None
