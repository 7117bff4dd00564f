"""Dense variational autoencoder (Kingma and Welling 2014, https://arxiv.org/abs/1312.6114).

The core is one flat deterministic network: it decodes the latent mean, so it prunes and quantizes like any dense
network. Sampling and the KL term belong to the trainer, which is thrown away after training.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vedette.train.models.layers import decode, deployed, encode, latent_units

if TYPE_CHECKING:
    from vedette.train.config import ModelConfig

# Weight of the KL term, per input value, beside the error.
KL_WEIGHT = 0.1
# The latent variance starts small: at 1, an untrained decoder would learn from noise first.
FIRST_LOG_VARIANCE = -4.0


def build(window: int, channels: int, config: ModelConfig) -> Any:
    """The untrained core: ``(batch, window * channels)`` in; reconstruction, latent mean and log variance out."""
    import tf_keras
    from tf_keras import layers

    inputs = tf_keras.Input((window * channels,), name="window")
    hidden = encode(inputs, channels, config)
    units = latent_units(window * channels, config.latent)
    mean = layers.Dense(units, name="z_mean")(hidden)
    first = tf_keras.initializers.Constant(FIRST_LOG_VARIANCE)
    log_variance = layers.Dense(units, kernel_initializer="zeros", bias_initializer=first, name="z_log_var")(hidden)
    reconstruction = decode(mean, window, channels, config)
    return tf_keras.Model(inputs, [reconstruction, mean, log_variance], name="vae")


def trainer(core: Any) -> Any:
    """A model around the core that samples the latent layer and adds the KL term to the loss."""
    import tensorflow as tf
    import tf_keras

    class Trainer(tf_keras.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.core = core
            self.encoder = tf_keras.Model(core.input, core.output[1:])
            self.decoder = [tf_keras.Model(core.output[1], core.output[0])]

        def call(self, window: Any, training: bool = False) -> Any:
            mean, log_variance = self.encoder(window)
            log_variance = tf.clip_by_value(log_variance, -10.0, 10.0)
            divergence = 0.5 * tf.reduce_sum(tf.exp(log_variance) + mean**2 - 1.0 - log_variance, axis=-1)
            latent = mean
            if training:
                self.add_loss(KL_WEIGHT * tf.reduce_mean(divergence) / window.shape[-1])
                latent += tf.random.normal(tf.shape(mean)) * tf.exp(0.5 * log_variance)
            for layer in self.decoder:
                latent = layer(latent)
            return latent

    return Trainer()


def head(core: Any, channels: int) -> Any:
    """The part of a trained core that is deployed: the latent variance and the other rows are left out."""
    return deployed(core, "z_mean", channels)
