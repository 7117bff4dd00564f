"""The simple detectors that every evaluation shows beside the bundle, each a function from windows to a scorer.

They are as strong as peers make them: settings and window are those of the TSB-AD benchmark (Liu and Paparrizos,
NeurIPS 2024). Two say what a figure is worth: ``l2_norm`` learns nothing but the spread of each channel, ``random``
nothing at all.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from vedette.runtime.detection.signal import FloatArray

# PCA keeps the leading components, to this part of the variance and no more than this many.
PCA_VARIANCE, PCA_COMPONENTS = 0.9, 64
CLUSTERS = 20
TREES = 100
SEED = 0

# (n, width) flat windows to (n,) scores, higher is more anomalous.
Scorer = Callable[[FloatArray], npt.NDArray[np.float64]]


@dataclass(frozen=True)
class BaselineKind:
    """A baseline: ``fit`` takes training windows ``(m, width)``, standardised, and returns their scorer.

    ``sees`` is what it is given: windows, single rows, or windows of one channel but rows of several, where distances
    between windows of all channels would say little. One that is ``cross_fitted`` keeps the training windows
    themselves, so that its scores on them are taken from the other half of the data.
    """

    title: str
    fit: Callable[[FloatArray], Scorer]
    sees: Literal["windows", "rows", "windows of one channel"]
    cross_fitted: bool = False


def _pca(sample: FloatArray) -> Scorer:
    """Squared reconstruction error from the leading components."""
    from sklearn.decomposition import PCA

    width = sample.shape[1]
    if np.ptp(sample, axis=0).max() == 0.0:  # nothing varies: every difference is outside
        return lambda windows: _squares(windows - sample[0])
    model = PCA(n_components=min(PCA_COMPONENTS, *sample.shape), random_state=SEED).fit(sample)
    explained = int(np.searchsorted(np.cumsum(model.explained_variance_ratio_), PCA_VARIANCE)) + 1
    # All components would reconstruct everything.
    components, mean = model.components_[: min(explained, width - 1)], model.mean_

    def score(windows: FloatArray) -> npt.NDArray[np.float64]:
        centred = windows - mean
        centred -= centred @ components.T @ components
        return _squares(centred)

    return score


def _kmeans(sample: FloatArray) -> Scorer:
    """Distance to the nearest of the centres."""
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    model = KMeans(n_clusters=min(CLUSTERS, len(sample)), n_init=1, max_iter=100, random_state=SEED)
    with warnings.catch_warnings():
        # Fewer distinct windows than centres: some centres are then the same.
        warnings.simplefilter("ignore", ConvergenceWarning)
        centres = model.fit(sample).cluster_centers_
    return _nearest_neighbour(centres)


def _nearest_neighbour(sample: FloatArray) -> Scorer:
    """Distance to the nearest window."""
    from sklearn.metrics import pairwise_distances_argmin_min

    def score(windows: FloatArray) -> npt.NDArray[np.float64]:
        _, distance = pairwise_distances_argmin_min(windows, sample)
        return np.asarray(distance, np.float64)

    return score


def _isolation_forest(sample: FloatArray) -> Scorer:
    """How few random cuts set a window apart from the others (Liu, Ting and Zhou 2008)."""
    from sklearn.ensemble import IsolationForest

    model = IsolationForest(n_estimators=TREES, random_state=SEED).fit(sample)
    return lambda windows: -model.score_samples(windows)


def _l2_norm(sample: FloatArray) -> Scorer:
    """How far a row is from the mean, in spreads."""
    return lambda rows: np.sqrt(_squares(rows))


def _random(sample: FloatArray) -> Scorer:
    """Chance."""
    rng = np.random.default_rng(SEED)
    return lambda rows: rng.random(len(rows))


def _squares(rows: FloatArray) -> npt.NDArray[np.float64]:
    squares: npt.NDArray[np.float64] = np.square(rows, dtype=np.float64).sum(axis=1)
    return squares


BASELINES = {
    "kmeans": BaselineKind("k-means", _kmeans, "windows"),
    "nearest_neighbour": BaselineKind(
        "nearest neighbour", _nearest_neighbour, "windows of one channel", cross_fitted=True
    ),
    "pca": BaselineKind("PCA", _pca, "windows"),
    "isolation_forest": BaselineKind("isolation forest", _isolation_forest, "windows of one channel"),
    "l2_norm": BaselineKind("L2 norm", _l2_norm, "rows"),
    "random": BaselineKind("random", _random, "rows"),
}
