"""What a simple detector reaches on the same rows: PCA and k-means on windows.

A bundle carries no training data, so without normal data the baselines are fitted to the evaluated rows themselves,
without their labels; the result says which.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vedette.runtime.signal import FloatArray, SignalSpec
from vedette.train.windows import evenly, gather

# Windows that a baseline is fitted to, evenly spread.
FIT_WINDOWS = 4000
# Standardised readings are bounded here, as peers' reference implementations do.
CLIP = 20.0
# PCA keeps components to this part of the variance; k-means has this many centres (TSB-AD's settings).
PCA_VARIANCE, PCA_COMPONENTS = 0.9, 64
CLUSTERS = 20
# A baseline alarms above this quantile of its scores on the rows that it was fitted to.
THRESHOLD_QUANTILE = 0.995
CHUNK = 4096

Scorer = Callable[[FloatArray], npt.NDArray[np.float64]]


@dataclass(frozen=True)
class Baseline:
    """A baseline's score per row, causal like the detector's, and its threshold."""

    score: npt.NDArray[np.float64]
    threshold: float


def run_baselines(
    signal: SignalSpec, rows: npt.NDArray[np.float64], normal: npt.NDArray[np.float64] | None
) -> dict[str, Baseline]:
    """Fit to ``normal`` rows ``(m, channels)`` (None: to ``rows``) and score ``rows`` ``(n, channels)``."""
    scored = _scaled(signal, rows)
    reference = scored if normal is None else _scaled(signal, normal)
    window = min(signal.window, len(scored), len(reference))
    ends = window - 1 + evenly(len(reference) - window + 1, FIT_WINDOWS)
    sample = gather(reference, ends, window)
    result = {}
    for name, fit in (("pca", _pca), ("kmeans", _kmeans)):
        scorer = fit(sample)
        result[name] = Baseline(
            _score_rows(scorer, scored, window), float(np.quantile(scorer(sample), THRESHOLD_QUANTILE))
        )
    return result


def _pca(sample: FloatArray) -> Scorer:
    """Squared reconstruction error outside the leading components."""
    from sklearn.decomposition import PCA

    if np.ptp(sample, axis=0).max() == 0.0:  # nothing varies: every difference is outside
        return lambda windows: ((windows - sample[0]) ** 2).sum(axis=1)
    most = min(PCA_COMPONENTS, *sample.shape)
    model = PCA(n_components=most, random_state=0).fit(sample)
    kept = int(np.searchsorted(np.cumsum(model.explained_variance_ratio_), PCA_VARIANCE)) + 1
    components, mean = model.components_[:kept], model.mean_

    def score(windows: FloatArray) -> npt.NDArray[np.float64]:
        centred = windows - mean
        projected = centred @ components.T
        outside: npt.NDArray[np.float64] = (centred**2).sum(axis=1) - (projected**2).sum(axis=1)
        return np.maximum(outside, 0.0)

    return score


def _kmeans(sample: FloatArray) -> Scorer:
    """Distance to the nearest centre."""
    from sklearn.cluster import KMeans

    clusters = min(CLUSTERS, len(np.unique(sample, axis=0)))
    centres = KMeans(n_clusters=clusters, n_init=1, random_state=0).fit(sample).cluster_centers_

    def score(windows: FloatArray) -> npt.NDArray[np.float64]:
        squares = (windows**2).sum(axis=1)[:, None] + (centres**2).sum(axis=1) - 2.0 * windows @ centres.T
        nearest: npt.NDArray[np.float64] = squares.min(axis=1)
        return np.sqrt(np.maximum(nearest, 0.0))

    return score


def _score_rows(scorer: Scorer, rows: FloatArray, window: int) -> npt.NDArray[np.float64]:
    ends = np.arange(window - 1, len(rows))
    parts = [scorer(gather(rows, ends[i : i + CHUNK], window)) for i in range(0, len(ends), CHUNK)]
    scores = np.concatenate(parts)
    return np.concatenate([np.full(window - 1, scores[0]), scores])


def _scaled(signal: SignalSpec, rows: npt.NDArray[np.float64]) -> FloatArray:
    """Standardised, bounded rows; a value that is missing holds the one before it."""
    scaled = np.clip(signal.standardise(rows), -CLIP, CLIP)
    index = np.maximum.accumulate(np.where(np.isfinite(scaled), np.arange(len(scaled))[:, None], 0), axis=0)
    held: FloatArray = np.nan_to_num(np.take_along_axis(scaled, index, axis=0))
    return held
