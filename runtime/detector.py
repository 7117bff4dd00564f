"""From samples to scores: the one path that training, evaluation, the daemon and the self-test all take.

The score of a window is the error of its **last row**. Up to two expectations of that row are compared with the float
row (int8 inputs saturate outside the calibrated range, and that is evidence): the network's, and that of the nearest of
a few prototypes of normal windows. Each residual is divided per channel by its spread on normal data, bounded, squared,
averaged over the channels, and smoothed by a causal exponential mean; divided by its mean on normal data it is a
*term*. The score is the geometric mean of (1 + term), less 1: the product of the terms' tail probabilities under the
heavy-tailed law P(term > t) = 1 / (1 + t), back on the scale of a term. Higher is more anomalous, a normal window
scores about 1, and a score uses only the samples pushed so far.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from vedette.errors import DataError
from vedette.runtime.interpreter import Model, quantized_bounds
from vedette.runtime.prototypes import NearestPrototype, Prototypes
from vedette.runtime.ring import WindowRing
from vedette.runtime.signal import MAX_READING, FloatArray, SignalSpec

# Errors are divided by no less: the least float32 that has all its digits. It is no expression, as tflite-runtime makes
# Arm CPUs round what is smaller to zero, of which NumPy's finfo warns.
SMALLEST_ERROR = np.float32(2.0**-126)


@dataclass(frozen=True)
class TermSpec:
    """How the residual of one expectation becomes a term of the score.

    ``residual_scale`` is the residual's spread on normal data, one value per channel, in standardised units.
    ``smoothing`` is the weight of the newest error in the exponential mean, in (0, 1]; 1 is no smoothing.
    ``level`` is the mean error on normal data, by which the smoothed error is divided.
    """

    residual_scale: tuple[float, ...]
    smoothing: float
    level: float


@dataclass(frozen=True)
class PrototypeSpec:
    """The prototypes, and how their residual becomes a term of the score."""

    prototypes: Prototypes
    term: TermSpec


@dataclass(frozen=True)
class ScoreSpec:
    """How the residuals become a score.

    ``prediction`` is the network's term; ``nearest`` the prototypes', where there are any. ``residual_clip`` bounds a
    residual, in spreads: beyond that, it says no more by being larger.
    """

    prediction: TermSpec
    nearest: PrototypeSpec | None
    residual_clip: float

    @property
    def terms(self) -> tuple[TermSpec, ...]:
        """The terms of the score: one or two."""
        return (self.prediction, self.nearest.term) if self.nearest else (self.prediction,)


class Reading(NamedTuple):
    """The result of one window.

    ``terms`` are the score's terms. ``errors`` ``(terms, channels)`` are the bounded squared errors, smoothed,
    in spreads. ``observed`` and ``expected`` (by the network) are the last row, in standardised units.
    """

    score: float
    terms: tuple[float, ...]
    errors: FloatArray
    observed: FloatArray
    expected: FloatArray

    @property
    def shares(self) -> FloatArray:
        """Each channel's share of the score, shape ``(channels,)``, summing to 1.

        A term gives its part of the score's logarithm to the channels in proportion to their errors.
        """
        logarithms = np.log1p(self.terms)
        weights = logarithms / np.maximum(self.errors.sum(axis=1), SMALLEST_ERROR)
        shares: FloatArray = (weights @ self.errors).astype(np.float32)
        total = float(shares.sum())
        return shares / np.float32(total) if total > 0.0 else np.full_like(shares, 1.0 / len(shares))


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
        terms = score.terms
        self._residual_clip = _constants(-score.residual_clip, score.residual_clip)
        self._whiten = np.array([1.0 / np.asarray(term.residual_scale) for term in terms], np.float32)
        self._smoothing = np.array([[term.smoothing] for term in terms], np.float32)
        self._levels = width * np.array([term.level for term in terms])
        self._input, self._output = model.input.quantization, model.output.quantization
        if self._input:
            self._input_steps = _constants(self._input.scale, self._input.zero_point)
            self._input_bounds = _constants(*quantized_bounds(signal.input_clip, self._input))
        else:
            self._input_bounds = _constants(-signal.input_clip, signal.input_clip)
        if self._output:
            self._output_steps = _constants(self._output.scale, self._output.zero_point)
        self._nearest: NearestPrototype | None = None
        if score.nearest:
            self._nearest = NearestPrototype(score.nearest.prototypes, channels=width, quantization=self._input)
        self._row, self._residual = np.empty(width, np.float32), np.empty((len(terms), width), np.float32)
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
        window, residual = self._ring.newest(), self._residual
        expected: FloatArray = self.model.run(window)[0]
        if self._output:
            scale, zero_point = self._output_steps
            expected = np.subtract(expected, zero_point)
            np.multiply(expected, scale, out=expected)
        np.subtract(observed, expected, out=residual[0])
        if self._nearest:
            np.subtract(observed, self._nearest.last_row(window), out=residual[1])
        np.multiply(residual, self._whiten, out=residual)
        low, high = self._residual_clip
        np.maximum(residual, low, out=residual)
        np.minimum(residual, high, out=residual)
        errors = np.square(residual)
        if self._errors is not None:
            np.subtract(errors, self._errors, out=errors)
            np.multiply(errors, self._smoothing, out=errors)
            np.add(errors, self._errors, out=errors)
        self._errors = errors
        # A sum of NumPy's own, whose order is the same on every CPU; that of a dot product is the BLAS library's.
        terms = tuple((np.add.reduce(errors, axis=1) / self._levels).tolist())
        score = terms[0] if len(terms) == 1 else math.sqrt((1.0 + terms[0]) * (1.0 + terms[1])) - 1.0
        return Reading(score, terms, errors, observed, expected)

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
