"""``vedette evaluate``: a bundle against labelled data, baselines beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vedette.errors import DataError
from vedette.runtime.bundles.bundle import Bundle
from vedette.runtime.bundles.manifest import Manifest
from vedette.runtime.detection.detector import Readings
from vedette.runtime.detection.signal import FloatArray, SignalSpec
from vedette.runtime.inference.interpreter import Model
from vedette.runtime.streams.scoring import Row, Scores, score_rows
from vedette.runtime.streams.stream import Stream
from vedette.train.data.table import Table, read_signal, read_table
from vedette.train.data.table_store import spans
from vedette.train.evaluation.baseline_kinds import BASELINES
from vedette.train.evaluation.baselines import run_baselines
from vedette.train.evaluation.labels import read_labels
from vedette.train.evaluation.metrics import Labels, auc_pr, auc_roc, count_events, f1, vus_pr
from vedette.train.evaluation.period import reference_window

DAY_S = 86_400.0
# Progress: where scoring ends and the baselines end, as parts of the whole; metrics are the rest.
_SCORED, _BASELINES_RUN = 0.5, 0.9
_ROWS_BETWEEN_TELLING = 1000

Progress = Callable[[float], None]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Evaluation:
    """The metrics of the bundle and of each baseline, with what they come from.

    ``shares`` is each channel's mean share of the score above the threshold, ``(channels,)``.
    """

    metrics: dict[str, Any]
    table: Table
    label: Labels
    scores: Scores
    shares: FloatArray


def evaluate(
    bundle: Bundle,
    model: Model,
    data: Path,
    *,
    normal: Path | None = None,
    labels: Path | None = None,
    on_progress: Progress | None = None,
) -> Evaluation:
    """Score a labelled file with the daemon's code path and measure.

    ``normal`` is data to fit the baselines to, a file, a folder or a pattern as for training; without it they are
    fitted to the evaluated rows, and the result says so. ``labels`` is a file with the labels of ``data``, whose own
    are then not looked at. ``on_progress`` is told the part done. Raises :class:`DataError` where there is no label for
    every row or no channel of the bundle.
    """
    manifest, tell = bundle.manifest, on_progress or (lambda part: None)
    table = read_signal(data, manifest.signal, labelled=labels is None)
    label = read_labels(labels, len(table), data=data) if labels else table.label
    if label is None:
        raise DataError(
            f'{data}: expected a column "label" with 0 and 1, found none; to take the labels from another file: '
            "--labels; to score without: vedette score"
        )
    reference = read_table(normal, channels=list(manifest.signal.names)).values if normal else None
    scores, shares = score_table(manifest, model, table, on_progress=lambda part: tell(part * _SCORED))
    baselines = run_baselines(
        table.values, reference, on_progress=lambda part: tell(_SCORED + part * (_BASELINES_RUN - _SCORED))
    )
    buffer = reference_window(table.values if reference is None else reference)
    seconds = row_seconds(table, manifest.signal)
    above = scores.score > manifest.threshold
    metrics = {
        "name": manifest.name,
        "board": manifest.board.get("name"),
        "rows": len(table),
        "anomalous_rows": int(label.sum()),
        "rejected_rows": scores.rejected,
        "reference_window": buffer,
        "threshold": manifest.threshold,
        **measure(label, scores.score, above, buffer=buffer, seconds=seconds, alert=scores.alert),
        "channel_shares": {
            name: round(float(share), 6) for name, share in zip(manifest.signal.names, shares, strict=True)
        },
        "baselines": {},
    }
    fitted_on = str(normal) if normal else "the evaluated rows, without labels"
    for number, (name, baseline) in enumerate(baselines.items(), 1):
        found = measure(label, baseline.score, baseline.score > baseline.threshold, buffer=buffer, seconds=seconds)
        metrics["baselines"][name] = {
            "title": BASELINES[name].title,
            "fitted_on": fitted_on,
            "window": baseline.window,
            "threshold": baseline.threshold,
            **found,
        }
        tell(_BASELINES_RUN + number / len(baselines) * (1.0 - _BASELINES_RUN))
    return Evaluation(metrics, table, label, scores, shares)


def score_table(
    manifest: Manifest, model: Model, table: Table, *, on_progress: Progress | None = None
) -> tuple[Scores, FloatArray]:
    """Score every row of a table through a fresh stream.

    The second result is each channel's mean share, ``(channels,)``, over the windows whose score is above the
    threshold; where there is none, of the window with the highest score.
    """
    times = table.times if table.times is not None else np.arange(len(table)) * manifest.signal.period_s
    stream = Stream(manifest, model)
    total, highest = np.zeros(len(manifest.signal.channels)), -np.inf
    at_highest: npt.NDArray[np.floating] = total

    def rows() -> Iterator[Row]:
        for span in spans(table.values):
            for number, row in enumerate(zip(times[span].tolist(), table.values[span], strict=True), span.start):
                yield row
                if on_progress and number % _ROWS_BETWEEN_TELLING == 0:
                    on_progress(number / len(table))

    def add_shares(readings: Readings) -> None:
        nonlocal highest, at_highest, total
        for number in np.flatnonzero(readings.scores > manifest.threshold).tolist():
            total += readings.at(number).shares
        if len(readings.scores) and readings.scores.max() > highest:
            reading = readings.at(int(readings.scores.argmax()))
            highest, at_highest = reading.score, reading.shares

    scores = score_rows(stream, rows(), on_readings=add_shares)
    shares = total if total.any() else at_highest
    return scores, np.asarray(shares / max(shares.sum(), 1e-30), np.float32)


def measure(
    label: Labels,
    score: npt.NDArray[np.floating],
    above: Flags,
    *,
    buffer: int,
    seconds: npt.NDArray[np.float64] | None,
    alert: Flags | None = None,
) -> dict[str, Any]:
    """The metrics of one detector, as JSON types; None where the labels cannot tell, see ``docs/evaluation.md``.

    ``above`` is the score against the threshold and ``alert`` what an operator sees. A detector without alerts of its
    own (None) is taken to raise one for rows above the threshold that are at most ``buffer`` rows apart, which is also
    the widest buffer of the volume under the surface and the distance to an event at which an alarm is not false.
    ``seconds`` is how long each row lasts, None where there is no time base.
    """
    anomalous = int(label.sum())
    normal = len(label) - anomalous
    alarm = above if alert is None else alert
    counts = count_events(label, alarm, buffer, gap=buffer if alert is None else 0)
    both, score = anomalous > 0 and normal > 0, np.asarray(score, np.float64)
    mean, median = _middle(np.array(counts.delays))
    result: dict[str, Any] = {
        "auc_roc": auc_roc(label, score) if both else None,
        "auc_pr": auc_pr(label, score) if both else None,
        "vus_pr": vus_pr(label, score, buffer) if both else None,
        "f1_at_threshold": f1(label, above) if anomalous else None,
        "events_found": counts.found,
        "events_total": counts.total,
        "event_recall": counts.recall if counts.total else None,
        "event_precision": counts.precision if counts.total and counts.alarms else None,
        "alarms": counts.alarms,
        "false_alarms": counts.false_alarms,
        "normal_time_in_alarm": float(alarm[label == 0].mean()) if normal else None,
        "detection_delay_samples": mean,
        "detection_delay_median_samples": median,
    }
    if seconds is None:
        return result | {
            "detection_delay_s": None,
            "detection_delay_median_s": None,
            "false_alarms_per_10k_samples": counts.false_alarms / normal * 10_000 if normal else None,
        }
    began = np.concatenate([[0.0], np.cumsum(seconds)])
    mean, median = _middle(np.array([began[at] - began[first] for first, at in counts.detections]))
    normal_s = float(seconds[label == 0].sum())
    return result | {
        "detection_delay_s": mean,
        "detection_delay_median_s": median,
        "false_alarms_per_day": counts.false_alarms / normal_s * DAY_S if normal_s else None,
    }


def row_seconds(table: Table, signal: SignalSpec) -> npt.NDArray[np.float64] | None:
    """How long each row lasts, ``(n,)``: up to the next row, but a gap in the data is no time that was watched.

    None where there is no time base.
    """
    period = signal.sample_period_s
    if period is None:
        return None
    if table.times is None or not len(table):
        return np.full(len(table), period)
    return np.append(np.clip(np.diff(table.times), 0.0, signal.longest_step_s), period)


def _middle(delays: npt.NDArray[np.floating | np.integer]) -> tuple[float | None, float | None]:
    """Mean and median, None without any."""
    return (float(np.mean(delays)), float(np.median(delays))) if len(delays) else (None, None)
