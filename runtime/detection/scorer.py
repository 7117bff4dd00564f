"""The arithmetic of a score, on many windows at once: the only place where it stands.

Everything is computed window by window inside the arrays, in the same order whatever else is in the batch, so that a
window's score has the same bits alone and among five hundred others. Sums over channels are NumPy's own; a dot product
would be the BLAS library's, whose order is the CPU's affair.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vedette.runtime.detection.prototypes import NearestPrototype
from vedette.runtime.detection.score_spec import ScoreSpec
from vedette.runtime.detection.signal import STANDARDISED_LIMIT, FloatArray, SignalSpec
from vedette.runtime.inference.interpreter import MAX_BATCH, Model, quantized_bounds

Doubles = npt.NDArray[np.float64]


class Scorer:
    """Scores windows of a signal with a model; it has no memory of any stream.

    Batches are of ``interpreter.MAX_BATCH`` windows at most. ``terms`` is how many terms a score has, ``smoothing``
    their weights of the newest error for each window of such a batch, ``(batch, terms, channels)``.
    """

    def __init__(self, signal: SignalSpec, score: ScoreSpec, model: Model) -> None:
        width, terms = len(signal.channels), score.terms
        self.signal, self.model = signal, model
        self.terms = len(terms)
        # Arrays for all constants: a Python number costs more than the sum. Those of a channel stand there for every
        # row of a batch, as NumPy works on a whole array at once faster than on row after row.
        smoothing = [[[term.smoothing] * width for term in terms]]
        self.smoothing = np.array(smoothing, np.float32).repeat(MAX_BATCH, axis=0)
        self._mean, self._scale = signal.mean[None].repeat(MAX_BATCH, 0), signal.scale[None].repeat(MAX_BATCH, 0)
        # Readings up to this size need no bounds when they are standardised.
        self._unbounded = float(signal.scale.min()) * float(STANDARDISED_LIMIT) / 2 - float(np.abs(signal.mean).max())
        self._residual_clip = np.array(score.residual_clip, np.float32)
        whiten = np.array([1.0 / np.asarray(term.residual_scale) for term in terms], np.float32)
        self._whiten = whiten[None].repeat(MAX_BATCH, axis=0)
        self._levels = width * np.array([term.level for term in terms])
        self._input, self._output = model.input.quantization, model.output.quantization
        if self._input:
            self._input_steps = _constants(self._input.scale, self._input.zero_point)
            self._input_bounds = _constants(*quantized_bounds(signal.input_clip, self._input))
        else:
            self._input_bounds = _constants(-signal.input_clip, signal.input_clip)
        self.dtype: np.dtype[np.generic] = np.dtype(np.int8 if self._input else np.float32)
        if self._output:
            self._output_steps = _constants(self._output.scale, self._output.zero_point)
        self._nearest: NearestPrototype | None = None
        if score.nearest:
            self._nearest = NearestPrototype(score.nearest.prototypes, channels=width, quantization=self._input)

    def standardise(self, values: Doubles, largest: float) -> FloatArray:
        """Rows ``(n, channels)`` in sensor units as :meth:`SignalSpec.standardise` does it; none is beyond
        ``largest``."""
        if not largest <= self._unbounded:
            return self.signal.standardise(values)
        scaled = np.subtract(values, self._mean[: len(values)])
        return np.divide(scaled, self._scale[: len(values)], out=scaled).astype(np.float32)

    def model_rows(self, observed: FloatArray) -> npt.NDArray[np.generic]:
        """Standardised rows ``(n, channels)`` in the form in which the model reads them."""
        low, high = self._input_bounds
        if not self._input:
            rows = np.maximum(observed, low)
            return np.minimum(rows, high, out=rows)
        scale, zero_point = self._input_steps
        rows = np.divide(observed, scale)
        np.rint(rows, out=rows)
        np.add(rows, zero_point, out=rows)
        np.maximum(rows, low, out=rows)
        np.minimum(rows, high, out=rows)
        return rows.astype(np.int8)

    def errors(self, windows: npt.NDArray[np.generic], observed: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Bounded squared residuals ``(n, terms, channels)``, not smoothed, and the network's expectation ``(n,
        channels)``, of windows ``(n, window * channels)`` in the model's form and their standardised last rows."""
        expected: FloatArray = self.model.run_many(windows)
        if self._output:
            scale, zero_point = self._output_steps
            expected = expected.astype(np.float32)
            np.subtract(expected, zero_point, out=expected)
            np.multiply(expected, scale, out=expected)
        if self._nearest:
            residual = np.empty((len(observed), *self._whiten.shape[1:]), np.float32)
            np.subtract(observed, expected, out=residual[:, 0])
            np.subtract(observed, self._nearest.last_rows(windows), out=residual[:, 1])
        else:
            residual = np.subtract(observed, expected)[:, None]
        np.multiply(residual, self._whiten[: len(residual)], out=residual)
        np.abs(residual, out=residual)
        np.minimum(residual, self._residual_clip, out=residual)
        return np.square(residual, out=residual), expected

    def scores(self, errors: FloatArray) -> tuple[Doubles, Doubles]:
        """Scores ``(n,)`` and their terms ``(n, terms)`` of smoothed errors ``(n, terms, channels)``."""
        terms: Doubles = np.add.reduce(errors, axis=2) / self._levels
        if self.terms == 1:
            return terms[:, 0], terms
        scores = np.add(terms, 1.0)
        return np.sqrt(scores[:, 0] * scores[:, 1]) - 1.0, terms


def _constants(*values: float) -> tuple[FloatArray, ...]:
    return tuple(np.array(value, np.float32) for value in values)
