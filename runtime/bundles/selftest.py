"""The self-test: the golden windows of a bundle, replayed on this machine."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vedette.errors import SelfTestError
from vedette.runtime.bundles.bundle import Bundle
from vedette.runtime.bundles.manifest import Manifest
from vedette.runtime.detection.detector import Detector, Reading
from vedette.runtime.inference.interpreter import Model, quantize

# Rounding families differ by up to this many LSB after several layers; within a family every bit is the same.
MAX_FAMILY_DIFFERENCE = 3
# Scores of the same outputs differ by less than this part.
SCORE_TOLERANCE = 1e-3


@dataclass(frozen=True)
class SelfTest:
    """What a self-test found.

    ``differing`` counts the outputs that are not the promised bits, out of ``outputs``; ``largest`` is the largest
    difference (in LSB for int8), allowed only where ``package`` rounds in another family than the bundle's.
    """

    package: str
    version: str
    family: str
    expected_family: str
    windows: int
    outputs: int
    differing: int
    largest: float


def self_test(bundle: Bundle, model: Model) -> SelfTest:
    """Replay the golden windows. Raises :class:`SelfTestError` where the outputs are not the promised ones."""
    golden, manifest = bundle.golden, bundle.manifest
    outputs, scores = replay(manifest, model, golden.windows)
    difference = np.abs(outputs.astype(np.float64) - golden.outputs.astype(np.float64))
    result = SelfTest(
        package=model.package,
        version=model.version,
        family=model.family,
        expected_family=manifest.runtime.family,
        windows=len(outputs),
        outputs=outputs.size,
        differing=int((difference > 0).sum()),
        largest=float(difference.max()),
    )
    same_family = model.family == manifest.runtime.family
    allowed = 0.0 if same_family else MAX_FAMILY_DIFFERENCE
    if model.input.dtype == "float32":
        allowed = 1e-4 * max(1.0, float(np.abs(golden.outputs).max()))
    scored = bool(np.isfinite(scores).all())
    if same_family:  # the bits are the same, and what is left is the order of the runtime's own sums
        scored = scored and np.allclose(scores, golden.scores, rtol=SCORE_TOLERANCE, atol=SCORE_TOLERANCE)
    also = "" if scored else ", and the scores differ too"
    if result.largest > allowed or not scored:
        raise SelfTestError(
            f"{result.differing} of {result.outputs} golden outputs differ, by up to {result.largest:g} where "
            f"{allowed:g} is allowed{also} ({model.package} {model.version}, family {model.family}; bundle made with "
            f"{manifest.runtime.package} {manifest.runtime.version}, family {manifest.runtime.family}); do not run "
            "this bundle here: export it again for this board"
        )
    return result


def replay(
    manifest: Manifest, model: Model, windows: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.int8] | npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Raw outputs ``(n, channels)``, scores ``(n,)`` of windows ``(n, window, channels)``, each from a fresh start."""
    detector = Detector(manifest.signal, manifest.score, model)
    readings = [_last_reading(detector, window) for window in windows]
    expected = np.array([reading.expected for reading in readings], np.float32)
    scores = np.array([reading.score for reading in readings], np.float32)
    return (quantize(expected, model.output.quantization) if model.output.quantization else expected), scores


def _last_reading(detector: Detector, window: npt.NDArray[np.float64]) -> Reading:
    detector.reset()
    reading = None
    for row in window:
        reading = detector.push(row)
    if reading is None:
        raise SelfTestError("a golden window is not complete; the bundle is damaged")
    return reading
