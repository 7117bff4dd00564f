"""``vedette evaluate``: a bundle against labelled data, baselines beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vedette.errors import DataError
from vedette.runtime.bundle import Bundle
from vedette.runtime.interpreter import Model
from vedette.runtime.manifest import Manifest
from vedette.runtime.scoring import Scores, score_rows
from vedette.runtime.stream import Stream
from vedette.train.baselines import run_baselines
from vedette.train.data import Table, read_signal
from vedette.train.metrics import Labels, auc_pr, auc_roc, count_events, f1, vus_pr

DAY_S = 86_400.0
# Widest buffer of the volume under the surface; wider ones only cost time.
MAX_BUFFER = 128


@dataclass(frozen=True)
class Evaluation:
    """The metrics of the bundle and of each baseline, with the scores they come from."""

    metrics: dict[str, Any]
    table: Table
    scores: Scores


def evaluate(bundle: Bundle, model: Model, data: Path, *, normal: Path | None = None) -> Evaluation:
    """Score a labelled file with the daemon's code path and measure.

    ``normal`` is data to fit the baselines to; without it they are fitted to the evaluated rows, and the result says
    so. Raises :class:`DataError` where the data has no label or no channel of the bundle.
    """
    manifest = bundle.manifest
    table = read_signal(data, manifest.signal)
    if table.label is None:
        raise DataError(f'{data}: expected a column "label" with 0 and 1, found none; to score without: vedette score')
    scores = score_table(manifest, model, table)
    reference = read_signal(normal, manifest.signal).values if normal else None
    baselines = run_baselines(manifest.signal, table.values, reference)
    fitted_on = str(normal) if normal else "the evaluated rows, without labels"
    metrics = {
        "name": manifest.name,
        "board": manifest.board.get("name"),
        "rows": len(table),
        "anomalous_rows": int(table.label.sum()),
        "rejected_rows": scores.rejected,
        "threshold": manifest.threshold,
        **_measure(table.label, scores.score, scores.score > manifest.threshold, scores.alert, manifest),
        "baselines": {
            name: {
                "fitted_on": fitted_on,
                "threshold": baseline.threshold,
                **_measure(
                    table.label,
                    baseline.score,
                    baseline.score > baseline.threshold,
                    baseline.score > baseline.threshold,
                    manifest,
                ),
            }
            for name, baseline in baselines.items()
        },
    }
    return Evaluation(metrics, table, scores)


def score_table(manifest: Manifest, model: Model, table: Table) -> Scores:
    """Score every row of a table through a fresh stream."""
    period = manifest.signal.period_s
    times = table.times if table.times is not None else np.arange(len(table)) * period
    return score_rows(Stream(manifest, model), zip(times.tolist(), table.values, strict=True))


def _measure(
    label: Labels,
    score: npt.NDArray[np.floating],
    above: npt.NDArray[np.bool_],
    alarm: npt.NDArray[np.bool_],
    manifest: Manifest,
) -> dict[str, Any]:
    """Metrics of one detector. ``above`` is the score against the threshold, ``alarm`` what an operator would see."""
    signal = manifest.signal
    counts = count_events(label, alarm, tolerance=signal.window)
    delay = float(np.mean(counts.delays)) if counts.delays else None
    result: dict[str, Any] = {
        "auc_roc": _finite(auc_roc(label, score)),
        "auc_pr": _finite(auc_pr(label, score)),
        "vus_pr": _finite(vus_pr(label, np.asarray(score, np.float64), min(signal.window, MAX_BUFFER))),
        "f1_at_threshold": f1(label, above),
        "events_found": counts.found,
        "events_total": counts.total,
        "false_alarms": counts.false_alarms,
        "detection_delay_samples": delay,
        "detection_delay_s": delay * signal.sample_period_s if delay is not None and signal.sample_period_s else None,
    }
    normal_rows = max(1, int((label == 0).sum()))
    if signal.sample_period_s:
        result["false_alarms_per_day"] = counts.false_alarms / (normal_rows * signal.sample_period_s / DAY_S)
    else:
        result["false_alarms_per_10k_samples"] = counts.false_alarms / (normal_rows / 10_000)
    return result


def _finite(value: float) -> float | None:
    """JSON has no NaN: a metric that is not defined on this data is null."""
    return value if np.isfinite(value) else None
