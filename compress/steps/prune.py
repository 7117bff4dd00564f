"""Structured pruning: layers are rebuilt without the units that matter least, then trained to make up for them.

A unit matters as much as what it sends on varies: its activation's spread on normal windows, times the length of the
weights that read it. What it sends on in the mean goes into the next layer's bias (as in Ye et al., "Rethinking the
Smaller-Norm-Less-Informative Assumption", ICLR 2018, https://arxiv.org/abs/1802.00124). Whole units shrink the file and
the arithmetic, which single weights do not (see ``sparsify``).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from vedette.compress.draft import Bench, Draft
from vedette.compress.network import Weights, positions, rebuilt, units
from vedette.train.representative import activations, weighted

KEPT = 0.5
FEWEST_UNITS = 2
ROUNDS, LEARNING_RATE = 8, 1e-3
# Windows that the activations are measured on.
MEASURED_WINDOWS = 2000


def apply(draft: Draft, bench: Bench, amount: float | None) -> tuple[Draft, dict[str, Any]]:
    """Keep the part ``amount`` of every layer's units but the last one's, and train what is left."""
    before = [units(layer) for layer in weighted(draft.head)]
    pruned = without_least(draft.head, bench.data.learned.inputs[:: _stride(bench)], amount or KEPT)
    losses = bench.tune(pruned, rounds=ROUNDS, learning_rate=LEARNING_RATE)
    after = [units(layer) for layer in weighted(pruned)]
    return bench.rescored(draft, pruned), {"units_before": before, "units": after, "losses": losses}


def _stride(bench: Bench) -> int:
    return -(-len(bench.data.learned.inputs) // MEASURED_WINDOWS)


def without_least(head: Any, windows: Weights, kept: float) -> Any:
    """A deployed network without the units that matter least on flat windows ``(n, window * channels)``."""
    layers, outputs = weighted(head), activations(head, windows)
    weights: list[tuple[Weights, Weights]] = [tuple(layer.get_weights()) for layer in layers]
    for number, output in enumerate(outputs[:-1]):
        kernel, bias = weights[number]
        following, following_bias = weights[number + 1]
        # Where a convolution is flattened, the next layer has weights for each place.
        places = positions(layers[number]) if following.ndim == 2 else 1
        reader = following.reshape(*following.shape[:-2], places, -1, following.shape[-1])
        width = reader.shape[-2]
        mean = output.reshape(-1, width).mean(axis=0, dtype=np.float64)
        importance = output.reshape(-1, width).std(axis=0) * np.sqrt(_squares(reader))
        count = max(min(FEWEST_UNITS, width), round(kept * width))
        keep = np.sort(np.argsort(-importance, kind="stable")[:count])
        gone = np.setdiff1d(np.arange(width), keep)
        sent = np.einsum("...uo,u->...o", reader[..., gone, :], mean[gone])
        weights[number] = kernel[..., keep], bias[keep]
        left = reader[..., keep, :].reshape(*following.shape[:-2], -1, following.shape[-1])
        sums = sent.reshape(-1, following.shape[-1]).sum(axis=0)
        weights[number + 1] = left, (following_bias + sums).astype(np.float32)
    return rebuilt(head, weights)


def _squares(reader: Weights) -> Weights:
    """The sum of squares of the weights that read each unit, from weights ``(..., units, outputs)``."""
    squares: Weights = np.square(reader).sum(axis=(*range(reader.ndim - 2), reader.ndim - 1))
    return squares
