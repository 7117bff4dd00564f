"""Scoring held-out normal data with a model, before there is a bundle."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vedette.runtime.interpreter import Model
from vedette.runtime.manifest import Manifest, RuntimeSpec
from vedette.runtime.scoring import Scores, score_rows
from vedette.runtime.stream import Stream
from vedette.train.model_dir import CalibrationData, ModelDir
from vedette.train.threshold import Calibration, calibrate


def draft_manifest(model: ModelDir, deployed: Model, *, threads: int = 1) -> Manifest:
    """The manifest of a model whose threshold is not known yet: it is 1 until calibration."""
    return Manifest(
        name=model.name,
        version=model.version,
        sequence=model.sequence,
        signal=model.signal,
        score=model.score,
        threshold=1.0,
        alert=model.alert,
        runtime=RuntimeSpec(deployed.package, deployed.version, deployed.family, threads),
        quantization={"input": deployed.input.quantization, "output": deployed.output.quantization},
        members={},
    )


def score_held_out(
    model: ModelDir, deployed: Model, data: CalibrationData, *, rows: npt.NDArray[np.float64] | None = None
) -> Scores:
    """Scores of the held-out rows, or of ``rows`` in their place, through the daemon's code path."""
    stream = Stream(draft_manifest(model, deployed), deployed)
    return score_rows(stream, zip(data.times, data.rows if rows is None else rows, strict=True))


def calibrate_held_out(model: ModelDir, scores: Scores) -> Calibration:
    """The threshold that keeps the project's budget on these scores of held-out normal data.

    Events nearer to each other than a window, or than the score's memory, count as one.
    """
    memory = round(2.0 / model.score.smoothing - 1.0)
    signal = model.signal
    return calibrate(
        scores.score[scores.window_rows].astype(np.float64),
        model.threshold,
        period_s=signal.sample_period_s,
        stride=signal.stride,
        separation=max(-(-signal.window // signal.stride), memory),
    )
