"""What a deployed network is made of: the layers that compression changes, and what they cost.

Every model kind deploys one stack: dense layers, with strided convolutions over time before them in the convolutional
kinds, and layers between them that only rearrange.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vedette.runtime.detection.score_spec import ScoreSpec
from vedette.train.representative import weighted
from vedette.train.tensorflow import import_tensorflow

Weights = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Cost:
    """What a detector costs on a device, for one window.

    ``parameters`` are weights and biases. ``macs`` are the multiply-accumulates of the network, and ``prototype_macs``
    those of the search for the nearest prototype.
    """

    parameters: int
    macs: int
    prototype_macs: int

    @property
    def arithmetic(self) -> int:
        """All multiply-accumulates."""
        return self.macs + self.prototype_macs


def cost(head: Any, score: ScoreSpec) -> Cost:
    """What a deployed network with that score costs."""
    kernels = [(layer, *layer.get_weights()[:2]) for layer in weighted(head)]
    prototypes = score.nearest.prototypes.windows().size if score.nearest else 0
    return Cost(
        parameters=sum(kernel.size + bias.size for _, kernel, bias in kernels),
        macs=sum(kernel.size * positions(layer) for layer, kernel, _ in kernels),
        prototype_macs=prototypes,
    )


def units(layer: Any) -> int:
    """Units of a dense layer, filters of a convolution."""
    return int(layer.get_weights()[0].shape[-1])


def positions(layer: Any) -> int:
    """How often a layer's weights are used for one window: once, or at each place of a convolution."""
    shape = layer.output_shape
    return int(np.prod(shape[1:-1])) if len(shape) == 4 else 1


def rebuilt(head: Any, weights: Sequence[tuple[Weights, Weights]]) -> Any:
    """The same stack with other weights, of other numbers of units where they have other shapes."""
    _, tf_keras = import_tensorflow()
    remaining = iter(weights)
    tensor = inputs = tf_keras.Input(head.input_shape[1:], name="window")
    filled = []
    for layer in head.layers[1:]:
        config = layer.get_config()
        values = next(remaining) if layer.get_weights() else None
        if values is not None:
            config["filters" if "filters" in config else "units"] = values[0].shape[-1]
        made = layer.__class__.from_config(config)
        tensor = made(tensor)
        if values is not None:
            filled.append((made, values))
    network = tf_keras.Model(inputs, tensor, name="head")
    for made, values in filled:
        made.set_weights(values)
    return network
