"""Teachers: whose expectation of the newest row a student learns.

A teacher is the network that is compressed, other detectors trained on the same signal (a larger one, or several, of
whatever kinds), or a baseline. What a baseline scores is a distance to what it expects, so a student learns that
expectation: scores, attribution and calibration stay what they are. Several teachers teach their mean.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vedette.compress.draft import Teacher, network_teacher
from vedette.compress.tuning import TuningData
from vedette.errors import ConfigError, ModelError, nearest
from vedette.runtime.detection.signal import FloatArray, SignalSpec
from vedette.train import model_dir
from vedette.train.convert import deployed_head
from vedette.train.evaluation.baseline_kinds import CLUSTERS, PCA_COMPONENTS, PCA_VARIANCE, SEED
from vedette.train.model_dir import ModelDir
from vedette.train.windows import evenly

# Windows that a baseline is fitted to, as where it is evaluated beside a bundle.
FIT_WINDOWS = 4000
# Two scalings are the same when they differ by less than this part.
SAME_SCALE = 1e-6
# Windows nearer to each other than this are the same.
SAME_WINDOW = 1e-2
# Regularises the projection on what is seen of the principal components.
RIDGE = 1e-3


def teacher_of(names: Sequence[str], model: ModelDir, data: TuningData) -> Teacher:
    """The mean of the named teachers, each the path of a model directory or one of :data:`BASELINE_TEACHERS`.

    Raises :class:`ConfigError` for a name that is neither, and :class:`ModelError` for a model directory of another
    signal.
    """
    teachers = [_teacher(name, model, data) for name in names]

    def expect(windows: FloatArray) -> FloatArray:
        expected: FloatArray = np.mean([teacher(windows) for teacher in teachers], axis=0)
        return expected

    return expect


def _teacher(name: str, model: ModelDir, data: TuningData) -> Teacher:
    if name in BASELINE_TEACHERS:
        windows = data.learned.inputs
        return BASELINE_TEACHERS[name](windows[evenly(len(windows), FIT_WINDOWS)], data.channels, data.blind)
    path = Path(name)
    if not path.exists():
        raise ConfigError(
            f'teacher "{name}": expected a model directory or a baseline, found neither; '
            f"{nearest(name, BASELINE_TEACHERS)}"
        )
    other = model_dir.load(path)
    _check_signal(other, model)
    return network_teacher(deployed_head(other, other.load_network()))


def _check_signal(other: ModelDir, model: ModelDir) -> None:
    """Raise where another detector does not see the same windows."""
    theirs, ours = other.signal, model.signal
    for what, found, expected in (
        ("channels", theirs.names, ours.names),
        ("window", theirs.window, ours.window),
        ("predictive", other.model.predictive, model.model.predictive),
    ):
        if found != expected:
            raise ModelError(f"teacher {other.path}: {what}: expected {expected}, as in {model.path}, found {found}")
    if not _same_scaling(theirs, ours):
        raise ModelError(
            f"teacher {other.path}: it was scaled on other data than {model.path}; train both on the same data"
        )


def _same_scaling(one: SignalSpec, two: SignalSpec) -> bool:
    return bool(
        np.allclose((one.mean - two.mean) / two.scale, 0.0, atol=SAME_SCALE)
        and np.allclose(one.scale / two.scale, 1.0, atol=SAME_SCALE)
    )


def _principal_components(sample: FloatArray, channels: int, blind: bool) -> Teacher:
    """The newest row of the point nearest to a window among those that the principal components reach.

    ``blind`` finds that point by the rows before, so that the newest row is predicted.
    """
    from sklearn.decomposition import PCA

    model = PCA(n_components=min(PCA_COMPONENTS, *sample.shape), random_state=SEED).fit(sample)
    kept = int(np.searchsorted(np.cumsum(model.explained_variance_ratio_), PCA_VARIANCE)) + 1
    components, mean = model.components_[:kept], model.mean_
    seen = slice(0, sample.shape[1] - channels * blind)
    readers = components[:, seen]
    solve = np.linalg.solve(readers @ readers.T + RIDGE * np.eye(len(readers)), readers)

    def expect(windows: FloatArray) -> FloatArray:
        places = (windows[:, seen] - mean[seen]) @ solve.T
        expected: FloatArray = (places @ components[:, -channels:] + mean[-channels:]).astype(np.float32)
        return expected

    return expect


def _kmeans(sample: FloatArray, channels: int, blind: bool) -> Teacher:
    """The newest row of the nearest centre."""
    from sklearn.cluster import KMeans

    count = min(CLUSTERS, len(np.unique(sample, axis=0)))
    centres = KMeans(count, n_init=1, max_iter=100, random_state=SEED).fit(sample).cluster_centers_
    return _nearest_of(centres.astype(np.float32), channels, blind)


def _nearest_neighbour(sample: FloatArray, channels: int, blind: bool) -> Teacher:
    """The newest row of the nearest window but the one that is the same."""
    return _nearest_of(sample, channels, blind, but_itself=True)


def _nearest_of(known: FloatArray, channels: int, blind: bool, *, but_itself: bool = False) -> Teacher:
    from sklearn.neighbors import NearestNeighbors

    seen = slice(0, known.shape[1] - channels * blind)
    index = NearestNeighbors(n_neighbors=min(1 + but_itself, len(known))).fit(known[:, seen])

    def expect(windows: FloatArray) -> FloatArray:
        distance, found = index.kneighbors(windows[:, seen])
        nearest_one: npt.NDArray[np.intp] = found[:, 0]
        if but_itself:
            nearest_one = np.where(distance[:, 0] > SAME_WINDOW, found[:, 0], found[:, -1])
        expected: FloatArray = known[nearest_one, -channels:]
        return expected

    return expect


# Training windows (n, window * channels), how many channels there are, and whether the newest row is unseen.
BASELINE_TEACHERS: dict[str, Callable[[FloatArray, int, bool], Teacher]] = {
    "pca": _principal_components,
    "kmeans": _kmeans,
    "nearest_neighbour": _nearest_neighbour,
}
