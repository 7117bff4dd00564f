"""What compression did to a detector: the int8 artefact beside the float model, on the same rows."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vedette.errors import ExportRefusedError
from vedette.runtime.interpreter import Model
from vedette.runtime.scoring import Scores
from vedette.train.evaluation.metrics import auc_roc, events
from vedette.train.held_out import score_held_out
from vedette.train.injection import inject
from vedette.train.model_dir import CalibrationData, ModelDir

# Anomalies that are injected at least, and times that the held-out rows are used for it at most.
MIN_INJECTED, MAX_INJECTIONS = 300, 50
# The promise: int8 loses at most this much AUC-ROC against float on injected anomalies.
MAX_AUC_LOSS = 0.01
# The promise on held-out normal data: the part of windows above the threshold is at most this many times float's ...
MAX_ALARM_RATIO = 2.0
# ... where there are enough windows above it that the ratio means anything.
MIN_ALARM_WINDOWS = 20


@dataclass(frozen=True)
class Comparison:
    """Float against int8.

    AUC-ROC is on held-out normal data with injected anomalies. The alarm rates are parts of the held-out normal windows
    above the threshold: each model at its own, and int8 at the float threshold, which is what would have been deployed
    without calibrating again.
    """

    float_auc_roc: float
    int8_auc_roc: float
    float_alarm_rate: float
    int8_alarm_rate: float
    int8_alarm_rate_at_float_threshold: float
    float_threshold: float
    int8_threshold: float
    normal_windows: int
    obtained: str = "measured on held-out normal data, and on the same data with injected anomalies"

    def to_dict(self) -> dict[str, Any]:
        """The comparison as it stands in a manifest."""
        return asdict(self)

    def broken_promises(self) -> list[str]:
        """What the compressed model lost beyond the promise, in words; empty when it keeps it."""
        broken = []
        loss = self.float_auc_roc - self.int8_auc_roc
        if loss > MAX_AUC_LOSS:
            broken.append(
                f"int8 loses {100 * loss:.1f} AUC points on injected anomalies ({self.float_auc_roc:.3f} -> "
                f"{self.int8_auc_roc:.3f}); at most {100 * MAX_AUC_LOSS:g} is allowed"
            )
        alarms = self.int8_alarm_rate * self.normal_windows
        if alarms > max(MIN_ALARM_WINDOWS, MAX_ALARM_RATIO * self.float_alarm_rate * self.normal_windows):
            broken.append(
                f"{100 * self.int8_alarm_rate:.2f}% of the normal windows are above the int8 threshold, "
                f"{100 * self.float_alarm_rate:.2f}% above the float one; at most {MAX_ALARM_RATIO:g} times is allowed"
            )
        return broken


def compare(
    model: ModelDir,
    data: CalibrationData,
    *,
    float_model: Model,
    int8_model: Model,
    int8_normal: Scores,
    int8_threshold: float,
) -> Comparison:
    """Score held-out normal data and injected anomalies with both models."""
    normal = score_held_out(model, float_model, data)
    auc = _injected_auc(model, data, {"float": float_model, "int8": int8_model})
    float_threshold = float(model.calibration["threshold"])
    float_scores, int8_scores = normal.window_score, int8_normal.window_score
    return Comparison(
        float_auc_roc=auc["float"],
        int8_auc_roc=auc["int8"],
        float_alarm_rate=float(np.mean(float_scores > float_threshold)),
        int8_alarm_rate=float(np.mean(int8_scores > int8_threshold)),
        int8_alarm_rate_at_float_threshold=float(np.mean(int8_scores > float_threshold)),
        float_threshold=float_threshold,
        int8_threshold=int8_threshold,
        normal_windows=len(int8_scores),
    )


def _injected_auc(model: ModelDir, data: CalibrationData, deployed: dict[str, Model]) -> dict[str, float]:
    """AUC-ROC of each model on the same rows, disturbed anew until there are enough anomalies to tell them apart."""
    labels: list[npt.NDArray[np.int8]] = []
    scores: dict[str, list[npt.NDArray[np.float32]]] = {name: [] for name in deployed}
    injected = 0
    while injected < MIN_INJECTED and len(labels) < MAX_INJECTIONS:
        rows, label = inject(data.rows, model.signal, seed=len(labels))
        injected += len(events(label))
        labels.append(label)
        for name, candidate in deployed.items():
            scores[name].append(score_held_out(model, candidate, data, rows=rows).score)
    return {name: auc_roc(np.concatenate(labels), np.concatenate(parts)) for name, parts in scores.items()}


def require_promises(comparison: Comparison) -> None:
    """Raise :class:`ExportRefusedError` with numbers and remedy where a promise is broken."""
    broken = comparison.broken_promises()
    if broken:
        raise ExportRefusedError(
            "; ".join(broken) + ". Train with more normal data or another seed, or accept it with: --accept"
        )
