"""What a score is made of: the residual's spread per channel, its memory, and the prototypes of normal windows.

The constants were chosen by mean VUS-PR (see docs/scoring.md): streams of few channels want long windows, a long
memory and prototypes; of many channels a row is known from the others, and prototypes add nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from vedette.runtime.detection.prototypes import NearestPrototype, Prototypes
from vedette.runtime.detection.score_spec import PrototypeSpec, ScoreSpec, TermSpec
from vedette.runtime.detection.signal import FloatArray
from vedette.train.config import ModelConfig
from vedette.train.data.prepare import NormalData
from vedette.train.windows import FEW_CHANNELS, evenly, gather

# Spans of the exponential means, in windows: of the network's term, and of the prototypes' term.
SPAN_FEW_CHANNELS, SPAN_MANY_CHANNELS, SPAN_NEAREST = 64, 10, 32
# Prototypes: one for every so many training windows, within bounds; with fewer windows each, they would only memorise.
WINDOWS_PER_PROTOTYPE, FEWEST_PROTOTYPES, MOST_PROTOTYPES = 25, 16, 128
# Windows that the prototypes are found in, and the residual's spread is measured on.
CLUSTERED_WINDOWS, RESIDUAL_WINDOWS = 8_000, 20_000
CLUSTER_ROUNDS = 60
# Least residual spread of a channel, in standardised units: without a floor, a channel that is reproduced perfectly
# would outvote all others.
RESIDUAL_FLOOR = 0.05
# Residuals are bounded here, in spreads, so that one wild channel (a command flag that is rarely set) is not all.
RESIDUAL_CLIP = 20.0
# A term's level is at least this: a smaller error on normal data is rounding.
SMALLEST_LEVEL = 1e-6


def score_spec(data: NormalData, head: Any, config: ModelConfig) -> ScoreSpec:
    """How a trained head's residuals, and the nearest prototypes', become scores, measured on training windows."""
    few = len(data.signal.channels) <= FEW_CHANNELS
    ends = data.train_ends[evenly(len(data.train_ends), RESIDUAL_WINDOWS)]
    windows = gather(data.scaled, ends, data.signal.window)
    observed = windows[:, -len(data.signal.channels) :]
    expected = head.predict(windows, batch_size=1024, verbose=0)
    prediction = prediction_term(observed - expected)
    count = max(FEWEST_PROTOTYPES, min(MOST_PROTOTYPES, len(data.train_ends) // WINDOWS_PER_PROTOTYPE))
    nearest = nearest_term(windows, observed, count=count, seed=config.seed) if few else None
    return ScoreSpec(prediction, nearest, RESIDUAL_CLIP)


def prediction_term(residual: FloatArray) -> TermSpec:
    """The term of a network with these residuals ``(n, channels)`` on training windows."""
    return _term(residual, SPAN_FEW_CHANNELS if residual.shape[1] <= FEW_CHANNELS else SPAN_MANY_CHANNELS)


def nearest_term(windows: FloatArray, observed: FloatArray, *, count: int, seed: int) -> PrototypeSpec:
    """At most ``count`` prototypes of flat training windows ``(n, window * channels)``, found by k-means, and the term
    of their residual; ``observed`` ``(n, channels)`` is the newest row of each window."""
    from sklearn.cluster import KMeans

    sample = windows[evenly(len(windows), CLUSTERED_WINDOWS)]
    count = min(count, len(np.unique(sample, axis=0)))
    found = KMeans(count, n_init=1, max_iter=CLUSTER_ROUNDS, random_state=seed).fit(sample)
    prototypes = Prototypes.from_windows(found.cluster_centers_.astype(np.float32))
    nearest = NearestPrototype(prototypes, channels=observed.shape[1], quantization=None)
    expected = nearest.last_rows(windows)
    return PrototypeSpec(prototypes, _term(observed - expected, SPAN_NEAREST))


def _term(residual: FloatArray, span: int) -> TermSpec:
    """Spread per channel and mean of the error, from residuals ``(n, channels)`` on training windows."""
    spread = np.sqrt(np.mean(np.square(residual, dtype=np.float64), axis=0))
    scale = np.maximum(spread, RESIDUAL_FLOOR)
    bounded = np.clip(residual / scale, -RESIDUAL_CLIP, RESIDUAL_CLIP)
    level = max(float(np.mean(np.square(bounded))), SMALLEST_LEVEL)
    return TermSpec(tuple(float(value) for value in scale), 2.0 / (span + 1.0), level)
