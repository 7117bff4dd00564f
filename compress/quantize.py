"""Full-integer post-training quantization: int8 weights, activations, input and output (Jacob et al. 2018,
https://arxiv.org/abs/1712.05877; https://ai.google.dev/edge/litert/models/quantization_spec)."""

from __future__ import annotations

from typing import Any

import numpy as np

from vedette.errors import ModelError
from vedette.runtime.detection.signal import FloatArray
from vedette.train.convert import convert, head_converter
from vedette.train.tensorflow import import_tensorflow

# An activation with a smaller step than this is the same for all representative windows.
SMALLEST_STEP = 1e-6
# Windows of noise that wake such layers.
NOISE_WINDOWS = 64


def quantize_head(head: Any, representative: FloatArray | None, *, per_channel: bool, fixed_batch: bool) -> bytes:
    """A deployed network as int8 .tflite bytes.

    ``representative`` are flat scaled windows that cover the range; None is for a network that was trained with
    quantization and so knows its ranges. ``per_channel`` gives each output unit its own weight scale, which Edge TPU
    compilers refuse for dense layers; ``fixed_batch`` fixes the batch to 1, as they want.
    Raises :class:`ModelError` where a layer's range cannot be found.
    """
    form = {"per_channel": per_channel, "fixed_batch": fixed_batch}
    quantized = _convert(head, representative, **form)
    if representative is None or smallest_step(quantized) >= SMALLEST_STEP:
        return quantized
    # Where nothing can be predicted, training may switch a layer off on all normal windows. Its range is then nothing,
    # which kernels refuse; anything within the input's range will do, as the network is a constant on normal windows.
    most = float(np.abs(representative).max())
    noise = np.random.default_rng(0).uniform(-most, most, (NOISE_WINDOWS, representative.shape[1])).astype(np.float32)
    quantized = _convert(head, np.concatenate([representative, noise]), **form)
    if smallest_step(quantized) < SMALLEST_STEP:
        raise ModelError(
            "a layer of the network is off whatever the input, so that it cannot be quantized: nothing was learned. "
            "Train again with another model.seed or model.kind"
        )
    return quantized


def float16_head(head: Any) -> bytes:
    """A deployed network as .tflite bytes with weights in float16; windows and outputs stay float32."""
    tf, _ = import_tensorflow()
    converter = head_converter(head, batch=None)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]
    return convert(converter)


def _convert(head: Any, representative: FloatArray | None, *, per_channel: bool, fixed_batch: bool) -> bytes:
    tf, _ = import_tensorflow()
    converter = head_converter(head, batch=1 if fixed_batch else None)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if representative is not None:
        converter.representative_dataset = lambda: ([window[np.newaxis]] for window in representative)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    converter._experimental_disable_per_channel_quantization_for_dense_layers = not per_channel
    return convert(converter)


def smallest_step(quantized: bytes) -> float:
    """The smallest quantization scale of the int8 activations of a .tflite model."""
    from ai_edge_litert import schema_py_generated as schema

    graph = schema.ModelT.InitFromPackedBuf(quantized, 0)
    tensors = graph.subgraphs[0].tensors
    # Weights and constants have data; the first buffer is the empty one.
    return min(
        float(tensor.quantization.scale[0])
        for tensor in tensors
        if tensor.type == schema.TensorType.INT8 and graph.buffers[tensor.buffer].data is None
    )
