"""A model ready to run: its operators as functions, and what follows from the batch size worked out in advance."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from vedette.errors import ModelError
from vedette.runtime.inference.reference import graph as graphs
from vedette.runtime.inference.reference.conv_2d import conv_2d
from vedette.runtime.inference.reference.fully_connected import fully_connected
from vedette.runtime.inference.reference.graph import MAX_ELEMENTS, Array, Engine, Kernel, Operator, Support
from vedette.runtime.inference.reference.reshape import reshape
from vedette.runtime.inference.reference.rounding import Family
from vedette.runtime.inference.reference.shapes import pack, shape, strided_slice

# Operator -> its module's function, which makes the kernel of one operator of a model.
KERNELS: dict[str, Callable[[Operator, Family], Kernel]] = {
    "CONV_2D": conv_2d,
    "FULLY_CONNECTED": fully_connected,
    "PACK": pack,
    "RESHAPE": reshape,
    "SHAPE": shape,
    "STRIDED_SLICE": strided_slice,
}
# The newest version of each that changes nothing for int8 (``tools/versioning/op_version.cc``), and its inputs.
SUPPORTED = {
    "CONV_2D": Support(version=8, required=3, inputs=3),
    "FULLY_CONNECTED": Support(version=12, required=2, inputs=3),
    "PACK": Support(version=4, required=1, inputs=8),
    "RESHAPE": Support(version=1, required=1, inputs=2),
    "SHAPE": Support(version=1, required=1, inputs=1),
    "STRIDED_SLICE": Support(version=8, required=4, inputs=4),
}
ENGINE = Engine(SUPPORTED, name="the NumPy kernels", otherwise="run the model with ai-edge-litert")


class Program:
    """An int8 model with one input and one output, run in a rounding family."""

    def __init__(self, data: bytes, family: Family) -> None:
        """Raises :class:`ModelError` for bytes that are no such model, or that contain what is not computed here."""
        graph = graphs.read(data, ENGINE)
        if len(graph.inputs) != 1 or len(graph.outputs) != 1:
            raise ModelError(
                f"expected a model with 1 input and 1 output, found {len(graph.inputs)} and {len(graph.outputs)}"
            )
        self.input, self.output = graph.inputs[0], graph.outputs[0]
        for tensor in (self.input, self.output):
            if tensor.dtype != np.int8 or len(tensor.scales) != 1 or not tensor.shape:
                raise ModelError(f'tensor "{tensor.name}": expected int8 with one scale, found {tensor.dtype.name}')
        for tensor in graph.tensors.values():
            if tensor.data is None and len(tensor.scales) > 1:
                raise ModelError(f'tensor "{tensor.name}": expected one scale, found {len(tensor.scales)}')
        self._operators = [(KERNELS[operator.name](operator, family), operator) for operator in graph.operators]
        # Tensors by place, not by index: of a damaged model an index may be anything. Absent inputs are at the end.
        self._places: dict[int | None, int] = {index: place for place, index in enumerate(graph.tensors)}
        self._places[None] = len(self._places)
        self._constants: list[Any] = [*(tensor.data for tensor in graph.tensors.values()), None]
        self._input_place, self._output_place = self._places[self.input.index], self._places[self.output.index]
        self.resize(self.input.shape[0])

    def resize(self, batch: int) -> None:
        """Make the next inputs ``(batch, ...)``. Raises :class:`ModelError` where the batch is fixed, or too large."""
        first, *rest = self.input.shape
        if batch != first and not self.input.dynamic:
            raise ModelError(f"the model's batch is fixed to {first}")
        if batch < 1 or batch * math.prod(rest) > MAX_ELEMENTS:
            raise ModelError(f"a batch of {batch:,} is not possible")
        values, fixed, steps = self._constants.copy(), self._constants.copy(), []
        values[self._input_place] = np.zeros((batch, *rest), np.int8)
        for kernel, operator in self._operators:
            inputs = [self._places[tensor.index if tensor else None] for tensor in operator.inputs]
            place = self._places[operator.output.index]
            values[place] = kernel(*[values[source] for source in inputs])
            if operator.output.dtype == np.int8:
                steps.append((kernel, inputs, place))
            else:  # int32 follows from shapes, so that what came of zeros stands for every input
                fixed[place] = values[place]
        self._steps: list[tuple[Kernel, list[int], int]] = steps
        self._fixed = fixed
        self.input_shape: tuple[int, ...] = (batch, *rest)
        self.output_shape: tuple[int, ...] = values[self._output_place].shape

    def run(self, batch: Array) -> Array:
        """The outputs of int8 inputs of :attr:`input_shape`, a copy."""
        if batch.shape != self.input_shape or batch.dtype != np.int8:
            raise ModelError(f"expected int8 inputs {self.input_shape}, found {batch.dtype.name} {batch.shape}")
        values = self._fixed.copy()
        values[self._input_place] = batch
        for kernel, inputs, place in self._steps:
            values[place] = kernel(*[values[source] for source in inputs])
        output: Array = values[self._output_place]
        return output.copy()
