"""What the convolutional kinds share: stages of strided convolutions over time, the decoder, and the part of both that
is deployed.

Time is the width of an image of height 1: a Conv1D can neither be quantized while it trains nor become a few int8
operations, a Conv2D can. Nothing is padded: each stage takes a kernel that fits its length, so it sees every row and
ends with the newest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vedette.train.models.layers import FIRST_OUTPUT

if TYPE_CHECKING:
    from vedette.train.config import ModelConfig

# Stages halve the length until it is this or less.
COARSEST = 4
# Filters of a stage for each hidden unit of a dense kind: what keeps 64 rows of 37 channels below 64 kB as int8.
FILTERS_PER_HIDDEN = 0.75


def filters(config: ModelConfig) -> int:
    """Filters of each stage."""
    return max(1, round(config.hidden * FILTERS_PER_HIDDEN))


def kernel_sizes(window: int, *, predictive: bool) -> tuple[int, ...]:
    """The kernel of each stage of stride 2, for a window of two rows or more.

    A kernel of 3 fits an odd length without a remainder and one of 4 an even length. A predictive network's first
    kernel fits the window without its last row, which is then the remainder that no kernel reaches.

    >>> kernel_sizes(16, predictive=True)  # 15 rows are seen, 7 and 3 remain
    (3, 3)
    >>> kernel_sizes(16, predictive=False)
    (4, 3)
    >>> kernel_sizes(2, predictive=True)
    (1,)
    """
    length, sizes = window - predictive, list[int]()
    while length > COARSEST or not sizes:
        sizes.append(min(length, 4 - length % 2))
        length = (length - sizes[-1]) // 2 + 1
    return tuple(sizes)


def encode(inputs: Any, channels: int, config: ModelConfig) -> Any:
    """The stages ``encoder_1`` … on flat windows ``(batch, window * channels)``; flat features.

    A predictive network does not see the last row, so that a reading cannot vouch for itself: it is predicted.
    """
    from tf_keras import layers

    window = inputs.shape[-1] // channels
    sizes = kernel_sizes(window, predictive=config.predictive)
    tensor = layers.Reshape((1, window, channels), name="rows")(inputs)
    for stage, size in enumerate(sizes, 1):
        tensor = layers.Conv2D(filters(config), (1, size), (1, 2), activation="relu", name=f"encoder_{stage}")(tensor)
    return layers.Flatten(name="features")(tensor)


def decode(latent: Any, window: int, channels: int, config: ModelConfig) -> Any:
    """A decoder; its last layer ``reconstruction`` is the last row of a predictive network, else the window.

    A row follows from the latent layer without a hidden one, which would predict no better and can die: where the best
    guess is a constant, all its ReLUs may end at zero, and a range of nothing cannot be quantized.

    For a window it is the mirror image of :func:`encode`. Each stage makes two times of one, independently of the
    others. What is too long for the window is cut off at its old end, so that the last row is made of the last time of
    every stage.
    """
    from tf_keras import layers

    if config.predictive:
        return layers.Dense(channels, name="reconstruction", kernel_initializer=FIRST_OUTPUT)(latent)
    units = filters(config)
    stages = len(kernel_sizes(window, predictive=False))
    coarse = -(-window // 2**stages)
    tensor = layers.Dense(coarse * units, activation="relu", name="decoder")(latent)
    tensor = layers.Reshape((1, coarse, units), name="coarse_rows")(tensor)
    for stage in range(1, stages + 1):
        width, activation = (units, "relu") if stage < stages else (channels, None)
        tensor = layers.Conv2DTranspose(width, (1, 2), (1, 2), activation=activation, name=f"decoder_{stage}")(tensor)
    surplus = coarse * 2**stages - window
    if surplus:
        tensor = layers.Cropping2D(((0, 0), (surplus, 0)), name="newest_rows")(tensor)
    return layers.Flatten(name="reconstruction")(tensor)


def deployed(core: Any, latent: str) -> Any:
    """A network with the weights of ``core``: flat window in, expected last row out. ``latent`` names the latent layer.

    Only the last row is scored, so of a decoder of windows the part that makes it is left.
    """
    import tf_keras

    stages = _stages(core, "decoder_")
    copied = [core.get_layer("rows"), *_stages(core, "encoder_"), core.get_layer("features"), core.get_layer(latent)]
    if not stages:
        copied.append(core.get_layer("reconstruction"))
    parts = [(layer.__class__.from_config(layer.get_config()), layer.get_weights()) for layer in copied]
    if stages:
        parts += _last_time(core.get_layer("decoder"), stages)
    tensor = inputs = tf_keras.Input(core.input_shape[1:], name="window")
    for layer, weights in parts:
        tensor = layer(tensor)
        layer.set_weights(weights)
    return tf_keras.Model(inputs, tensor, name="head")


def _stages(core: Any, prefix: str) -> list[Any]:
    return [layer for layer in core.layers if layer.name.startswith(prefix)]


def _last_time(decoder: Any, stages: list[Any]) -> list[tuple[Any, list[Any]]]:
    """Dense layers and their weights that compute the last row of the window that the stages make.

    It is made of the last time of each of them, by the half of their kernel that makes the newer of two times.
    """
    from tf_keras import layers

    kernel, bias = decoder.get_weights()
    units = stages[0].get_weights()[0].shape[-1]
    weights = [[kernel[:, -units:], bias[-units:]]]
    for stage in stages:
        kernel, bias = stage.get_weights()
        weights.append([kernel[0, -1].T, bias])
    return [
        (layers.Dense(len(values[1]), activation=layer.activation, name=layer.name), values)
        for layer, values in zip([decoder, *stages], weights, strict=True)
    ]
