"""What the dense kinds share: sizes, the encoder's and decoder's layers, and cutting a decoder to its last row."""

from __future__ import annotations

from typing import Any

# Latent units when the project does not say: a quarter of the input, within these bounds.
LATENT_PART, LATENT_MIN, LATENT_MAX = 4, 2, 16


def latent_units(inputs: int, wanted: int | None) -> int:
    """Units of the latent layer.

    >>> latent_units(16, None), latent_units(608, None), latent_units(608, 5)
    (4, 16, 5)
    """
    return wanted or min(LATENT_MAX, max(LATENT_MIN, inputs // LATENT_PART))


def decode(latent: Any, hidden: int, outputs: int) -> Any:
    """A dense decoder from a latent tensor to ``(batch, outputs)``; its last layer is named ``reconstruction``."""
    from tf_keras import layers

    hidden_units = layers.Dense(hidden, activation="relu", name="decoder")(latent)
    return layers.Dense(outputs, name="reconstruction")(hidden_units)


def last_row(core: Any, channels: int) -> Any:
    """A model that shares nothing with ``core`` but gives the last ``channels`` of its reconstruction, by its weights.

    Only the last row is scored, so the rest of the decoder's last layer is not deployed.
    """
    import tf_keras

    decoder, full = core.get_layer("decoder"), core.get_layer("reconstruction")
    kernel, bias = full.get_weights()
    row = tf_keras.layers.Dense(channels, name="expected_row")
    model = tf_keras.Model(core.input, row(decoder.output), name="head")
    row.set_weights([kernel[:, -channels:], bias[-channels:]])
    return model
