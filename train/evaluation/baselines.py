"""What simple detectors reach on the same rows, fitted and scored as the bundle is: causally, and without labels.

A bundle carries no training data, so without normal data the baselines are fitted to the evaluated rows themselves,
without their labels. They then know the anomalies, and mostly look worse than they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vedette.runtime.detection.signal import FloatArray
from vedette.train.data.table_store import RowStore, spans
from vedette.train.evaluation.baseline_kinds import BASELINES, BaselineKind, Scorer
from vedette.train.evaluation.period import reference_window
from vedette.train.windows import evenly, gather

# Windows that a baseline is fitted to, and from whose scores its threshold is taken, evenly spread.
FIT_WINDOWS, THRESHOLD_WINDOWS = 4000, 24_000
# Standardised readings are bounded here, as peers' reference implementations do.
CLIP = 20.0
# A baseline alarms above this quantile of its scores on the rows that it was fitted to.
THRESHOLD_QUANTILE = 0.995
# Windows are cut out and scored so many numbers, and so many windows, at a time: bounded memory, whatever the length.
CHUNK_NUMBERS, CHUNK_WINDOWS = 4_000_000, 4096
# A spread below this part of the largest reading is rounding: the channel is constant.
CONSTANT = 1e-9

Rows = npt.NDArray[np.float64]
Times = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Baseline:
    """A baseline's score per row, causal like the detector's, its threshold, and the samples that it looks at."""

    score: npt.NDArray[np.float64]
    threshold: float
    window: int


def run_baselines(
    rows: Rows,
    normal: Rows | None = None,
    *,
    names: Sequence[str] = tuple(BASELINES),
    on_progress: Callable[[float], None] | None = None,
) -> dict[str, Baseline]:
    """Fit to ``normal`` rows ``(m, channels)`` (None: to ``rows``) and score ``rows`` ``(n, channels)``.

    Both in sensor units, NaN where a value is missing; the one before it then holds. Either may be larger than memory.
    ``on_progress`` is told the part done.
    """
    reference = rows if normal is None else normal
    mean, scale = _spread(reference)
    scored = _standardised(rows, mean, scale)
    trained = scored if normal is None else _standardised(normal, mean, scale)
    period = reference_window(reference)
    result = {}
    for number, name in enumerate(names, 1):
        kind = BASELINES[name]
        whole = kind.sees == "windows" or (kind.sees == "windows of one channel" and rows.shape[1] == 1)
        window = min(period, len(scored), len(trained)) if whole else 1
        result[name] = _run(kind, scored, None if normal is None else trained, window)
        if on_progress:
            on_progress(number / len(names))
    return result


def _run(kind: BaselineKind, rows: FloatArray, normal: FloatArray | None, window: int) -> Baseline:
    ends = np.arange(window - 1, len(rows))
    if normal is None:
        score = known = _score_fitted(kind, rows, ends, window)
    else:
        scorer = _fit(kind, normal, np.arange(window - 1, len(normal)), window)
        score = _score(scorer, rows, ends, window)
        spread = window - 1 + evenly(len(normal) - window + 1, THRESHOLD_WINDOWS)
        known = _score_fitted(kind, normal, spread, window, scorer)
    threshold = float(np.quantile(known, THRESHOLD_QUANTILE))
    return Baseline(np.concatenate([np.full(window - 1, score[0]), score]), threshold, window)


def _fit(kind: BaselineKind, rows: FloatArray, ends: Times, window: int) -> Scorer:
    return kind.fit(gather(rows, ends[evenly(len(ends), FIT_WINDOWS)], window))


def _score_fitted(
    kind: BaselineKind, rows: FloatArray, ends: Times, window: int, scorer: Scorer | None = None
) -> npt.NDArray[np.float64]:
    """Scores of windows of the very rows that the kind is fitted to; ``scorer`` is that fit, where there is one."""
    half = len(rows) // 2
    if not kind.cross_fitted or half < 2 * window:
        scorer = scorer or _fit(kind, rows, np.arange(window - 1, len(rows)), window)
        return _score(scorer, rows, ends, window)
    older = _fit(kind, rows, np.arange(window - 1, half), window)
    newer = _fit(kind, rows, np.arange(half + window - 1, len(rows)), window)
    parts = [_score(newer, rows, ends[ends < half], window), _score(older, rows, ends[ends >= half], window)]
    return np.concatenate(parts)


def _score(scorer: Scorer, rows: FloatArray, ends: Times, window: int) -> npt.NDArray[np.float64]:
    step = max(1, min(CHUNK_WINDOWS, CHUNK_NUMBERS // (window * rows.shape[1])))
    return np.concatenate([scorer(gather(rows, ends[i : i + step], window)) for i in range(0, len(ends), step)])


def _spread(rows: Rows) -> tuple[Rows, Rows]:
    """Mean and standard deviation of each channel; a channel that is constant, or has no value, counts in its unit."""
    width = rows.shape[1]
    count, total, squares, largest = np.zeros(width), np.zeros(width), np.zeros(width), np.zeros(width)
    for span in spans(rows):
        known = np.isfinite(rows[span])
        values = np.where(known, rows[span], 0.0)
        count += known.sum(axis=0)
        total += values.sum(axis=0)
        largest = np.maximum(largest, np.abs(values).max(axis=0))
    mean = total / np.maximum(count, 1)
    for span in spans(rows):
        centred = rows[span] - mean
        squares += np.square(np.where(np.isfinite(centred), centred, 0.0)).sum(axis=0)
    scale = np.sqrt(squares / np.maximum(count, 1))
    return mean, np.where(scale > CONSTANT * largest, scale, 1.0)


def _standardised(rows: Rows, mean: Rows, scale: Rows) -> FloatArray:
    """Standardised, bounded rows; a value that is missing holds the one before it, and is the mean before the first."""
    store = RowStore(rows.shape[1], np.float32)
    last = np.zeros((1, rows.shape[1]), np.float32)
    for span in spans(rows):
        block = np.concatenate([last, np.clip((rows[span] - mean) / scale, -CLIP, CLIP).astype(np.float32)])
        known = np.isfinite(block)
        if not known.all():
            held = np.maximum.accumulate(np.where(known, np.arange(len(block))[:, None], 0), axis=0)
            block = np.take_along_axis(block, held, axis=0)
        last = block[-1:]
        store.append(block[1:])
    return store.finish()
