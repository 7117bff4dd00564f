"""The networks of the model kinds: what is deployed computes what was trained."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from vedette.train.config import ModelConfig
from vedette.train.models import MODEL_KINDS
from vedette.train.tensorflow import import_tensorflow

WINDOW, CHANNELS = 5, 3
pytestmark = pytest.mark.slow


def make(kind: str, *, predictive: bool) -> tuple[Any, Any]:
    """An untrained core with weights that are not zero, and its head."""
    _, tf_keras = import_tensorflow()
    tf_keras.utils.set_random_seed(1)
    core = MODEL_KINDS[kind].build(WINDOW, CHANNELS, ModelConfig(predictive=predictive))
    rng = np.random.default_rng(2)
    core.set_weights([rng.normal(size=weight.shape).astype(np.float32) for weight in core.get_weights()])
    return core, MODEL_KINDS[kind].head(core, CHANNELS)


def windows(count: int) -> np.ndarray:
    return np.random.default_rng(3).normal(size=(count, WINDOW * CHANNELS)).astype(np.float32)


@pytest.mark.parametrize("predictive", [True, False])
@pytest.mark.parametrize("kind", MODEL_KINDS)
def test_the_deployed_part_gives_the_last_row_of_the_reconstruction(kind: str, predictive: bool) -> None:
    core, head = make(kind, predictive=predictive)
    outputs = core.predict(windows(20), verbose=0)
    reconstruction = outputs[0] if isinstance(outputs, list) else outputs
    np.testing.assert_allclose(
        head.predict(windows(20), verbose=0), reconstruction[:, -CHANNELS:], rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("kind", MODEL_KINDS)
def test_a_predictive_network_does_not_see_the_row_that_it_expects(kind: str) -> None:
    _, head = make(kind, predictive=True)
    disturbed = windows(4)
    disturbed[:, -CHANNELS:] += 100.0
    np.testing.assert_array_equal(head.predict(disturbed, verbose=0), head.predict(windows(4), verbose=0))


@pytest.mark.parametrize("kind", MODEL_KINDS)
def test_a_network_that_is_not_predictive_sees_the_last_row(kind: str) -> None:
    _, head = make(kind, predictive=False)
    disturbed = windows(4)
    disturbed[:, -CHANNELS:] += 100.0
    assert np.abs(head.predict(disturbed, verbose=0) - head.predict(windows(4), verbose=0)).min() > 1e-3


@pytest.mark.parametrize("kind", MODEL_KINDS)
def test_training_a_vae_or_autoencoder_lowers_its_loss(kind: str) -> None:
    _, tf_keras = import_tensorflow()
    tf_keras.utils.set_random_seed(1)
    core = MODEL_KINDS[kind].build(WINDOW, CHANNELS, ModelConfig())
    model = MODEL_KINDS[kind].trainer(core)
    model.compile(optimizer=tf_keras.optimizers.Adam(1e-2), loss="mse")
    data = np.tile(np.sin(np.arange(WINDOW * CHANNELS, dtype=np.float32)), (256, 1))
    losses = model.fit(data, data, epochs=20, verbose=0).history["loss"]
    assert losses[-1] < losses[0] / 4
