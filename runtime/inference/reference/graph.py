"""Reads a .tflite file into a list of operators and tensors, and refuses in words what the kernels do not compute.

Field numbers are the positions in the tables of TFLite's ``schema.fbs``
(https://github.com/tensorflow/tensorflow/blob/master/tensorflow/compiler/mlir/lite/schema/schema.fbs).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vedette.errors import ModelError
from vedette.runtime.inference.reference.flatbuffer import Table
from vedette.runtime.inference.reference.operator_names import REPLACEMENTS, operator_name

Array = npt.NDArray[Any]
# An operator's inputs, None for those that are absent, to its output. Raises ModelError where their shapes do not fit.
Kernel = Callable[..., Array]

SCHEMA_VERSION = 3
# Far above any model for a small board; what is larger is damage.
MAX_ITEMS = 65_536
MAX_DIMENSIONS = 6
# Elements of one tensor: 16 Mi.
MAX_ELEMENTS = 2**24
# Codes of enum TensorType: what is computed with, and names for what is not.
DTYPES: dict[int, np.dtype[Any]] = {2: np.dtype("<i4"), 9: np.dtype("<i1")}
FLOAT32 = 0
TYPE_NAMES = ("float32", "float16", "int32", "uint8", "int64", "string", "bool", "int16")
# Scales of trained models lie far inside; products and quotients of three of them are normal float32 numbers or zero.
SMALLEST_SCALE, LARGEST_SCALE = 1e-30, 1e30


@dataclass(frozen=True)
class Tensor:
    """A tensor of the graph.

    ``shape`` is for a batch of one where ``dynamic``. ``scales`` ``(1,)`` or one for each slice along ``axis`` are
    empty for int32 tensors that are shapes. ``data`` is a constant's content.
    """

    index: int
    name: str
    shape: tuple[int, ...]
    dynamic: bool
    dtype: np.dtype[Any]
    scales: npt.NDArray[np.float32]
    zero_point: int
    axis: int
    data: Array | None

    @property
    def scale(self) -> np.float32:
        """The scale of an activation."""
        scale: np.float32 = self.scales[0]
        return scale


@dataclass(frozen=True)
class Operator:
    """One operator; a missing optional input is None. ``options`` are the operator's own table, None for defaults."""

    name: str
    version: int
    place: str
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor, ...]
    options: Table | None

    @property
    def output(self) -> Tensor:
        """The output of an operator that has one."""
        return self.outputs[0]

    def error(self, message: str) -> ModelError:
        """An error that says which operator, and where in the model."""
        return ModelError(f"{self.place}: {message}")

    def option(self, field: int, default: int = 0) -> int:
        """An int32 of the options."""
        return self.options.integer(field, default) if self.options else default

    def small_option(self, field: int) -> int:
        """An enumeration or boolean of the options."""
        return self.options.byte(field) if self.options else 0

    def int8_input(self, number: int = 0) -> Tensor:
        """An int8 activation. Raises :class:`ModelError` where the input is none."""
        tensor = self.inputs[number] if number < len(self.inputs) else None
        if tensor is None or tensor.dtype != np.int8 or tensor.data is not None:
            raise self.error(f"expected input {number} to be an int8 activation")
        return tensor

    def constant(self, number: int, dtype: type[np.generic]) -> Tensor | None:
        """A constant input, None where absent. Raises :class:`ModelError` where it is no constant of that type."""
        tensor = self.inputs[number] if number < len(self.inputs) else None
        if tensor is not None and (tensor.data is None or tensor.dtype != dtype):
            raise self.error(f"expected input {number} to be a constant of type {np.dtype(dtype).name}")
        return tensor


@dataclass(frozen=True)
class Support:
    """What of an operator can be run: the newest version, how many inputs there must be and may be, and outputs."""

    version: int
    required: int
    inputs: int
    outputs: int = 1


@dataclass(frozen=True)
class Engine:
    """What computes models: its operators, its name, and what to do about others. ``floats`` says that it takes float32
    tensors, for what quantizes and dequantizes."""

    supported: Mapping[str, Support]
    name: str
    otherwise: str
    floats: bool = False


@dataclass(frozen=True)
class Graph:
    """A model: its operators in the order of execution, all its used tensors by index, its inputs and outputs."""

    operators: tuple[Operator, ...]
    tensors: dict[int, Tensor]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


def read(data: bytes, engine: Engine) -> Graph:
    """Read a model's bytes.

    Raises :class:`ModelError`, and nothing else, whatever the bytes are.
    """
    if data[4:8] != b"TFL3":
        raise ModelError("not a TFLite model: the file identifier TFL3 is missing")
    model = Table.root(data)
    if (version := model.integer(0, form="<I")) != SCHEMA_VERSION:
        raise ModelError(f"expected a model of schema version {SCHEMA_VERSION}, found {version}")
    subgraphs = model.tables(2, limit=MAX_ITEMS)
    if len(subgraphs) != 1:
        raise ModelError(f"expected a model with 1 subgraph, found {len(subgraphs)}; convert it without control flow")
    return _Reader(model, subgraphs[0], engine).graph()


class _Reader:
    def __init__(self, model: Table, subgraph: Table, engine: Engine) -> None:
        self._subgraph, self._engine = subgraph, engine
        self._dtypes = {**DTYPES, FLOAT32: np.dtype("<f4")} if engine.floats else DTYPES
        self._codes = model.tables(1, limit=MAX_ITEMS)
        self._buffers = model.tables(4, limit=MAX_ITEMS)
        self._tensors = subgraph.tables(0, limit=MAX_ITEMS)
        self._read: dict[int, Tensor] = {}

    def graph(self) -> Graph:
        tables = self._subgraph.tables(3, limit=MAX_ITEMS)
        operators = tuple(self._operator(number, table) for number, table in enumerate(tables))
        inputs, outputs = (
            tuple(self._tensor(int(index), "the model") for index in self._subgraph.array(field, "<i4"))
            for field in (1, 2)
        )
        graph = Graph(operators, self._read, inputs, outputs)
        _check_order(graph)
        return graph

    def _operator(self, number: int, table: Table) -> Operator:
        code = _item(self._codes, table.integer(0, form="<I"), "operator code")
        # Codes above 127 are in the newer field only, which old files lack.
        name = operator_name(max(code.integer(3), code.byte(0)))
        version, place = code.integer(2, 1), f"operator {number} ({name})"
        # First of all: the tensors of an operator that is not known may be of any type.
        engine = self._engine
        if (support := engine.supported.get(name)) is None:
            replacement = REPLACEMENTS.get(name, "what can be made of them")
            raise ModelError(
                f"{place}: not among the operators of {engine.name} ({', '.join(engine.supported)}); use "
                f"{replacement} instead, or {engine.otherwise}"
            )
        if not 1 <= version <= support.version:
            raise ModelError(
                f"{place}: expected version 1 to {support.version}, found {version}; convert it for an older runtime"
            )
        inputs = [int(index) for index in table.array(1, "<i4")]
        outputs = table.array(2, "<i4").tolist()
        required = support.required
        counts = 1 <= len(outputs) <= support.outputs and required <= len(inputs) <= support.inputs
        if not counts or -1 in inputs[:required]:
            most = f"1 to {support.outputs} outputs" if support.outputs > 1 else "1 output"
            raise ModelError(
                f"{place}: expected {required} to {support.inputs} inputs and {most}, found the inputs {inputs[:16]} "
                f"and {len(outputs)} outputs"
            )
        tensors = tuple(None if index == -1 else self._tensor(index, place) for index in inputs)
        written = tuple(self._tensor(index, place) for index in outputs)
        return Operator(name, version, place, tensors, written, table.table(4))

    def _tensor(self, index: int, place: str) -> Tensor:
        if index not in self._read:
            self._read[index] = self._new_tensor(index, place)
        return self._read[index]

    def _new_tensor(self, index: int, place: str) -> Tensor:
        table = _item(self._tensors, index, "tensor")
        name = table.text(3)
        place = f'{place}: tensor "{name}"'
        dtype = self._dtypes.get(code := table.byte(1))
        if dtype is None:
            raise ModelError(
                f"{place}: expected int8 or int32, found {_type_name(code)}; {self._engine.name} run "
                f"models that are int8 throughout: quantize activations, inputs and outputs too, or "
                f"{self._engine.otherwise}"
            )
        if table.byte(5) or table.has(6):
            raise ModelError(f"{place}: expected a plain tensor, found a variable or a sparse one")
        shape, dynamic = _shape(table, place)
        buffer = _item(self._buffers, table.integer(2, form="<I"), "buffer")
        content = buffer.array(0, "<u1")
        constant = None
        if len(content):
            if dynamic or len(content) != math.prod(shape) * dtype.itemsize:
                raise ModelError(f"{place}: {len(content):,} bytes do not fit the shape {shape}")
            constant = content.view(dtype).reshape(shape).copy()
        elif buffer.integer(1, form="<Q") > 1:
            raise ModelError(f"{place}: its content lies outside the model; a model of at most 2 GB holds it itself")
        scales, zero_point, axis = _quantization(table, shape, dtype, place)
        return Tensor(index, name, shape, dynamic, dtype, scales, zero_point, axis, constant)


def _shape(table: Table, place: str) -> tuple[tuple[int, ...], bool]:
    """A tensor's shape, and whether its first dimension may be any number."""
    shape = tuple(table.array(0, "<i4").tolist())
    signature = tuple(table.array(7, "<i4").tolist()) or shape
    if len(shape) > MAX_DIMENSIONS or any(size < 1 for size in shape) or math.prod(shape) > MAX_ELEMENTS:
        raise ModelError(f"{place}: shape {shape} is not possible")
    if len(signature) != len(shape) or signature[1:] != shape[1:] or signature[:1] not in (shape[:1], (-1,)):
        raise ModelError(f"{place}: expected the batch alone to be open, found {signature}; convert with fixed shapes")
    return shape, signature != shape


def _quantization(
    table: Table, shape: tuple[int, ...], dtype: np.dtype[Any], place: str
) -> tuple[npt.NDArray[np.float32], int, int]:
    """Scales, zero point and axis of a tensor; int8 tensors must have them."""
    found = table.table(4)
    if dtype != np.int8 or found is None:
        if dtype == np.int8:
            raise ModelError(f"{place}: expected a scale and a zero point, found none")
        return np.empty(0, np.float32), 0, 0
    scales, zeros = found.array(2, "<f4").astype(np.float32), found.array(3, "<i8")
    axis = found.integer(6)
    if len(scales) > 1 and not (0 <= axis < len(shape) and shape[axis] == len(scales)):
        raise ModelError(f"{place}: {len(scales)} scales along axis {axis} do not fit the shape {shape}")
    if len(scales) == 0 or not ((scales >= SMALLEST_SCALE) & (scales <= LARGEST_SCALE)).all():
        raise ModelError(f"{place}: expected scales of {SMALLEST_SCALE:g} to {LARGEST_SCALE:g}, found {scales[:4]}")
    zero_point = int(zeros[0]) if len(zeros) else 0
    if not -128 <= zero_point <= 127 or (zeros != zero_point).any():
        raise ModelError(f"{place}: expected one zero point of -128 to 127, found {zeros[:4]}")
    return scales, zero_point, axis


def _type_name(code: int) -> str:
    return TYPE_NAMES[code] if 0 <= code < len(TYPE_NAMES) else f"type {code}"


def _item(items: list[Table], index: int, what: str) -> Table:
    if not 0 <= index < len(items):
        raise ModelError(f"the model is damaged: {what} {index} of {len(items)}")
    return items[index]


def _check_order(graph: Graph) -> None:
    """Every tensor is written once, and before it is read."""
    written = {tensor.index for tensor in graph.inputs}
    if any(tensor.data is not None for tensor in graph.inputs):
        raise ModelError("the model is damaged: an input is a constant")
    for operator in graph.operators:
        for tensor in operator.inputs:
            if tensor is not None and tensor.data is None and tensor.index not in written:
                raise operator.error(f'tensor "{tensor.name}" is read before it is computed')
        for tensor in operator.outputs:
            if tensor.data is not None or tensor.index in written:
                raise operator.error(f'tensor "{tensor.name}" is written twice')
            written.add(tensor.index)
    for tensor in graph.outputs:
        if tensor.index not in written:
            raise ModelError(f'the model is damaged: nothing computes the output "{tensor.name}"')
