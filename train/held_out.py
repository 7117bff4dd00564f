"""Scoring held-out normal data with a model, before there is a bundle."""

from __future__ import annotations

from dataclasses import replace
from typing import TypedDict

import numpy as np
import numpy.typing as npt

from vedette.errors import DataError
from vedette.runtime.bundles.manifest import Manifest, RuntimeSpec
from vedette.runtime.inference.interpreter import Model
from vedette.runtime.streams.scoring import Scores, score_rows
from vedette.runtime.streams.stream import Stream
from vedette.train.model_dir import CalibrationData, ModelDir
from vedette.train.threshold import Calibration, at_count, calibrate, debounced, event_peaks

# The held-out data contradicts a threshold when so many alarms on it had this chance or less.
UNLIKELY = 0.05
# What a threshold is calibrated on.
HELD_OUT, ALL_NORMAL = "held-out data", "all normal data"

FloatScores = npt.NDArray[np.float64]


def draft_manifest(model: ModelDir, deployed: Model, *, threads: int = 1) -> Manifest:
    """The manifest of a model whose threshold is not known yet: it is 1 until calibration."""
    score, steps = model.score, deployed.input.quantization
    if score.nearest and steps:
        score = replace(score, nearest=replace(score.nearest, prototypes=score.nearest.prototypes.quantized(steps)))
    return Manifest(
        name=model.name,
        version=model.version,
        sequence=model.sequence,
        signal=model.signal,
        score=score,
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
    return _score(model, deployed, data.times, data.rows if rows is None else rows)


def _score(model: ModelDir, deployed: Model, times: npt.NDArray[np.float64], rows: npt.NDArray[np.float64]) -> Scores:
    return score_rows(Stream(draft_manifest(model, deployed), deployed), zip(times, rows, strict=True))


def score_learned(model: ModelDir, deployed: Model, data: CalibrationData, *, most: int | None = None) -> FloatScores:
    """Window scores of the samples before the held-out ones, at most so many of the newest; none where they are too
    few for a window."""
    newest = slice(None if most is None else -most, None)
    try:
        found = _score(model, deployed, data.learned_times[newest], data.learned_rows[newest])
    except DataError:
        return np.empty(0)
    return found.window_score.astype(np.float64)


def calibrate_detector(
    model: ModelDir, deployed: Model, data: CalibrationData, held_out: Scores, *, float_above: int | None = None
) -> Calibration:
    """The threshold that keeps the project's budget of alarms, as the alert policy raises them.

    It is calibrated on the scores of all normal data, which shows more of what is normal than the held-out part alone.
    As the model has seen most of that, the held-out part, which it has not, must bear it out: where that has more
    alarms than the budget is likely to give, the threshold is calibrated on the held-out part if that is higher.

    A compressed model is calibrated on its own scores of what the float model was calibrated on, so that both
    thresholds mean the same. ``float_above`` is how many held-out windows the float model scores above its own: the
    compressed model's then goes to the nearest level that as many of its own scores are above.
    """
    alone = held_out.window_score.astype(np.float64)
    compressed = float_above is not None
    like_float = compressed and model.calibration.get("scores_of") == HELD_OUT
    before = np.empty(0) if like_float else score_learned(model, deployed, data)
    if len(before):
        found = _calibrate(model, np.concatenate([before, alone]), ALL_NORMAL)
        if not compressed and not _borne_out(found, alone, **alarm_rules(model)):
            found = max(found, _calibrate(model, alone, HELD_OUT), key=lambda calibration: calibration.threshold)
    else:
        found = _calibrate(model, alone, HELD_OUT)
    return found if float_above is None else at_count(found, alone, float_above)


def _calibrate(model: ModelDir, scores: npt.NDArray[np.float64], scores_of: str) -> Calibration:
    signal = model.signal
    return calibrate(
        scores,
        model.threshold,
        period_s=signal.sample_period_s,
        stride=signal.stride,
        scores_of=scores_of,
        **alarm_rules(model),
    )


class AlarmRules(TypedDict):
    """The arguments of :func:`vedette.train.threshold.calibrate` that come from the alert policy."""

    separation: int
    min_windows: int
    of_windows: int | None


def alarm_rules(model: ModelDir) -> AlarmRules:
    """What makes an alarm of scores, in windows: how many in a row, or of how many; how far apart two are two."""
    policy, step_s = model.alert, model.signal.period_s * model.signal.stride
    return {
        "separation": max(1, round((policy.clear_after_s + policy.cooldown_s) / step_s)),
        "min_windows": policy.min_windows,
        "of_windows": policy.of_windows,
    }


def _borne_out(
    found: Calibration, scores: npt.NDArray[np.float64], *, separation: int, min_windows: int, of_windows: int | None
) -> bool:
    """Whether scores that had no part in training alarm no more often than the budget makes likely."""
    from scipy.stats import poisson

    rate = found.budget_per_score
    if rate is None:
        above, allowed = int((scores > found.threshold).sum()), (1.0 - found.budget["quantile"]) * len(scores)
    else:
        above = len(event_peaks(debounced(scores, min_windows, of_windows), found.threshold, separation))
        allowed = rate * len(scores)
    return bool(poisson.sf(above - 1, allowed) >= UNLIKELY)
