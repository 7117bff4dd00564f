"""What a model comes to on a microcontroller: its operators with all shapes fixed, and where every tensor lies."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from vedette.errors import ModelError
from vedette.firmware_bridge.arena import Arena, Block, place
from vedette.firmware_bridge.operators import ENGINE, OPERATORS
from vedette.firmware_bridge.operators.base import Code, Step, Value
from vedette.runtime.inference.reference import graph as graphs
from vedette.runtime.inference.reference.graph import Array, Graph
from vedette.runtime.inference.reference.rounding import Family

FAMILIES: tuple[Family, ...] = ("D", "S")


@dataclass(frozen=True)
class PlannedStep:
    """A step with its C and where its scratch memory lies, in bytes from the start of the arena."""

    step: Step
    code: Code
    scratch: int | None

    @property
    def constants_bytes(self) -> int:
        """Bytes of its constants."""
        return sum(constant.values.nbytes for constant in self.code.constants)


@dataclass(frozen=True)
class Plan:
    """A model ready to be written as C.

    ``homes`` says, by tensor index, what memory an activation is in: ``"input"``, ``"output"``, or its offset in the
    arena.
    """

    family: Family
    input: Value
    output: Value
    steps: tuple[PlannedStep, ...]
    homes: dict[int, str | int]
    arena: Arena

    @property
    def weights_bytes(self) -> int:
        """Bytes of all constants."""
        return sum(planned.constants_bytes for planned in self.steps)


class FirmwareModel:
    """An int8 model, run by the NumPy references that its C has to equal."""

    def __init__(self, data: bytes, family: Family) -> None:
        """Raises :class:`ModelError` for bytes that are no such model, or that contain what the C does not compute."""
        if family not in FAMILIES:
            raise ModelError(
                f"rounding family {family}: firmware computes in D (TFLite Micro, CMSIS-NN) or S (XNNPACK); choose a "
                "microcontroller board"
            )
        self.family: Family = family
        self.graph = graph = graphs.read(data, ENGINE)
        if len(graph.inputs) != 1 or len(graph.outputs) != 1:
            raise ModelError(
                f"expected a model with 1 input and 1 output, found {len(graph.inputs)} and {len(graph.outputs)}"
            )
        for tensor in graph.tensors.values():
            if tensor.data is None and len(tensor.scales) > 1:
                raise ModelError(f'tensor "{tensor.name}": expected one scale, found {len(tensor.scales)}')
        for tensor in (graph.inputs[0], graph.outputs[0]):
            if not tensor.shape or tensor.shape[0] != 1:
                raise ModelError(f'tensor "{tensor.name}": expected a batch of 1, found the shape {tensor.shape}')
            if tensor.dtype == np.int32:
                raise ModelError(f'tensor "{tensor.name}": expected int8 or float32, found int32')
        self._kernels = [OPERATORS[operator.name].reference(operator, family) for operator in graph.operators]

    def run(self, window: Array) -> Array:
        """The output for one input of the model's input shape."""
        return self.values(window)[self.graph.outputs[0].index]

    def values(self, window: Array) -> dict[int, Array]:
        """All tensors by index, for one input."""
        values: dict[int, Any] = {index: tensor.data for index, tensor in self.graph.tensors.items()}
        values[self.graph.inputs[0].index] = window
        for kernel, operator in zip(self._kernels, self.graph.operators, strict=True):
            found: Any = kernel(*[None if tensor is None else values[tensor.index] for tensor in operator.inputs])
            for tensor, value in zip(operator.outputs, found if isinstance(found, tuple) else (found,), strict=True):
                values[tensor.index] = value
        return values

    @property
    def zeros(self) -> Array:
        """An input."""
        tensor = self.graph.inputs[0]
        return np.zeros(tensor.shape, tensor.dtype)


def make_plan(model: FirmwareModel) -> Plan:
    """Fix all shapes, write the C of every operator, and place what lives at the same time side by side."""
    graph, shapes = model.graph, model.values(model.zeros)
    # What follows from shapes alone (int32 tensors) is the same for every window: a constant.
    fixed = {index: shapes[index] for index, tensor in graph.tensors.items() if tensor.dtype == np.int32}
    values = {
        index: Value(tensor, tuple(shapes[index].shape), fixed.get(index, tensor.data))
        for index, tensor in graph.tensors.items()
    }
    steps: list[Step] = []
    for operator in graph.operators:
        if all(tensor.index in fixed for tensor in operator.outputs):
            continue
        inputs = tuple(None if tensor is None else values[tensor.index] for tensor in operator.inputs)
        steps.append(Step(len(steps), operator, inputs, tuple(values[tensor.index] for tensor in operator.outputs)))
    return _placed(model, graph, values, steps)


def _placed(model: FirmwareModel, graph: Graph, values: dict[int, Value], steps: list[Step]) -> Plan:
    codes = [_emit(step, model.family) for step in steps]
    same = _same_bytes(steps, graph.inputs[0].index, graph.outputs[0].index)
    owner = {index: _root(index, same) for index in values}
    first, last = graph.inputs[0].index, graph.outputs[0].index
    if owner[last] == owner[first]:
        raise ModelError("the model's output is its input; there is nothing to compute")
    blocks: dict[int, Block] = {}
    for number, (step, code) in enumerate(zip(steps, codes, strict=True)):
        for value in (*step.inputs, *step.outputs):
            if value is None or value.data is not None:
                continue
            index = owner[value.tensor.index]
            if index in (owner[first], owner[last]):
                continue
            name = values[index].tensor.name
            known = blocks.get(index, Block(name, values[index].bytes, number, number))
            blocks[index] = Block(known.name, max(known.size, value.bytes), known.begin, number)
        if code.scratch_bytes:
            blocks[-1 - number] = Block(f"scratch of {step.operator.place}", code.scratch_bytes, number, number)
    arena = place(list(blocks.values()))
    offsets = dict(zip(blocks, arena.offsets, strict=True))
    homes: dict[int, str | int] = {}
    for index, value in values.items():
        if value.data is None and owner[index] in (owner[first], owner[last], *offsets):
            root = owner[index]
            homes[index] = "input" if root == owner[first] else "output" if root == owner[last] else offsets[root]
    planned = tuple(
        PlannedStep(step, code, offsets.get(-1 - number))
        for number, (step, code) in enumerate(zip(steps, codes, strict=True))
        if OPERATORS[step.operator.name].emit
    )
    return Plan(model.family, values[first], values[last], planned, homes, arena)


def _emit(step: Step, family: Family) -> Code:
    emit = OPERATORS[step.operator.name].emit
    return emit(step, family) if emit else Code("")


def _same_bytes(steps: list[Step], first: int, last: int) -> dict[int, int]:
    """Tensor -> the tensor whose memory it is: outputs that are their input's bytes, or are written over them.

    An input may be written over by its last reader, unless it is the model's own, which the caller keeps.
    """
    same = {
        step.output.tensor.index: step.input.tensor.index
        for step in steps
        if OPERATORS[step.operator.name].emit is None
    }
    last_use: dict[int, float] = {}
    for step in steps:
        for value in step.inputs:
            if value is not None:
                last_use[_root(value.tensor.index, same)] = step.number
    last_use[_root(last, same)] = math.inf
    for step in steps:
        given, made = step.input, step.output
        root = _root(given.tensor.index, same)
        over = OPERATORS[step.operator.name].in_place and given.data is None and made.bytes == given.bytes
        if (
            over
            and last_use[root] == step.number
            and root != first
            and _root(made.tensor.index, same) != _root(last, same)
        ):
            use = last_use.get(made.tensor.index, step.number)
            same[made.tensor.index] = root
            last_use[root] = use
    return same


def _root(index: int, same: dict[int, int]) -> int:
    while index in same:
        index = same[index]
    return index
