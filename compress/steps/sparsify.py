"""Magnitude pruning (Zhu and Gupta 2017, https://arxiv.org/abs/1710.01878) by tensorflow-model-optimization: the
smallest weights become zero while the network trains on.

It makes neither the .tflite file nor the arithmetic smaller, as a zero is stored and multiplied like any weight. It
makes the file *compress* better, which counts where it is sent over the air in compressed form. The record says so.
"""

from __future__ import annotations

import gzip
from typing import Any

import numpy as np

from vedette.compress.draft import Bench, Draft
from vedette.compress.network import rebuilt
from vedette.train.fit import STEPS_PER_ROUND
from vedette.train.representative import weighted
from vedette.train.tensorflow import import_optimization, import_tensorflow, quiet_tensorflow

SPARSITY = 0.6
ROUNDS, LEARNING_RATE = 8, 1e-3
# The part of the rounds after which nothing more becomes zero, and the steps from one mask to the next, of which the
# last must be where the schedule ends.
SPARSE_AFTER, MASK_STEPS = 0.6, 25


def apply(draft: Draft, bench: Bench, amount: float | None) -> tuple[Draft, dict[str, Any]]:
    """Make the part ``amount`` of each layer's weights zero."""
    _, tf_keras = import_tensorflow()
    sparsity = import_optimization().sparsity.keras
    schedule = sparsity.PolynomialDecay(
        initial_sparsity=0.0,
        final_sparsity=amount or SPARSITY,
        begin_step=0,
        end_step=int(ROUNDS * STEPS_PER_ROUND * SPARSE_AFTER) // MASK_STEPS * MASK_STEPS,
        frequency=MASK_STEPS,
    )
    # A clone: what is pruned trains the layers that it is given.
    clone = tf_keras.models.clone_model(draft.head)
    clone.set_weights(draft.head.get_weights())
    with quiet_tensorflow():
        masked = sparsity.prune_low_magnitude(clone, pruning_schedule=schedule)
    losses = bench.tune(
        masked, rounds=ROUNDS, learning_rate=LEARNING_RATE, callbacks=(sparsity.UpdatePruningStep(),), keep_best=False
    )
    weights = [tuple(layer.get_weights()[:2]) for layer in weighted(sparsity.strip_pruning(masked))]
    sparse = rebuilt(draft.head, weights)
    done = {
        "zeros": zeros(sparse),
        "zeros_before": zeros(draft.head),
        "gzip_bytes_float32": _zipped(sparse),
        "gzip_bytes_float32_before": _zipped(draft.head),
        "note": "zeros shrink the compressed file only, neither the model nor its arithmetic",
        "losses": losses,
    }
    return bench.rescored(draft, sparse), done


def zeros(head: Any) -> float:
    """The part of the weights, biases apart, that is zero."""
    kernels = [layer.get_weights()[0].ravel() for layer in weighted(head)]
    return float(np.mean(np.concatenate(kernels) == 0.0))


def _zipped(head: Any) -> int:
    """Bytes of all weights after gzip."""
    return len(gzip.compress(b"".join(values.tobytes() for values in head.get_weights()), mtime=0))
