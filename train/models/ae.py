"""Dense autoencoder: window -> hidden -> latent -> hidden -> window (Hinton and Salakhutdinov 2006)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vedette.train.models.layers import decode, deployed, encode, latent_units

if TYPE_CHECKING:
    from vedette.train.config import ModelConfig


def build(window: int, channels: int, config: ModelConfig) -> Any:
    """The untrained core: ``(batch, window * channels)`` in; the window, or a predictive one's last row, out."""
    import tf_keras
    from tf_keras import layers

    inputs = tf_keras.Input((window * channels,), name="window")
    hidden = encode(inputs, channels, config)
    units = latent_units(window * channels, config.latent)
    latent = layers.Dense(units, name="latent")(hidden)
    return tf_keras.Model(inputs, decode(latent, window, channels, config), name="ae")


def trainer(core: Any) -> Any:
    """The core itself: its error is all there is to train."""
    return core


def head(core: Any, channels: int) -> Any:
    """The part of a trained core that is deployed."""
    return deployed(core, "latent", channels)
