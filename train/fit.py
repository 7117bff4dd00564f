"""Training: windows gathered from the rows batch by batch, stopped early on held-out normal data."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from vedette.runtime.detection.score_spec import ScoreSpec
from vedette.train.config import ModelConfig
from vedette.train.data.prepare import NormalData
from vedette.train.models import MODEL_KINDS
from vedette.train.score_terms import RESIDUAL_FLOOR, score_spec
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


@dataclass(frozen=True)
class Trained:
    """A trained core (tf_keras), how its residuals become scores, and the loss on training and held-out data."""

    core: Any
    score: ScoreSpec
    losses: tuple[tuple[float, float], ...]


Progress = Callable[[int, int, float], None]


def fit(
    data: NormalData, config: ModelConfig, *, rounds: int = MAX_ROUNDS, on_progress: Progress | None = None
) -> Trained:
    """Train one model kind on normal data; ``on_progress`` gets (round, rounds at most, held-out loss).

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
    loss = last_row_loss(channels) if config.predictive else "mse"
    model.compile(optimizer=tf_keras.optimizers.Adam(LEARNING_RATE), loss=loss, steps_per_execution=STEPS_PER_CALL)
    best, losses, stale = math.inf, [], 0
    weights = core.get_weights()
    for done in range(1, rounds + 1):
        chosen = rng.integers(len(data.train_ends), size=BATCH * STEPS_PER_ROUND)
        batches = gather(data.scaled, data.train_ends[chosen], window)
        history = model.fit(batches, batches, batch_size=BATCH, shuffle=False, verbose=0).history
        # In one batch: the loss of a batch is not the mean of its parts'.
        validation = float(model.evaluate(held_out, held_out, batch_size=VALIDATION_WINDOWS, verbose=0))
        losses.append((float(history["loss"][0]), validation))
        if on_progress:
            on_progress(done, rounds, validation)
        stale = 0 if validation < best else stale + 1
        if validation < best:
            best, weights = validation, core.get_weights()
        if stale == PATIENCE:
            break
    core.set_weights(weights)
    return Trained(core, score_spec(data, kind.head(core, channels), config), tuple(losses))


def last_row_loss(channels: int) -> Callable[[Any, Any], Any]:
    """The loss of a predictive network: the mean over channels of log(mean square + floor**2), on the last row.

    The likelihood of a Gaussian residual whose spread per channel is unknown, as the score divides by that spread: a
    channel that can be predicted well counts as much as one that varies more. The floor is that of the spread.
    """
    import tensorflow as tf

    def loss(window: Any, expected: Any) -> Any:
        errors = tf.square(window[:, -channels:] - expected[:, -channels:])
        return tf.reduce_mean(tf.math.log(tf.reduce_mean(errors, axis=0) + RESIDUAL_FLOOR**2))

    return loss
