"""What the Edge TPU compiler asks of single kinds of operators: https://coral.ai/docs/edgetpu/models-intro."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from vedette.compress import flatbuffer

PER_TENSOR = (
    "quantize it with one scale for the layer, as exports for Coral boards do (boards.yaml: weights: per-tensor)"
)
OPEN_BATCH = "it is there because the batch is open; export for a Coral board, which fixes the batch to one window"
INTEGER_ENDS = "export int8 inputs and outputs, as vedette does"
# What to do about kinds that are not supported, where there is more to say than to avoid them.
REPLACEMENTS = {"SHAPE": OPEN_BATCH, "DEQUANTIZE": INTEGER_ENDS}
MAX_SOFTMAX = 16_000
# Kind -> position of the input that holds what a dimension is chosen with.
AXIS_INPUT = {"MEAN": 1, "SUM": 1, "SPLIT": 0}
UNFUSED = ("AVERAGE_POOL_2D", "MAX_POOL_2D", "CONCATENATION")
Rules = Iterator[tuple[str, str]]


def broken(graph: Any, operator: Any, name: str) -> Rules:
    """The rules that an operator of a supported kind breaks, each with its fix."""
    if name in UNFUSED and operator.builtinOptions.fusedActivationFunction:
        yield "it must not have an activation", "make the activation a layer of its own"
    if name in AXIS_INPUT:
        yield from _axis(graph, operator, AXIS_INPUT[name])
    rule = _RULES.get(name)
    if rule is not None:
        yield from rule(graph, operator)


def needed_version(graph: Any, operator: Any, name: str) -> int | None:
    """The oldest version of an int8 or uint8 operator that can do what this one does; None where that is not known.

    As in TensorFlow's table of versions, tensorflow/lite/tools/versioning/op_version.cc.
    """
    tensors, options = graph.subgraphs[0].tensors, operator.builtinOptions
    signed = flatbuffer.type_name(tensors[operator.inputs[0]]) != "UINT8"
    # Versions with what each is for, newest first, and last the version of an operator that needs none of that.
    features: dict[str, list[tuple[int, Callable[[], bool]]]] = {
        "FULLY_CONNECTED": [
            (8, lambda: tensors[operator.inputs[1]].sparsity is not None),
            (6, lambda: len(operator.inputs) == 2),
            (5, lambda: options.keepNumDims),
            (4 if signed else 1, lambda: True),
        ],
        "CONV_2D": [
            (6, lambda: tensors[operator.inputs[0]].shape[-1] != tensors[operator.inputs[1]].shape[-1]),
            (3 if signed else 1, lambda: True),
        ],
        "TRANSPOSE_CONV": [
            (4, lambda: options.fusedActivationFunction != 0),
            (3, lambda: len(operator.inputs) == 4 and operator.inputs[3] >= 0),
            (2 if signed else 1, lambda: True),
        ],
    }
    return next((version for version, is_used in features.get(name, []) if is_used()), None)


def version_fix(graph: Any, operator: Any, name: str, newest: int) -> str:
    """What to do about an operator of a version that is too new."""
    needed = needed_version(graph, operator, name)
    if needed is not None and needed <= newest:
        return "nothing that it does needs the newer version; the export lowers it"
    reasons = {
        "FULLY_CONNECTED": "use a bias, dense weights and flat inputs",
        "CONV_2D": "use a convolution that is not grouped",
        "TRANSPOSE_CONV": "make its activation, or its bias, a layer of its own",
    }
    return reasons.get(name, "convert the model with an older TensorFlow")


def _fully_connected(graph: Any, operator: Any) -> Rules:
    tensors = graph.subgraphs[0].tensors
    weights, output = tensors[operator.inputs[1]], tensors[operator.outputs[0]]
    if operator.builtinOptions.weightsFormat != schema.FullyConnectedOptionsWeightsFormat.DEFAULT:
        yield "its weights must be in the default format, found shuffled ones", "convert the model again"
    yield from _constant_weights(graph, weights)
    scales = (
        1 if weights.quantization is None or weights.quantization.scale is None else len(weights.quantization.scale)
    )
    if scales > 1:
        yield f"the weights of a dense layer must have one scale, found {scales}", PER_TENSOR
    if np.any(output.shape[:-1] > 1):
        yield f"its output must be one-dimensional, found {output.shape.tolist()}", "flatten its input"


def _convolution(graph: Any, operator: Any) -> Rules:
    options = operator.builtinOptions
    if options.dilationHFactor != options.dilationWFactor:
        found = f"{options.dilationHFactor} and {options.dilationWFactor}"
        yield f"its dilations must be equal, found {found}", "dilate both dimensions alike"
    yield from _constant_weights(graph, graph.subgraphs[0].tensors[operator.inputs[1]])


def _constant_weights(graph: Any, weights: Any) -> Rules:
    if flatbuffer.constant(graph, weights) is None:
        yield "its weights must be constant", "train a network whose weights are not computed"


def _strided_slice(graph: Any, operator: Any) -> Rules:
    strides = flatbuffer.constant(graph, graph.subgraphs[0].tensors[operator.inputs[3]])
    options = operator.builtinOptions
    if strides is None or (strides != 1).any() or options.ellipsisMask or options.newAxisMask:
        yield "its strides must be 1 and it must not add a dimension", "take a plain slice"


def _pack(graph: Any, operator: Any) -> Rules:
    if operator.builtinOptions.axis == 0:
        yield "it must not pack along the batch", "pack along another dimension"


def _pad(graph: Any, operator: Any) -> Rules:
    amounts = flatbuffer.constant(graph, graph.subgraphs[0].tensors[operator.inputs[1]])
    if amounts is None or np.any(amounts[0] != 0):
        yield "it must pad by constants, and not along the batch", "pad other dimensions"


def _softmax(graph: Any, operator: Any) -> Rules:
    shape = graph.subgraphs[0].tensors[operator.inputs[0]].shape
    if np.any(shape[:-1] > 1) or shape[-1] > MAX_SOFTMAX:
        yield (
            f"its input must be one-dimensional with at most {MAX_SOFTMAX:,} values, found {shape.tolist()}",
            "flatten it",
        )


def _concatenation(graph: Any, operator: Any) -> Rules:
    tensors = graph.subgraphs[0].tensors
    constants = [flatbuffer.constant(graph, tensors[index]) for index in operator.inputs]
    fixed = [values for values in constants if values is not None]
    if fixed and (len(constants) != 2 or np.any(fixed[0] != 0)):
        yield "a constant can only be joined to one other tensor, and must be all 0", "compute it as a layer's bias"


def _axis(graph: Any, operator: Any, position: int) -> Rules:
    axes = flatbuffer.constant(graph, graph.subgraphs[0].tensors[operator.inputs[position]])
    value = graph.subgraphs[0].tensors[operator.inputs[1 - position]]
    if axes is None or np.any(axes % max(1, len(value.shape)) == 0):
        yield "it must be along constant dimensions other than the batch", "choose another dimension"


_RULES: dict[str, Callable[[Any, Any], Rules]] = {
    "FULLY_CONNECTED": _fully_connected,
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _convolution,
    "STRIDED_SLICE": _strided_slice,
    "PACK": _pack,
    "PAD": _pad,
    "SOFTMAX": _softmax,
    "CONCATENATION": _concatenation,
}
