"""Quantization-aware training (Jacob et al. 2018, https://arxiv.org/abs/1712.05877) by tensorflow-model-optimization:
the network trains on with the rounding of int8 in it.

There the range of every activation starts at +-6 and follows what it sees slowly, so that a short training ends with
ranges that are too wide, and a broken model. Here the ranges are measured, at the start and after every round, on the
windows that set them: they are those of the network at any time, however short the training.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from vedette.compress.draft import Bench, Draft
from vedette.compress.network import rebuilt
from vedette.compress.steps.sparsify import zeros
from vedette.runtime.detection.signal import FloatArray
from vedette.train.representative import activations, covering, weighted
from vedette.train.tensorflow import import_optimization, import_tensorflow, quiet_tensorflow

ROUNDS, LEARNING_RATE = 8, 3e-4
# A range that holds 0 alone has no step.
SMALLEST_RANGE = 1e-3
# How tensorflow-model-optimization names the variables of a range: of the input, and behind an activation.
_ENDS = re.compile(r"(quantize_layer(_\d+)?|post_activation)_(min|max):0$")
# With more zeros than this, training keeps them: that is what sparsify was for.
SPARSE = 0.3


def apply(draft: Draft, bench: Bench, amount: float | None) -> tuple[Draft, dict[str, Any]]:
    """Train on with quantization."""
    _, tf_keras = import_tensorflow()
    representative = covering(draft.head, bench.data.learned.inputs, bench.model.signal.input_clip)
    network = quantization_aware(draft.head)

    def measure_ranges(*_: Any) -> None:
        weights = [tuple(layer.get_weights()[:2]) for layer in weighted(network)]
        set_ranges(network, rebuilt(draft.head, weights), representative)

    measure_ranges()
    losses = bench.tune(
        network,
        rounds=ROUNDS,
        learning_rate=LEARNING_RATE,
        callbacks=(tf_keras.callbacks.LambdaCallback(on_epoch_end=measure_ranges),),
    )
    done = {"ranges": ranges(network).round(4).tolist(), "losses": losses}
    return replace(bench.rescored(draft, network), knows_ranges=True), done


def quantization_aware(head: Any) -> Any:
    """A copy of a deployed network that computes as int8 does; one with many zeros keeps them."""
    _, tf_keras = import_tensorflow()
    optimization = import_optimization()
    keras = optimization.quantization.keras
    clone = tf_keras.models.clone_model(head)
    clone.set_weights(head.get_weights())
    with quiet_tensorflow():
        if zeros(head) < SPARSE:
            return keras.quantize_model(clone)
        scheme = optimization.experimental.combine.Default8BitPrunePreserveQuantizeScheme()
        return keras.quantize_apply(keras.quantize_annotate_model(clone), scheme)


def set_ranges(network: Any, head: Any, windows: FloatArray) -> None:
    """Set the ranges of a quantization-aware network to what ``head``, the same one without the rounding, puts out for
    flat windows."""
    for (low, high), output in zip(_range_variables(network), [windows, *activations(head, windows)], strict=True):
        low.assign(min(0.0, float(output.min())))
        high.assign(max(SMALLEST_RANGE, float(output.max())))


def ranges(network: Any) -> npt.NDArray[np.float64]:
    """The ranges of the input and of each layer with weights, ``(layers + 1, 2)``."""
    return np.array([[float(low), float(high)] for low, high in _range_variables(network)])


def _range_variables(network: Any) -> list[tuple[Any, Any]]:
    """The variables with the low and the high end of the range of the input, then of each layer with weights."""
    found = []
    for layer in network.layers:
        ends = [variable for variable in layer.weights if _ENDS.search(variable.name)]
        if ends:
            found.append((ends[0], ends[1]))
    return found
