"""The deployed part of a core as float32 TFLite: the reference that compression is measured against."""

from __future__ import annotations

from typing import Any

from vedette.train.model_dir import ModelDir
from vedette.train.models import MODEL_KINDS
from vedette.train.tensorflow import import_tensorflow, quiet_tensorflow


def float_model(model: ModelDir, core: Any) -> bytes:
    """The head of ``core`` as float32 .tflite bytes, any batch."""
    return convert(head_converter(model, core, batch=None))


def convert(converter: Any) -> bytes:
    """Run a TFLite converter without its chatter."""
    with quiet_tensorflow():
        converted: bytes = converter.convert()
    return converted


def head_converter(model: ModelDir, core: Any, *, batch: int | None) -> Any:
    """A TFLite converter of the head; ``batch`` None leaves the batch open."""
    tf, _ = import_tensorflow()
    head = MODEL_KINDS[model.model.kind].head(core, len(model.signal.channels))
    spec = tf.TensorSpec((batch, *head.input_shape[1:]), tf.float32, name="window")
    function = tf.function(lambda window: {"expected_row": head(window)}).get_concrete_function(spec)
    return tf.lite.TFLiteConverter.from_concrete_functions([function], head)
