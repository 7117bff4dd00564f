"""What the dense kinds share: sizes, the encoder's and decoder's layers, and the part of them that is deployed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from vedette.train.config import ModelConfig

# Latent units when the project does not say: half of the input, within these bounds.
LATENT_PART, LATENT_MIN, LATENT_MAX = 2, 4, 32
# A network first expects every channel at its mean. Where most channels stand still, a random expectation is so much
# worse than that, that units are switched off for good on the way there.
FIRST_OUTPUT = "zeros"


def latent_units(inputs: int, wanted: int | None) -> int:
    """Units of the latent layer.

    >>> latent_units(16, None), latent_units(608, None), latent_units(608, 5)
    (8, 32, 5)
    """
    return wanted or min(LATENT_MAX, max(LATENT_MIN, inputs // LATENT_PART))


def encode(inputs: Any, channels: int, config: ModelConfig) -> Any:
    """The dense layer ``encoder`` on flat windows ``(batch, window * channels)``.

    A predictive network does not see the last row, so that a reading cannot vouch for itself: it is predicted.
    """
    from tf_keras import layers

    size = inputs.shape[-1]
    if config.predictive:
        column = layers.Cropping1D((0, channels))(layers.Reshape((size, 1))(inputs))
        inputs = layers.Reshape((size - channels,))(column)
    return layers.Dense(config.hidden, activation="relu", name="encoder")(inputs)


def decode(latent: Any, window: int, channels: int, config: ModelConfig) -> Any:
    """A dense decoder; its last layer ``reconstruction`` is the last row of a predictive network, else the window."""
    from tf_keras import layers

    outputs = channels if config.predictive else window * channels
    hidden = layers.Dense(config.hidden, activation="relu", name="decoder")(latent)
    return layers.Dense(outputs, name="reconstruction", kernel_initializer=FIRST_OUTPUT)(hidden)


def deployed(core: Any, latent: str, channels: int) -> Any:
    """A network of four dense layers with the weights of ``core``: flat window in, expected last row out.

    Only the last row is scored, so what else is reconstructed is left out; the part of the window that a predictive
    core does not see gets weights of zero, which costs less on a device than cutting it off. ``latent`` names the
    core's latent layer.
    """
    import tf_keras

    kernel, bias = core.get_layer("encoder").get_weights()
    unseen = core.input_shape[-1] - len(kernel)
    last_kernel, last_bias = core.get_layer("reconstruction").get_weights()
    weights = {
        "encoder": [np.pad(kernel, ((0, unseen), (0, 0))), bias],
        latent: core.get_layer(latent).get_weights(),
        "decoder": core.get_layer("decoder").get_weights(),
        "reconstruction": [last_kernel[:, -channels:], last_bias[-channels:]],
    }
    inputs = tf_keras.Input(core.input_shape[1:], name="window")
    tensor, layers = inputs, []
    for name, (_, layer_bias) in weights.items():
        layers.append(tf_keras.layers.Dense(len(layer_bias), activation=core.get_layer(name).activation, name=name))
        tensor = layers[-1](tensor)
    for layer, values in zip(layers, weights.values(), strict=True):
        layer.set_weights(values)
    return tf_keras.Model(inputs, tensor, name="head")
