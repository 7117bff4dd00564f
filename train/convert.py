"""The deployed part of a core as float32 TFLite: the reference that compression is measured against."""

from __future__ import annotations

from typing import Any

from vedette.train.model_dir import ModelDir
from vedette.train.models import MODEL_KINDS


def float_model(model: ModelDir, core: Any) -> bytes:
    """The head of ``core`` as float32 .tflite bytes, any batch."""
    converted: bytes = head_converter(model, core, batch=None).convert()
    return converted


def head_converter(model: ModelDir, core: Any, *, batch: int | None) -> Any:
    """A TFLite converter of the head; ``batch`` None leaves the batch open."""
    import tensorflow as tf

    head = MODEL_KINDS[model.model.kind].head(core, len(model.signal.channels))
    spec = tf.TensorSpec((batch, *head.input_shape[1:]), tf.float32, name="window")
    function = tf.function(lambda window: {"expected_row": head(window)}).get_concrete_function(spec)
    return tf.lite.TFLiteConverter.from_concrete_functions([function], head)
