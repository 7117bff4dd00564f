"""Every form of model that vedette exports runs in the NumPy kernels: kinds, predictive or not, batches, scales."""

from __future__ import annotations

import numpy as np
import pytest
from int8_models import inputs
from trained import KINDS

from vedette.runtime.inference.interpreter import Model
from vedette.runtime.inference.reference.graph import read
from vedette.runtime.inference.reference.program import ENGINE
from vedette.train.config import ModelConfig
from vedette.train.models import MODEL_KINDS
from vedette.train.tensorflow import import_tensorflow, quiet_tensorflow

WINDOW, CHANNELS = 16, 5


def quantized(kind: str, *, predictive: bool, batch: int | None) -> bytes:
    """A network with random weights; a fixed batch goes with one scale for a dense layer, as on an Edge TPU."""
    tf, _ = import_tensorflow()
    rng = np.random.default_rng(3)
    core = MODEL_KINDS[kind].build(WINDOW, CHANNELS, ModelConfig(kind=kind, predictive=predictive, hidden=24))  # type: ignore[arg-type]
    core.set_weights([rng.normal(0, 0.3, values.shape) for values in core.get_weights()])
    head = MODEL_KINDS[kind].head(core, CHANNELS)
    spec = tf.TensorSpec((batch, WINDOW * CHANNELS), tf.float32)
    function = tf.function(lambda window: {"expected_row": head(window)}).get_concrete_function(spec)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], head)
    windows = rng.normal(size=(64, 1, WINDOW * CHANNELS)).astype(np.float32)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([window] for window in windows)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    converter._experimental_disable_per_channel_quantization_for_dense_layers = batch is not None
    with quiet_tensorflow():
        content: bytes = converter.convert()
    return content


@pytest.mark.slow
@pytest.mark.parametrize("batch", [None, 1])
@pytest.mark.parametrize("predictive", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_every_exported_form_gives_the_interpreters_bits(kind: str, predictive: bool, batch: int | None) -> None:
    content = quantized(kind, predictive=predictive, batch=batch)
    names = {operator.name for operator in read(content, ENGINE).operators}
    assert ("CONV_2D" in names) == kind.startswith("conv")
    assert ("SHAPE" in names) == (kind.startswith("conv") and batch is None)
    reference, interpreter = Model(content, package="reference-S"), Model(content, package="ai-edge-litert")
    x = inputs(np.random.default_rng(8), (300, WINDOW * CHANNELS))
    wanted = np.concatenate([interpreter.run(window[None]) for window in x])
    np.testing.assert_array_equal(np.concatenate([reference.run(window[None]) for window in x]), wanted)
    if batch is None:
        reference.resize_batch(len(x))
        np.testing.assert_array_equal(reference.run(x), wanted)
        reference.resize_batch(1)
        np.testing.assert_array_equal(reference.run(x[:1]), wanted[:1])
