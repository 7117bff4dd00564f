"""Rewrite a .tflite model into the same one in the form that the Edge TPU compiler takes, where that loses nothing."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from vedette.compress import flatbuffer
from vedette.compress.board import Accelerator
from vedette.compress.edgetpu.check import is_open
from vedette.compress.edgetpu.operator_rules import needed_version


def rewrite(model: bytes, accelerator: Accelerator) -> bytes:
    """The model with what breaks a rule for no reason put right; of one window an int8 model computes the same bits.

    An open batch is fixed to 1, and what computed shapes from it becomes a constant; a dense layer without bias says so
    in the older way; operators get the oldest version that does what they do, where theirs is too new. A model that
    needs none of this comes back as it is. Raises :class:`ModelError` where the bytes are not a .tflite model.
    """
    graph = flatbuffer.read(model)
    before = flatbuffer.write(graph)
    _fix_batch(graph)
    _fold_shapes(graph)
    for operator in graph.subgraphs[0].operators:
        name = flatbuffer.operator_name(graph, operator)
        newest = accelerator.max_op_versions.get(name)
        version = graph.operatorCodes[operator.opcodeIndex].version
        if newest is not None and version > newest.value:
            _lower_version(graph, operator, name, int(newest.value))
    if flatbuffer.write(graph) == before:
        return model
    flatbuffer.drop_unused(graph)
    return flatbuffer.write(graph)


def _fix_batch(graph: Any) -> None:
    """The shapes in a file with an open batch are those for a batch of 1 already."""
    subgraph = graph.subgraphs[0]
    for tensor in (subgraph.tensors[index] for index in subgraph.inputs):
        if is_open(tensor) and (tensor.shape[0] != 1 or (tensor.shapeSignature[1:] < 0).any()):
            return
    for tensor in subgraph.tensors:
        tensor.shapeSignature = None


def _fold_shapes(graph: Any) -> None:
    """Replace operators that compute from shapes and constants alone by what they compute."""
    subgraph = graph.subgraphs[0]
    if any(is_open(subgraph.tensors[index]) for index in subgraph.inputs):
        return
    kept = []
    for operator in subgraph.operators:
        values = _value(graph, operator)
        if values is None:
            kept.append(operator)
            continue
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(values.astype(np.int32).tobytes(), np.uint8)
        output = subgraph.tensors[operator.outputs[0]]
        output.shape = np.array(values.shape, np.int32)
        output.buffer = len(graph.buffers)
        graph.buffers.append(buffer)
    subgraph.operators = kept


def _value(graph: Any, operator: Any) -> npt.NDArray[Any] | None:
    """What an operator on int32 shapes computes, or None where that depends on data or is not known here."""
    tensors, name = graph.subgraphs[0].tensors, flatbuffer.operator_name(graph, operator)
    if flatbuffer.type_name(tensors[operator.outputs[0]]) != "INT32":
        return None
    if name == "SHAPE":
        return np.asarray(tensors[operator.inputs[0]].shape)
    inputs = [flatbuffer.constant(graph, tensors[index]) for index in operator.inputs]
    known = [values for values in inputs if values is not None]
    if len(known) < len(inputs):
        return None
    if name == "PACK":
        return np.stack(known, operator.builtinOptions.axis)
    return _sliced(known, operator.builtinOptions) if name == "STRIDED_SLICE" else None


def _sliced(inputs: list[npt.NDArray[Any]], options: Any) -> npt.NDArray[Any] | None:
    """``inputs`` are the values to slice, and where slices begin, end and how far they step, for each axis."""
    values, begin, end, strides = inputs
    if options.ellipsisMask or options.newAxisMask or options.offset:
        return None
    index: list[int | slice] = []
    for axis, (first, last, stride) in enumerate(zip(begin.tolist(), end.tolist(), strides.tolist(), strict=True)):
        if options.shrinkAxisMask >> axis & 1:
            index.append(first)
        else:
            start = None if options.beginMask >> axis & 1 else first
            stop = None if options.endMask >> axis & 1 else last
            index.append(slice(start, stop, stride))
    return np.asarray(values[tuple(index)])


def _lower_version(graph: Any, operator: Any, name: str, newest: int) -> None:
    """Give an operator the oldest version that does the same, if that is old enough."""
    if name == "FULLY_CONNECTED":
        # -1 is how "no bias" was said before the third input could be left out.
        if len(operator.inputs) == 2:
            operator.inputs = np.append(operator.inputs, np.int32(-1))
        # What it does to an input that is flat already.
        if len(graph.subgraphs[0].tensors[operator.inputs[0]].shape) == 2:
            operator.builtinOptions.keepNumDims = False
    needed = needed_version(graph, operator, name)
    if needed is not None and needed <= newest:
        code = copy.copy(graph.operatorCodes[operator.opcodeIndex])
        code.version = needed
        operator.opcodeIndex = len(graph.operatorCodes)
        graph.operatorCodes.append(code)
