"""TRANSPOSE: ``tensorflow/lite/kernels/transpose.cc``."""

from __future__ import annotations

import numpy as np

from vedette.firmware_bridge.operators.base import Code, OperatorKind, Step
from vedette.firmware_bridge.operators.movement import Block, check_moved, copies, numbers, steps_of
from vedette.runtime.inference.reference.graph import Array, Kernel, Operator, Support
from vedette.runtime.inference.reference.rounding import Family


def reference(operator: Operator, _: Family) -> Kernel:
    """Axis ``i`` of the output is axis ``order[i]`` of the input."""
    check_moved(operator, operator.int8_input())
    return lambda given, order: np.ascontiguousarray(given.transpose(_axes(operator, order, given.ndim)))


def emit(step: Step, _: Family) -> Code:
    """One copy."""
    given, made = step.input, step.output
    order = step.inputs[1]
    assert order is not None
    steps = steps_of(given.shape)
    moved = tuple(steps[axis] for axis in _axes(step.operator, order.data, len(steps)))
    return copies([("$in0", "$out0", Block(made.shape, moved, steps_of(made.shape)))])


def _axes(operator: Operator, order: Array | None, dimensions: int) -> list[int]:
    axes = [axis + dimensions if axis < 0 else axis for axis in numbers(operator, order, "the order of axes")]
    if sorted(axes) != list(range(dimensions)):
        raise operator.error(f"expected an order of {dimensions} axes, found {axes[:16]}")
    return axes


TRANSPOSE = OperatorKind(Support(version=5, required=2, inputs=2), reference, emit)
