"""One stream on the gateway: samples with times in, readings and alerts out.

The daemon and ``vedette score`` both run this class, so what was evaluated is what is deployed.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vedette.runtime.alerts import Alert, AlertPolicy, AlertTracker
from vedette.runtime.detector import Detector, Reading, SampleRejectedError
from vedette.runtime.interpreter import Model
from vedette.runtime.manifest import Manifest

# A step between samples of more than this many periods is a gap: the window before it is not continued.
GAP_PERIODS = 3.0


class Stream:
    """Scores one stream and follows its incidents."""

    def __init__(self, manifest: Manifest, model: Model, *, policy: AlertPolicy | None = None) -> None:
        """``policy`` replaces the manifest's own alert policy. Streams of one bundle may share ``model``."""
        self.signal = manifest.signal
        self.threshold = manifest.threshold
        self.detector = Detector(manifest.signal, manifest.score, model)
        self.alerts = AlertTracker(manifest.signal, manifest.threshold, policy or manifest.alert)
        self.reading: Reading | None = None
        self._last_time: float | None = None
        period = manifest.signal.sample_period_s
        self._longest_step_s = GAP_PERIODS * period if period else None

    def push(self, time: float, values: npt.NDArray[np.float64]) -> Alert | None:
        """Take the sample of ``time`` (seconds), shape ``(channels,)``; return the alert step it causes, if any.

        The newest score is in ``reading`` afterwards. Raises :class:`SampleRejectedError` where the sample is not newer
        than the last one or has no usable values; the stream goes on with the next.
        """
        if self._last_time is not None and time <= self._last_time:
            raise SampleRejectedError(f"sample of {time} s is not newer than the one before it ({self._last_time} s)")
        if self._last_time is not None and self._longest_step_s and time - self._last_time > self._longest_step_s:
            self.detector.reset()
        self._last_time = time
        reading = self.detector.push(values)
        if reading is None:
            return None
        self.reading = reading
        return self.alerts.step(time, reading)
