"""From samples to scores: the one path that training, evaluation, the daemon and the self-test all take.

The score of a window is the error of its **last row**: the model's expectation of that row is compared with the float
row (int8 inputs saturate outside the calibrated range, and that is evidence), divided per channel by the residual's
spread on normal data, squared, averaged over the channels, and smoothed by a causal exponential mean. Higher is more
anomalous. A score uses only the samples pushed so far.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from vedette.errors import DataError
from vedette.runtime.interpreter import Model, quantized_bounds
from vedette.runtime.ring import WindowRing
from vedette.runtime.signal import MAX_READING, FloatArray, SignalSpec


@dataclass(frozen=True)
class ScoreSpec:
    """How a residual becomes a score.

    ``residual_scale`` is the residual's spread on normal data, one value per channel, in standardised units.
    ``smoothing`` is the weight of the newest error in the exponential mean, in (0, 1]; 1 is no smoothing.
    ``residual_clip`` bounds the standardised value that the residual is taken from, so that no reading overflows.
    """

    residual_scale: tuple[float, ...]
    smoothing: float
    residual_clip: float


class Reading(NamedTuple):
    """The result of one window.

    ``score`` is the smoothed score. ``errors`` are the channels' whitened squared errors, smoothed likewise, so that
    their mean is the score; ``observed`` and ``expected`` are the last row, in standardised units.
    """

    score: float
    errors: FloatArray
    observed: FloatArray
    expected: FloatArray

    @property
    def shares(self) -> FloatArray:
        """Each channel's share of the score, shape ``(channels,)``, summing to 1."""
        total = float(self.errors.sum())
        if total <= 0.0:
            return np.full_like(self.errors, 1.0 / len(self.errors))
        return self.errors / np.float32(total)


class SampleRejectedError(DataError):
    """A sample that cannot be scored; the stream goes on with the next one."""


class Detector:
    """Scores one stream. Several detectors may share one :class:`Model`.

    >>> reading = detector.push(np.array([0.1, 0.2]))      # doctest: +SKIP
    """

    def __init__(self, signal: SignalSpec, score: ScoreSpec, model: Model) -> None:
        width = len(signal.channels)
        self.signal = signal
        self.model = model
        # Arrays for all constants and results: at these sizes a Python number or a new array costs more than the sum.
        self._residual_clip = _constants(-score.residual_clip, score.residual_clip)
        self._whiten = (1.0 / np.asarray(score.residual_scale)).astype(np.float32)
        self._smoothing = np.array(score.smoothing, np.float32)
        self._mean_of = np.full(width, 1.0 / width, np.float32)
        self._input, self._output = model.input.quantization, model.output.quantization
        if self._input:
            self._input_steps = _constants(self._input.scale, self._input.zero_point)
            self._input_bounds = _constants(*quantized_bounds(signal.input_clip, self._input))
        else:
            self._input_bounds = _constants(-signal.input_clip, signal.input_clip)
        if self._output:
            self._output_steps = _constants(self._output.scale, self._output.zero_point)
        self._row, self._residual = np.empty(width, np.float32), np.empty(width, np.float32)
        self._size = np.empty(width)
        self._ring = WindowRing(window=signal.window, channels=width, dtype=np.int8 if self._input else np.float32)
        self.reset()

    def reset(self) -> None:
        """Forget the stream: the next score comes after one full window."""
        self._restart()
        self._held = np.zeros(len(self.signal.channels), np.int64)
        self._last = np.full(len(self.signal.channels), np.nan)

    def _restart(self) -> None:
        """Start the window and the smoothing afresh; the channels' last values stay."""
        self._ring.clear()
        self._since_window = 0
        self._errors: FloatArray | None = None

    def push(self, values: npt.NDArray[np.float64]) -> Reading | None:
        """Take one sample, shape ``(channels,)`` in sensor units, NaN where a value is missing.

        What is infinite or beyond :data:`~vedette.runtime.signal.MAX_READING` is missing too. The array is kept, so the
        caller must not change it afterwards.

        Returns a :class:`Reading` when the sample completes a window, else None. Raises :class:`SampleRejectedError`
        for a sample that the missing policy does not cover; after too long a gap the window starts afresh.
        """
        if not np.maximum.reduce(np.abs(values, out=self._size)) <= MAX_READING:  # NaN fails this too
            values = self._fill(values)
        else:
            self._held.fill(0)
            self._last = values
        observed = self.signal.standardise(values)
        self._push_row(observed)
        if not self._ring.full:
            return None
        self._since_window += 1
        if self._errors is not None and self._since_window < self.signal.stride:
            return None
        self._since_window = 0
        return self._score(observed)

    def _push_row(self, observed: FloatArray) -> None:
        """Put a standardised row into the ring in the form that the model reads."""
        row, (low, high) = self._row, self._input_bounds
        if self._input:
            scale, zero_point = self._input_steps
            np.divide(observed, scale, out=row)
            np.rint(row, out=row)
            np.add(row, zero_point, out=row)
            observed = row
        np.maximum(observed, low, out=row)
        np.minimum(row, high, out=row)
        self._ring.push(row)

    def _score(self, observed: FloatArray) -> Reading:
        expected: FloatArray = self.model.run(self._ring.newest())[0]
        if self._output:
            scale, zero_point = self._output_steps
            expected = np.subtract(expected, zero_point)
            np.multiply(expected, scale, out=expected)
        residual, (low, high) = self._residual, self._residual_clip
        np.maximum(observed, low, out=residual)
        np.minimum(residual, high, out=residual)
        np.subtract(residual, expected, out=residual)
        np.multiply(residual, self._whiten, out=residual)
        errors = np.square(residual)
        if self._errors is not None:
            np.subtract(errors, self._errors, out=errors)
            np.multiply(errors, self._smoothing, out=errors)
            np.add(errors, self._errors, out=errors)
        self._errors = errors
        return Reading(float(errors.dot(self._mean_of)), errors, observed, expected)

    def _fill(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Apply the missing policy to a sample with values that are no measurements."""
        signal = self.signal
        missing = ~(np.abs(values) <= MAX_READING)
        named = ", ".join(signal.names[i] for i in np.flatnonzero(missing)[:5])
        if signal.missing == "fail":
            raise DataError(f'no value for {named}; missing = "fail" is set (other policies: hold, drop)')
        if signal.missing == "drop":
            raise SampleRejectedError(f'no value for {named}; missing = "drop" is set')
        self._held = np.where(missing, self._held + 1, 0)
        self._last = np.where(missing, self._last, values)
        never = np.isnan(self._last).any()
        if never or self._held.max() > signal.max_hold:
            self._restart()
            because = "and none before it to hold" if never else f"for more than {signal.max_hold} samples"
            raise SampleRejectedError(f"no value for {named}{',' if never else ''} {because}")
        return self._last


def _constants(*values: float) -> tuple[FloatArray, ...]:
    return tuple(np.array(value, np.float32) for value in values)
