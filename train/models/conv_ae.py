"""Convolutional autoencoder: strided convolutions over time -> latent -> last row, or window (Masci et al. 2011)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vedette.train.models.conv_layers import decode, deployed, encode
from vedette.train.models.layers import latent_units

if TYPE_CHECKING:
    from vedette.train.config import ModelConfig


def build(window: int, channels: int, config: ModelConfig) -> Any:
    """The untrained core: ``(batch, window * channels)`` in; the window, or a predictive one's last row, out."""
    import tf_keras
    from tf_keras import layers

    inputs = tf_keras.Input((window * channels,), name="window")
    features = encode(inputs, channels, config)
    units = latent_units(window * channels, config.latent)
    latent = layers.Dense(units, name="latent")(features)
    return tf_keras.Model(inputs, decode(latent, window, channels, config), name="conv_ae")


def trainer(core: Any) -> Any:
    """The core itself: its error is all there is to train."""
    return core


def head(core: Any, channels: int) -> Any:
    """The part of a trained core that is deployed."""
    return deployed(core, "latent")
