"""One stream on the gateway: samples with times in, readings and alerts out.

The daemon and ``vedette score`` both run this class, so what was evaluated is what is deployed.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from vedette.errors import DataError
from vedette.runtime.alerts import Alert, AlertPolicy, AlertTracker
from vedette.runtime.detector import Detector, Reading, SampleRejectedError
from vedette.runtime.interpreter import Model
from vedette.runtime.manifest import Manifest
from vedette.runtime.resample import Resampler

# One window scored: the time of its last row in seconds, its reading, and the alert step it causes, if any. One is made
# for every window, and a plain tuple costs the least.
Step = tuple[float, Reading, Alert | None]


class Stream:
    """Scores one stream and follows its incidents."""

    def __init__(self, manifest: Manifest, model: Model, *, policy: AlertPolicy | None = None) -> None:
        """``policy`` replaces the manifest's own alert policy. Streams of one bundle may share ``model``."""
        self.signal = signal = manifest.signal
        self.threshold = manifest.threshold
        self.detector = Detector(signal, manifest.score, model)
        self.alerts = AlertTracker(signal, manifest.threshold, policy or manifest.alert)
        self.reading: Reading | None = None
        self._last_time = -math.inf
        self._longest_step_s = signal.longest_step_s
        self._resampler = Resampler(signal.period_s, channels=len(signal.channels)) if signal.resampled else None

    def push(self, time: float, values: npt.NDArray[np.float64]) -> tuple[Step | DataError, ...]:
        """Take the sample of ``time`` (seconds), shape ``(channels,)``; return the windows it completes, oldest first.

        That is at most one, or, where the signal is resampled, one for each row of the grid up to ``time``; the newest
        is in ``reading`` afterwards. In place of a row that cannot be scored comes its error, so that it costs no other
        row and no alert: :class:`SampleRejectedError`, also for a sample that is not newer than the last one, or
        :class:`DataError` where the missing policy is to fail. The stream goes on with the next sample.
        """
        if time <= self._last_time:
            late = f"sample of {time} s is not newer than the one before it ({self._last_time} s)"
            return (SampleRejectedError(late),)
        broken = time - self._last_time > self._longest_step_s
        self._last_time = time
        if self._resampler is None:
            return self._score(time, values, broken)
        steps: tuple[Step | DataError, ...] = ()
        for tick in self._resampler.push(time, values):
            steps += self._score(*tick)
        return steps

    def _score(self, time: float, row: npt.NDArray[np.float64], broken: bool) -> tuple[Step | DataError, ...]:
        """Score the row of ``time``, after a gap where the series is ``broken``."""
        if broken:
            self.detector.reset()
        try:
            reading = self.detector.push(row)
        except DataError as error:
            return (error,)
        if reading is None:
            return ()
        self.reading = reading
        return ((time, reading, self.alerts.step(time, reading)),)
