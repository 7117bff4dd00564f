"""How good a score is, without flattery: no point adjustment, no threshold found with the labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.int8]
Scores = npt.NDArray[np.floating]
# Thresholds that the volume under the surface is taken over, as its authors' implementation does.
VUS_THRESHOLDS = 250


def auc_roc(label: Labels, score: Scores) -> float:
    """Area under the receiver operating characteristic; NaN where only one class is present.

    >>> auc_roc(np.array([0, 0, 1], np.int8), np.array([0.1, 0.2, 0.9]))
    1.0
    """
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(label, score)) if 0 < label.sum() < len(label) else float("nan")


def auc_pr(label: Labels, score: Scores) -> float:
    """Average precision; NaN where nothing is anomalous."""
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(label, score)) if label.any() else float("nan")


def events(flags: npt.NDArray[np.generic]) -> list[tuple[int, int]]:
    """Runs of true values as (first row, last row).

    >>> events(np.array([0, 1, 1, 0, 1]))
    [(1, 2), (4, 4)]
    """
    steps = np.flatnonzero(np.diff(np.concatenate([[0], (flags != 0).astype(np.int8), [0]])))
    return [(int(first), int(last) - 1) for first, last in zip(steps[::2], steps[1::2], strict=True)]


def vus_pr(label: Labels, score: Scores, buffer: int) -> float:
    """Volume under the precision-recall surface (Paparrizos et al. 2022, https://doi.org/10.14778/3551793.3551830).

    For every buffer from 0 to ``buffer`` rows, half on each side, events get soft edges that fall off as a square root;
    recall is damped by the part of the events that were found at all. The mean over the buffers of the area under the
    range-based precision-recall curve; NaN where nothing is anomalous.
    """
    if not label.any():
        return float("nan")
    count, spans = len(label), np.array(events(label))
    lines = -np.sort(-score)[np.linspace(0, count - 1, VUS_THRESHOLDS).astype(np.int64)]
    # For every row, the first of the falling lines that it reaches.
    reached = np.minimum(np.searchsorted(-lines, -score, side="left"), VUS_THRESHOLDS - 1)
    predicted = np.cumsum(np.bincount(reached, minlength=VUS_THRESHOLDS))
    areas = [_range_area(label, reached, predicted, spans, width) for width in range(buffer + 1)]
    return float(np.mean(areas))


def _range_area(
    label: Labels,
    reached: npt.NDArray[np.int64],
    predicted: npt.NDArray[np.int64],
    spans: npt.NDArray[np.int64],
    width: int,
) -> float:
    """Area under the range-based precision-recall curve for one buffer width."""
    weights = _soft_label(label, spans, width)
    hits = np.cumsum(np.bincount(reached, weights=weights, minlength=VUS_THRESHOLDS))
    core = np.cumsum(np.bincount(reached[label == 1], minlength=VUS_THRESHOLDS))
    # Half of the buffer that a line reaches counts as positive, so that a missed buffer costs no recall.
    positives = label.sum() + (hits - core) / 2.0
    # A merged, widened event exists for a line when any of its rows reaches it.
    half = width // 2
    earliest = [reached[max(first - half, 0) : last + half + 1].min() for first, last in _merged(spans, half)]
    found = np.cumsum(np.bincount(earliest, minlength=VUS_THRESHOLDS)) / len(earliest)
    recall = np.minimum(hits / positives, 1.0) * found
    return float(np.sum(np.diff(recall, prepend=0.0) * hits / predicted))


def _soft_label(label: Labels, spans: npt.NDArray[np.int64], width: int) -> npt.NDArray[np.float64]:
    """1 inside events, falling off over half a buffer on both sides, overlaps added up to 1."""
    soft = np.zeros(len(label))
    offsets = np.arange(1, width // 2 + 1)
    for first, last in spans:
        for rows in (last + offsets, first - offsets):
            inside = (rows >= 0) & (rows < len(label))
            soft[rows[inside]] += np.sqrt(1.0 - offsets[inside] / width)
    soft[label == 1] = 1.0
    return np.minimum(soft, 1.0)


def _merged(spans: npt.NDArray[np.int64], half: int) -> list[tuple[int, int]]:
    merged = [list(spans[0])]
    for first, last in spans[1:]:
        if first - half > merged[-1][1] + half:
            merged.append([first, last])
        else:
            merged[-1][1] = last
    return [(int(first), int(last)) for first, last in merged]


@dataclass(frozen=True)
class EventCounts:
    """Alarms against labelled events.

    ``delays`` are rows from the start of each found event to the first row with an alarm. ``false_alarms`` are alarm
    runs that begin further than the tolerance from every event.
    """

    total: int
    found: int
    delays: tuple[int, ...]
    false_alarms: int


def count_events(label: Labels, alarm: npt.NDArray[np.bool_], tolerance: int) -> EventCounts:
    """Match alarm runs with labelled events; runs that begin within ``tolerance`` rows of an event are not false."""
    delays = []
    near = np.zeros(len(label), bool)
    for first, last in (spans := events(label)):
        inside = np.flatnonzero(alarm[first : last + 1])
        if len(inside):
            delays.append(int(inside[0]))
        near[max(first - tolerance, 0) : last + tolerance + 1] = True
    false = sum(1 for first, _ in events(alarm) if not near[first])
    return EventCounts(len(spans), len(delays), tuple(delays), false)


def f1(label: Labels, alarm: npt.NDArray[np.bool_]) -> float:
    """Point-wise F1 of alarms; 0 where there is no true positive."""
    hits = int((alarm & (label == 1)).sum())
    return 2.0 * hits / (int(alarm.sum()) + int((label == 1).sum())) if hits else 0.0
