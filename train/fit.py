"""Training: windows gathered from the rows batch by batch, stopped early on held-out normal data."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from vedette.runtime.detector import ScoreSpec
from vedette.train.config import ModelConfig
from vedette.train.models import MODEL_KINDS
from vedette.train.prepare import NormalData
from vedette.train.tensorflow import import_tensorflow
from vedette.train.windows import evenly, gather

LEARNING_RATE = 1e-3
BATCH = 128
# Steps inside one TensorFlow call: the Python between steps would cost more than these small steps do.
STEPS_PER_CALL = 25
STEPS_PER_ROUND = 100
MAX_ROUNDS = 12
# Rounds without a better held-out loss before training stops, and how many held-out windows judge it.
PATIENCE = 3
VALIDATION_WINDOWS = 2048
# Windows that the residual's spread is measured on.
RESIDUAL_WINDOWS = 20_000
# Least residual spread of a channel, in standardised units: without a floor, a channel that is reproduced perfectly
# would outvote all others.
RESIDUAL_FLOOR = 0.05
# Residuals are taken from standardised readings within this bound.
RESIDUAL_CLIP = 20.0
# Span of the score's exponential mean, in windows: few channels give a noisy score that wants a longer memory.
SPAN_FEW_CHANNELS, SPAN_MANY_CHANNELS, FEW_CHANNELS = 64, 10, 4


@dataclass(frozen=True)
class Trained:
    """A trained core (tf_keras), how its residuals become scores, and the loss on training and held-out data."""

    core: Any
    score: ScoreSpec
    losses: tuple[tuple[float, float], ...]


Progress = Callable[[int, int, float], None]


def fit(data: NormalData, config: ModelConfig, *, on_progress: Progress | None = None) -> Trained:
    """Train one model kind on normal data; ``on_progress`` gets (round, rounds, held-out loss).

    The same seed and versions give the same weights on the same machine.
    """
    _, tf_keras = import_tensorflow()
    tf_keras.utils.set_random_seed(config.seed)
    window, channels = data.signal.window, len(data.signal.channels)
    kind = MODEL_KINDS[config.kind]
    core = kind.build(window, channels, config)
    model = kind.trainer(core)
    rng = np.random.default_rng(config.seed)
    judges = data.held_out_ends[evenly(len(data.held_out_ends), VALIDATION_WINDOWS)]
    held_out = gather(data.scaled, judges, window)
    model.compile(optimizer=tf_keras.optimizers.Adam(LEARNING_RATE), loss="mse", steps_per_execution=STEPS_PER_CALL)
    best, losses, stale = math.inf, [], 0
    weights = core.get_weights()
    for done in range(1, MAX_ROUNDS + 1):
        batches = gather(data.scaled, rng.choice(data.train_ends, BATCH * STEPS_PER_ROUND), window)
        history = model.fit(batches, batches, batch_size=BATCH, shuffle=False, verbose=0).history
        validation = float(model.evaluate(held_out, held_out, batch_size=BATCH, verbose=0))
        losses.append((float(history["loss"][0]), validation))
        if on_progress:
            on_progress(done, MAX_ROUNDS, validation)
        stale = 0 if validation < best else stale + 1
        if validation < best:
            best, weights = validation, core.get_weights()
        if stale == PATIENCE:
            break
    core.set_weights(weights)
    return Trained(core, _score_spec(data, kind.head(core, channels)), tuple(losses))


def _score_spec(data: NormalData, head: Any) -> ScoreSpec:
    """The residual's spread per channel on training data, and the smoothing for this number of channels."""
    ends = data.train_ends[evenly(len(data.train_ends), RESIDUAL_WINDOWS)]
    expected = head.predict(gather(data.scaled, ends, data.signal.window), batch_size=1024, verbose=0)
    spread = np.sqrt(np.mean(np.square(data.scaled[ends] - expected, dtype=np.float64), axis=0))
    span = SPAN_FEW_CHANNELS if len(spread) <= FEW_CHANNELS else SPAN_MANY_CHANNELS
    scales = tuple(float(value) for value in np.maximum(spread, RESIDUAL_FLOOR))
    return ScoreSpec(residual_scale=scales, smoothing=2.0 / (span + 1.0), residual_clip=RESIDUAL_CLIP)
