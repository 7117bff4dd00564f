"""Convolutional variational autoencoder: the stages of ``conv_ae`` around a latent layer that training samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vedette.train.models import vae
from vedette.train.models.conv_layers import decode, deployed, encode
from vedette.train.models.layers import latent_units

if TYPE_CHECKING:
    from vedette.train.config import ModelConfig


def build(window: int, channels: int, config: ModelConfig) -> Any:
    """The untrained core: ``(batch, window * channels)`` in; reconstruction, latent mean and log variance out."""
    import tf_keras
    from tf_keras import layers

    inputs = tf_keras.Input((window * channels,), name="window")
    features = encode(inputs, channels, config)
    units = latent_units(window * channels, config.latent)
    mean = layers.Dense(units, name="z_mean")(features)
    first = tf_keras.initializers.Constant(vae.FIRST_LOG_VARIANCE)
    log_variance = layers.Dense(units, kernel_initializer="zeros", bias_initializer=first, name="z_log_var")(features)
    reconstruction = decode(mean, window, channels, config)
    return tf_keras.Model(inputs, [reconstruction, mean, log_variance], name="conv_vae")


def trainer(core: Any) -> Any:
    """The dense kind's trainer, which samples any core's latent layer and adds the KL term to the loss."""
    return vae.trainer(core)


def head(core: Any, channels: int) -> Any:
    """The part of a trained core that is deployed: the latent variance and the other rows are left out."""
    return deployed(core, "z_mean")
