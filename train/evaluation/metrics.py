"""How good a score is, without flattery: no point adjustment, no threshold found with the labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.int8]
Scores = npt.NDArray[np.floating]
Indices = npt.NDArray[np.int64]
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
    predicted = _by_line(reached)
    core = _by_line(reached[label == 1])
    edge = _Edge.of(label, spans, buffer // 2)
    areas = []
    for width in range(buffer + 1):
        half = width // 2
        soft = _by_line(reached[edge.rows], edge.weights(width))
        hits = core + soft
        # Half of the buffer that a line reaches counts as positive, so that a missed buffer costs no recall.
        positives = core[-1] + soft / 2.0
        # A merged, widened event exists for a line when any of its rows reaches it.
        earliest = _earliest(reached, spans, half)
        found = _by_line(earliest) / len(earliest)
        recall = np.minimum(hits / positives, 1.0) * found
        areas.append(np.sum(np.diff(recall, prepend=0.0) * hits / predicted))
    return float(np.mean(areas))


def _by_line(reached: Indices, weights: npt.NDArray[np.float64] | None = None) -> npt.NDArray[np.float64]:
    """For every line the weight of the rows on or above it."""
    return np.cumsum(np.bincount(reached, weights=weights, minlength=VUS_THRESHOLDS)).astype(np.float64)


@dataclass(frozen=True)
class _Edge:
    """The normal rows near events, and how far from which event they are, nearest first.

    ``owner`` and ``distance`` are parallel, one entry for a row and an event in its reach; ``owner`` indexes ``rows``.
    """

    rows: Indices
    owner: Indices
    distance: Indices

    @classmethod
    def of(cls, label: Labels, spans: Indices, reach: int) -> _Edge:
        distance = np.repeat(np.arange(1, reach + 1), 2 * len(spans))
        signs = np.tile(np.repeat([-1, 1], len(spans)), reach)
        near = np.tile(np.concatenate([spans[:, 0], spans[:, 1]]), reach) + signs * distance
        usable = (near >= 0) & (near < len(label))
        usable[usable] = label[near[usable]] == 0
        rows, owner = np.unique(near[usable], return_inverse=True)
        return cls(rows, owner, distance[usable])

    def weights(self, width: int) -> npt.NDArray[np.float64]:
        """For each of ``rows`` its part in the events, falling off over half a buffer, overlaps added up to 1."""
        used = int(np.searchsorted(self.distance, width // 2, side="right"))
        falling = np.sqrt(1.0 - self.distance[:used] / max(width, 1))
        return np.minimum(np.bincount(self.owner[:used], weights=falling, minlength=len(self.rows)), 1.0)


def _earliest(reached: Indices, spans: Indices, half: int) -> Indices:
    """For every event, widened by ``half`` and merged where they meet, the first line that any of its rows reaches."""
    first, last = spans[:, 0] - half, spans[:, 1] + half
    apart = first[1:] > last[:-1]
    starts = np.maximum(first[np.concatenate([[True], apart])], 0)
    stops = np.minimum(last[np.concatenate([apart, [True]])] + 1, len(reached))
    # The row behind the end lets a range end there; every other range is the space between two events.
    beyond = np.append(reached, VUS_THRESHOLDS)
    lines: Indices = np.minimum.reduceat(beyond, np.column_stack([starts, stops]).ravel())[::2]
    return lines


@dataclass(frozen=True)
class EventCounts:
    """Alarms against labelled events.

    ``detections`` are, for every event with an alarm inside, its first row and the first of its rows with an alarm, of
    ``total`` events. ``alarms`` counts alarm runs, and ``false_alarms`` those that begin further than the tolerance
    from every event.
    """

    total: int
    detections: tuple[tuple[int, int], ...]
    alarms: int
    false_alarms: int

    @property
    def found(self) -> int:
        """Events with an alarm inside."""
        return len(self.detections)

    @property
    def delays(self) -> tuple[int, ...]:
        """Rows from the start of each found event to its first row with an alarm."""
        return tuple(at - first for first, at in self.detections)

    @property
    def recall(self) -> float:
        """The part of the events that was found; NaN without events."""
        return self.found / self.total if self.total else float("nan")

    @property
    def precision(self) -> float:
        """The part of the alarms that is not false; NaN without alarms."""
        return 1.0 - self.false_alarms / self.alarms if self.alarms else float("nan")


def count_events(label: Labels, alarm: npt.NDArray[np.bool_], tolerance: int, *, gap: int = 0) -> EventCounts:
    """Match alarm runs with labelled events; runs that begin within ``tolerance`` rows of an event are not false.

    A run that begins within ``gap`` rows after the one before it is part of it, as an alarm that flickers is one to an
    operator.
    """
    detections = []
    near = np.zeros(len(label), bool)
    for first, last in (spans := events(label)):
        inside = np.flatnonzero(alarm[first : last + 1])
        if len(inside):
            detections.append((first, first + int(inside[0])))
        near[max(first - tolerance, 0) : last + tolerance + 1] = True
    runs = events(alarm)
    begins = [first for i, (first, _) in enumerate(runs) if i == 0 or first - runs[i - 1][1] > gap]
    false = sum(1 for first in begins if not near[first])
    return EventCounts(len(spans), tuple(detections), len(begins), false)


def f1(label: Labels, alarm: npt.NDArray[np.bool_]) -> float:
    """Point-wise F1 of alarms; 0 where there is no true positive."""
    hits = int((alarm & (label == 1)).sum())
    return 2.0 * hits / (int(alarm.sum()) + int((label == 1).sum())) if hits else 0.0
