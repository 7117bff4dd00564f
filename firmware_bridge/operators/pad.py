"""PAD, which fills with the real number zero, and PADV2, with its third input: ``tensorflow/lite/kernels/pad.cc``."""

from __future__ import annotations

import numpy as np

from vedette.firmware_bridge.operators.base import Code, OperatorKind, Step, Value
from vedette.firmware_bridge.operators.movement import (
    Block,
    check_moved,
    check_size,
    copies,
    numbers,
    steps_of,
)
from vedette.runtime.inference.reference.graph import Array, Kernel, Operator, Support
from vedette.runtime.inference.reference.rounding import Family


def reference(operator: Operator, _: Family) -> Kernel:
    """With so many elements before and after along each axis."""
    given = operator.int8_input()
    check_moved(operator, given)
    filling = _filling(operator)

    def run(x: Array, paddings: Array | None, *_: Array | None) -> Array:
        widths = _widths(operator, paddings, x.ndim)
        check_size(operator, [size + sum(width) for size, width in zip(x.shape, widths, strict=True)])
        return np.pad(x, widths, constant_values=filling)

    return run


def emit(step: Step, _: Family) -> Code:
    """Fill all, then copy the input into it."""
    given, made = step.input, step.output
    paddings = step.inputs[1]
    assert isinstance(paddings, Value)
    widths = _widths(step.operator, paddings.data, len(given.shape))
    steps = steps_of(made.shape)
    start = sum(before * size for (before, _), size in zip(widths, steps, strict=True))
    code = copies([("$in0", "$out0", Block(given.shape, steps_of(given.shape), steps, out_start=start))])
    if made.size == given.size:
        return code
    call = f"fill($out0, {made.size}, {_filling(step.operator)});\n{code.call}"
    return Code(call, code.constants, ("fill", *code.kernels))


def _filling(operator: Operator) -> np.int8:
    if operator.name == "PAD":
        return np.int8(operator.output.zero_point)
    value = operator.constant(2, np.int8)
    if value is None or value.data is None or value.data.size != 1:
        raise operator.error("expected one constant to pad with")
    check_moved(operator, value)
    return np.int8(value.data.reshape(-1)[0])


def _widths(operator: Operator, paddings: Array | None, dimensions: int) -> list[tuple[int, int]]:
    if paddings is None or paddings.dtype != np.int32 or paddings.shape != (dimensions, 2):
        raise operator.error(f"expected int32 paddings of shape ({dimensions}, 2)")
    if (paddings < 0).any():
        raise operator.error("expected paddings of at least 0")
    flat = numbers(operator, paddings.reshape(-1), "paddings")
    return list(zip(flat[::2], flat[1::2], strict=True))


PAD = OperatorKind(Support(version=4, required=2, inputs=2), reference, emit)
PADV2 = OperatorKind(Support(version=4, required=3, inputs=3), reference, emit)
