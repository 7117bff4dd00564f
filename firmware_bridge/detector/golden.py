"""The windows with which a device checks its own arithmetic, small enough to be carried along.

They are the bundle's golden windows in steps of the network's input, a byte a value. The device turns these back into
units and pushes them, sample by sample, through all of its code.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vedette.errors import BundleError, ModelError
from vedette.runtime.bundles.bundle import Bundle
from vedette.runtime.detection.detector import Detector
from vedette.runtime.detection.signal import SignalSpec
from vedette.runtime.inference.interpreter import Model, Quantization, quantize


@dataclass(frozen=True)
class GoldenSteps:
    """Windows ``(n, window, channels)`` in steps, the network's outputs ``(n, channels)`` and the scores ``(n,)``."""

    windows: npt.NDArray[np.int8]
    outputs: npt.NDArray[np.int8]
    scores: npt.NDArray[np.float64]


def golden_steps(bundle: Bundle, model: Model, *, count: int) -> GoldenSteps:
    """At most ``count`` golden windows of a bundle as ``model`` scores them, which runs in the board's rounding family.

    Raises :class:`BundleError` for a float model.
    """
    signal, quantization = bundle.manifest.signal, model.input.quantization
    if quantization is None or model.output.quantization is None:
        raise BundleError("golden windows for firmware need an int8 model, found a float32 one")
    standardised = signal.standardise(bundle.golden.windows[:count])
    windows = quantize(standardised, quantization)
    detector = Detector(signal, bundle.manifest.score, model)
    outputs, scores = [], []
    for window in windows:
        detector.reset()
        readings = [detector.push(row) for row in in_units(signal, window, quantization)]
        last = readings[-1]
        if last is None:
            raise ModelError("a golden window is not complete; the bundle is damaged")
        outputs.append(quantize(last.expected, model.output.quantization))
        scores.append(last.score)
    return GoldenSteps(windows, np.array(outputs), np.array(scores))


def in_units(
    signal: SignalSpec, steps: npt.NDArray[np.int8], quantization: Quantization
) -> npt.NDArray[np.float64]:  # fmt: skip
    """Rows ``(..., channels)`` of steps in the channels' units, rounded to float32 as the device has them.

    >>> from vedette.runtime.detection.signal import Channel
    >>> x = Channel("x", mean=20.0, scale=2.0, low=0.0, high=0.0)
    >>> signal = SignalSpec((x,), 1, 1, None, None, "drop", 0, 6.0)
    >>> in_units(signal, np.array([[4]], np.int8), Quantization(0.25, 0)).tolist()
    [[22.0]]
    """
    standardised = (steps.astype(np.float32) - np.float32(quantization.zero_point)) * np.float32(quantization.scale)
    values = standardised.astype(np.float64) * signal.scale + signal.mean
    return values.astype(np.float32).astype(np.float64)
