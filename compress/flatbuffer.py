"""Reading and writing .tflite files through their schema: https://ai.google.dev/edge/litert (schema.fbs, version 3).

A file is a tree of tables and vectors that refer to each other by offset. The writer puts equal ones into the file
once and lets all that refer to them share it, which every reader takes, as it only follows offsets.
"""

from __future__ import annotations

import copy
import math
import struct
from collections.abc import Iterable
from typing import Any

import flatbuffers  # type: ignore[import-untyped]
import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from vedette.errors import ModelError

IDENTIFIER = b"TFL3"
# The schema asks for constants at multiples of 16 bytes, so that kernels can read them in place with any instruction.
ALIGNMENT = 16
UNREADABLE = (struct.error, ValueError, IndexError, TypeError, KeyError, OverflowError, MemoryError, RecursionError)


def _names(enumeration: type) -> dict[int, str]:
    return {value: name for name, value in vars(enumeration).items() if not name.startswith("_")}


OPERATORS = _names(schema.BuiltinOperator)
TYPES = _names(schema.TensorType)
DTYPES = {
    "FLOAT32": np.float32,
    "FLOAT16": np.float16,
    "INT8": np.int8,
    "UINT8": np.uint8,
    "INT16": np.int16,
    "INT32": np.int32,
    "INT64": np.int64,
    "BOOL": np.bool_,
}


# Kind -> the fewest inputs and the options it has, for the kinds that vedette looks into.
FORMS = {
    "AVERAGE_POOL_2D": (1, schema.Pool2DOptionsT),
    "CONCATENATION": (1, schema.ConcatenationOptionsT),
    "CONV_2D": (2, schema.Conv2DOptionsT),
    "DEPTHWISE_CONV_2D": (2, schema.DepthwiseConv2DOptionsT),
    "FULLY_CONNECTED": (2, schema.FullyConnectedOptionsT),
    "MAX_POOL_2D": (1, schema.Pool2DOptionsT),
    "MEAN": (2, None),
    "PACK": (1, schema.PackOptionsT),
    "PAD": (2, None),
    "SHAPE": (1, None),
    "SOFTMAX": (1, None),
    "SPLIT": (2, None),
    "STRIDED_SLICE": (4, schema.StridedSliceOptionsT),
    "SUM": (2, None),
    "TRANSPOSE_CONV": (3, schema.TransposeConvOptionsT),
}


def read(model: bytes) -> Any:
    """The schema's ``ModelT`` of a .tflite file, which may be changed and written again.

    Raises :class:`ModelError` where the bytes are not a whole model, or are one of over 2 GB, whose constants lie
    outside of its tables.
    """
    try:
        graph = schema.ModelT.InitFromPackedBuf(model, 0) if model[4:8] == IDENTIFIER else None
    except UNREADABLE:
        graph = None
    if graph is not None and any(buffer.offset > 1 for buffer in graph.buffers or []):
        raise ModelError("expected a .tflite model whose constants are in its tables, found one of over 2 GB")
    for subgraph in [] if graph is None else graph.subgraphs or []:
        _fill(subgraph)
    if graph is None or not _is_whole(graph):
        raise ModelError("expected a .tflite model, found something else or a damaged one; export it again")
    return graph


def _fill(subgraph: Any) -> None:
    """Empty lists may be absent from a file; here they are there."""
    subgraph.tensors, subgraph.operators = subgraph.tensors or [], subgraph.operators or []
    lists = [(subgraph, ("inputs", "outputs")), *((tensor, ("shape",)) for tensor in subgraph.tensors)]
    for owner, names in [*lists, *((operator, ("inputs", "outputs")) for operator in subgraph.operators)]:
        for name in names:
            if getattr(owner, name) is None:
                setattr(owner, name, np.zeros(0, np.int32))


def _is_whole(graph: Any) -> bool:
    """Whether what refers to something refers to what is there, and is of the form it must have."""
    if not graph.subgraphs or not graph.buffers:
        return False
    signatures = graph.signatureDefs or []
    return (
        all(entry.buffer < len(graph.buffers) for entry in graph.metadata or [])
        and all(signature.subgraphIndex < len(graph.subgraphs) for signature in signatures)
        and all(_is_whole_subgraph(graph, number, subgraph) for number, subgraph in enumerate(graph.subgraphs))
    )


def _is_whole_subgraph(graph: Any, number: int, subgraph: Any) -> bool:
    ends = [subgraph.inputs, subgraph.outputs]
    for signature in graph.signatureDefs or []:
        if signature.subgraphIndex == number:
            ends.append([item.tensorIndex for item in [*(signature.inputs or []), *(signature.outputs or [])]])
    count = len(subgraph.tensors)
    return (
        all(0 <= index < count for indices in ends for index in indices)
        and all(_is_whole_tensor(graph, tensor) for tensor in subgraph.tensors)
        and all(_is_whole_operator(graph, operator, count) for operator in subgraph.operators)
    )


def _is_whole_tensor(graph: Any, tensor: Any) -> bool:
    """Constants must have as many bytes as their shape says."""
    if tensor.buffer >= len(graph.buffers) or (tensor.shape < 0).any():
        return False
    signature = tensor.shapeSignature
    if signature is not None and len(signature) != len(tensor.shape):
        return False
    data, dtype = graph.buffers[tensor.buffer].data, DTYPES.get(type_name(tensor))
    if data is None or len(data) == 0 or dtype is None or tensor.sparsity is not None:
        return True
    return bool(len(data) == math.prod(tensor.shape.tolist()) * np.dtype(dtype).itemsize)


def _is_whole_operator(graph: Any, operator: Any, tensors: int) -> bool:
    if operator.opcodeIndex >= len(graph.operatorCodes or []):
        return False
    indices = [*operator.inputs, *(operator.intermediates if operator.intermediates is not None else [])]
    fewest, options = FORMS.get(operator_name(graph, operator), (0, None))
    required = operator.inputs[:fewest]
    if options is not None and operator.builtinOptions is None:
        operator.builtinOptions = options()
    return (
        len(operator.outputs) > 0
        and len(required) == fewest
        and all(-1 <= index < tensors for index in indices)
        and all(0 <= index < tensors for index in [*required, *operator.outputs])
        and (options is None or isinstance(operator.builtinOptions, options))
    )


def write(graph: Any) -> bytes:
    """The .tflite bytes of a ``ModelT``, with equal parts in them once; equal models give equal bytes."""
    builder = _Builder()
    builder.Finish(_shared(graph, {}).Pack(builder), file_identifier=IDENTIFIER)
    return bytes(builder.Output())


def operator_name(graph: Any, operator: Any) -> str:
    """The operator's kind as the schema names it, like ``FULLY_CONNECTED``, or a custom operator's own name."""
    code = graph.operatorCodes[operator.opcodeIndex]
    # Files from before there were 128 kinds have the first field only; newer ones have 127 there for later kinds.
    name = OPERATORS.get(max(code.builtinCode, code.deprecatedBuiltinCode), "an unknown operator")
    return bytes(code.customCode or b"CUSTOM").decode(errors="replace") if name == "CUSTOM" else name


def type_name(tensor: Any) -> str:
    """The type of a tensor's elements as the schema names it, like ``INT8``."""
    return TYPES.get(tensor.type, "an unknown type")


def constant(graph: Any, tensor: Any) -> npt.NDArray[Any] | None:
    """A constant tensor's values in its shape, or None where they are computed or of a type NumPy does not have."""
    data, dtype = graph.buffers[tensor.buffer].data, DTYPES.get(type_name(tensor))
    if data is None or len(data) == 0 or dtype is None or tensor.sparsity is not None:
        return None
    return np.frombuffer(np.asarray(data, np.uint8).tobytes(), dtype).reshape(tensor.shape)


def constants(graph: Any) -> Iterable[npt.NDArray[np.uint8]]:
    """The bytes of every constant that a tensor refers to."""
    used = {tensor.buffer for subgraph in graph.subgraphs for tensor in subgraph.tensors}
    return (graph.buffers[index].data for index in sorted(used) if graph.buffers[index].data is not None)


def drop_unused(graph: Any) -> None:
    """Take out tensors, constants and operator codes that nothing refers to, and all but one of equal constants."""
    for number, subgraph in enumerate(graph.subgraphs):
        _drop_tensors(graph, number, subgraph)
    _drop_buffers(graph)
    operators = [operator for subgraph in graph.subgraphs for operator in subgraph.operators]
    codes: dict[tuple[Any, ...], int] = {}
    kept: list[Any] = []
    for operator in operators:
        code = graph.operatorCodes[operator.opcodeIndex]
        key = code.builtinCode, code.deprecatedBuiltinCode, code.version, code.customCode
        if key not in codes:
            codes[key] = len(kept)
            kept.append(code)
        operator.opcodeIndex = codes[key]
    graph.operatorCodes = kept


def _drop_tensors(graph: Any, number: int, subgraph: Any) -> None:
    lists = [(subgraph, "inputs"), (subgraph, "outputs")]
    lists += [(operator, name) for operator in subgraph.operators for name in ("inputs", "outputs", "intermediates")]
    present = [(owner, name) for owner, name in lists if getattr(owner, name) is not None]
    used = {int(index) for owner, name in present for index in getattr(owner, name)} - {-1}
    places = {index: place for place, index in enumerate(sorted(used))}
    for owner, name in present:
        setattr(owner, name, np.array([places.get(int(index), -1) for index in getattr(owner, name)], np.int32))
    subgraph.tensors = [subgraph.tensors[index] for index in places]
    for signature in graph.signatureDefs or []:
        if signature.subgraphIndex == number:
            for item in [*(signature.inputs or []), *(signature.outputs or [])]:
                item.tensorIndex = places[item.tensorIndex]


def _drop_buffers(graph: Any) -> None:
    """By convention the first buffer is empty and stands for "computed"."""
    buffers, places = [schema.BufferT()], {b"": 0}

    def place(index: int) -> int:
        data = graph.buffers[index].data
        key = b"" if data is None else bytes(data)
        if key not in places:
            places[key] = len(buffers)
            buffers.append(graph.buffers[index])
        return places[key]

    for entry in [*(tensor for subgraph in graph.subgraphs for tensor in subgraph.tensors), *(graph.metadata or [])]:
        entry.buffer = place(entry.buffer)
    graph.metadataBuffer = None
    graph.buffers = buffers


class _Builder(flatbuffers.Builder):  # type: ignore[misc]
    """Writes equal vectors once, and vectors of bytes, which are constants, at multiples of :data:`ALIGNMENT`."""

    def __init__(self) -> None:
        super().__init__(1024)
        self._vectors: dict[tuple[str, bytes], int] = {}

    def CreateNumpyVector(self, x: npt.NDArray[Any]) -> int:  # noqa: N802
        """Called by the schema's classes for every vector of numbers."""
        key = x.dtype.str, x.tobytes()
        if key not in self._vectors:
            if x.dtype == np.uint8:
                self.Prep(ALIGNMENT, x.nbytes)
            self._vectors[key] = super().CreateNumpyVector(x)
        return self._vectors[key]


class _Once:
    """A table that is written when it is first referred to."""

    def __init__(self, table: Any) -> None:
        self._table = table
        self._offset: int | None = None

    def Pack(self, builder: _Builder) -> int:  # noqa: N802
        """Called by the schema's classes for every table they refer to."""
        if self._offset is None:
            self._offset = int(self._table.Pack(builder))
        return self._offset


def _shared(table: Any, known: dict[Any, _Once]) -> _Once:
    """The table with all below it, equal tables being one and the same object."""
    table = copy.copy(table)
    content: list[Any] = [type(table)]
    for name, value in sorted(vars(table).items()):
        part: Any
        if hasattr(value, "Pack"):
            part = _shared(value, known)
            setattr(table, name, part)
        elif isinstance(value, list) and value and hasattr(value[0], "Pack"):
            part = tuple(_shared(item, known) for item in value)
            setattr(table, name, part)
        else:
            part = (value.dtype.str, value.tobytes()) if isinstance(value, np.ndarray) else repr(value)
        content.append((name, part))
    return known.setdefault(tuple(content), _Once(table))
