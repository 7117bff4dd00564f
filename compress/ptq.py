"""Full-integer post-training quantization: int8 weights, activations, input and output (Jacob et al. 2018,
https://arxiv.org/abs/1712.05877; https://ai.google.dev/edge/litert/models/quantization_spec)."""

from __future__ import annotations

import numpy as np

from vedette.runtime.signal import FloatArray
from vedette.train.convert import convert, head_converter
from vedette.train.model_dir import ModelDir
from vedette.train.tensorflow import import_tensorflow


def quantize_model(model: ModelDir, representative: FloatArray, *, per_channel: bool, fixed_batch: bool) -> bytes:
    """The trained head as int8 .tflite bytes.

    ``representative`` are flat scaled windows that cover the range; ``per_channel`` gives each output unit its own
    weight scale, which Edge TPU compilers refuse for dense layers; ``fixed_batch`` fixes the batch to 1, as they want.
    """
    tf, _ = import_tensorflow()
    converter = head_converter(model, model.load_core(), batch=1 if fixed_batch else None)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([window[np.newaxis]] for window in representative)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    converter._experimental_disable_per_channel_quantization_for_dense_layers = not per_channel
    return convert(converter)
