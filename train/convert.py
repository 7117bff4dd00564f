"""The deployed part of a core as float32 TFLite: the reference that compression is measured against."""

from __future__ import annotations

from typing import Any

from vedette.train.model_dir import ModelDir
from vedette.train.models import MODEL_KINDS
from vedette.train.tensorflow import import_tensorflow, quiet_tensorflow


def deployed_head(model: ModelDir, network: Any) -> Any:
    """The part of a model directory's network that is deployed: flat window in, expected last row out."""
    if model.compressed:
        return network
    return MODEL_KINDS[model.model.kind].head(network, len(model.signal.channels))


def float_model(model: ModelDir, network: Any) -> bytes:
    """The deployed part of ``network`` as float32 .tflite bytes, any batch."""
    return convert(head_converter(deployed_head(model, network), batch=None))


def convert(converter: Any) -> bytes:
    """Run a TFLite converter without its chatter."""
    with quiet_tensorflow():
        converted: bytes = converter.convert()
    return converted


def head_converter(head: Any, *, batch: int | None) -> Any:
    """A TFLite converter of a deployed network; ``batch`` None leaves the batch open."""
    tf, _ = import_tensorflow()
    spec = tf.TensorSpec((batch, *head.input_shape[1:]), tf.float32, name="window")
    function = tf.function(lambda window: {"expected_row": head(window)}).get_concrete_function(spec)
    return tf.lite.TFLiteConverter.from_concrete_functions([function], head)
