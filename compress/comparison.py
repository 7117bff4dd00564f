"""What compression did to a detector: the artefact beside the float model, on the same rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vedette.compress.gate import AlarmRates, AucRoc, Comparison, WorkingPoint
from vedette.compress.trial import FAMILIES, Family, Trial
from vedette.runtime.inference.interpreter import Model
from vedette.runtime.streams.scoring import Scores
from vedette.train.held_out import alarm_rules, score_held_out, score_learned
from vedette.train.model_dir import CalibrationData, ModelDir
from vedette.train.threshold import debounced, event_peaks

# The working point, and the newest learned rows that it is found on at most.
QUANTILE, MOST_LEARNED = 0.99, 6_000

Figures = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class FloatReference:
    """What the float model does on the rows that compressed ones are compared on, worked out once for all of them.

    ``normal`` are its scores of the held-out rows, ``learned`` those of the newest windows before, and ``auc_roc`` what
    it finds of the trial's anomalies, one figure for each injection.
    """

    data: CalibrationData
    threshold: float
    normal: Scores
    learned: Figures
    trial: Trial
    auc_roc: dict[Family, Figures]

    @classmethod
    def of(cls, model: ModelDir, data: CalibrationData, deployed: Model) -> FloatReference:
        """Measure the float model ``deployed``, whose residuals become scores as ``model.score`` says."""
        trial = Trial.of(model, data)
        return cls(
            data=data,
            threshold=float(model.calibration["threshold"]),
            normal=score_held_out(model, deployed, data),
            learned=score_learned(model, deployed, data, most=MOST_LEARNED),
            trial=trial,
            auc_roc={family: trial.auc_roc(model, deployed, family) for family in FAMILIES},
        )

    @property
    def above(self) -> int:
        """Held-out windows that score above the float threshold; what a compressed model is calibrated to."""
        return int((self.normal.window_score > self.threshold).sum())


def compare(
    reference: FloatReference, model: ModelDir, deployed: Model, normal: Scores, threshold: float
) -> Comparison:
    """Compare the artefact ``deployed`` with its float model.

    ``model`` says how its residuals become scores; ``normal`` are its scores of the held-out rows and ``threshold`` the
    one calibrated on them.
    """
    rules = alarm_rules(model)
    faults, patterns = (
        _auc_roc(reference.auc_roc[family], reference.trial.auc_roc(model, deployed, family)) for family in FAMILIES
    )
    float_scores, scores = (found.window_score.astype(np.float64) for found in (reference.normal, normal))
    rates = _rates(float_scores > reference.threshold, scores > threshold, rules["separation"])
    learned = score_learned(model, deployed, reference.data, most=MOST_LEARNED)

    def alarms(scores: Figures, line: float) -> int:
        return len(event_peaks(debounced(scores, rules["min_windows"], rules["of_windows"]), line, rules["separation"]))

    return Comparison(
        float_auc_roc=(faults.float_auc_roc + patterns.float_auc_roc) / 2.0,
        int8_auc_roc=(faults.int8_auc_roc + patterns.int8_auc_roc) / 2.0,
        faults=faults,
        changed_patterns=patterns,
        float_alarm_rate=rates.float_rate,
        int8_alarm_rate=rates.int8_rate,
        int8_alarm_rate_at_float_threshold=float(np.mean(scores > reference.threshold)),
        alarm_rate_standard_error=rates.standard_error,
        float_alarms=alarms(float_scores, reference.threshold),
        int8_alarms=alarms(scores, threshold),
        int8_alarms_at_float_threshold=alarms(scores, reference.threshold),
        working_point=_working_point((reference.learned, float_scores), (learned, scores), rules["separation"]),
        float_threshold=reference.threshold,
        int8_threshold=threshold,
        normal_windows=len(scores),
    )


def _auc_roc(float_figures: Figures, figures: Figures) -> AucRoc:
    """The means of figures on the same injections, and the standard error of their difference."""
    loss = float_figures - figures
    error = float(np.std(loss, ddof=1)) / len(loss) ** 0.5
    return AucRoc(float(np.mean(float_figures)), float(np.mean(figures)), error, len(loss))


def _rates(float_above: Flags, above: Flags, separation: int) -> AlarmRates:
    """The parts of windows above a line, and the standard error of their difference.

    Windows above a line come together, so the error is that of blocks as long as alarms are apart: what they differ by
    in one block is one observation.
    """
    change = above.astype(np.float64) - float_above
    blocks = len(change) // separation
    error = None
    if blocks > 1:
        sums = np.add.reduceat(change, np.arange(blocks) * separation)
        error = float(np.std(sums, ddof=1)) * blocks**0.5 / len(change)
    return AlarmRates(float(np.mean(float_above)), float(np.mean(above)), error)


def _working_point(
    float_parts: tuple[Figures, Figures], parts: tuple[Figures, Figures], separation: int
) -> WorkingPoint:
    """Both models' rates of held-out windows above a quantile of their own scores before.

    Without learned windows, the first half of the held-out ones is what was before.
    """
    pairs = [float_parts, parts]
    if not (len(float_parts[0]) and len(parts[0])):
        pairs = [(scores[: len(scores) // 2], scores[len(scores) // 2 :]) for _, scores in pairs]
    above = [after > np.quantile(before, QUANTILE) if len(before) else after > np.inf for before, after in pairs]
    return WorkingPoint(QUANTILE, len(pairs[0][0]), _rates(above[0], above[1], separation))
