"""STRIDED_SLICE: ``tensorflow/lite/kernels/strided_slice.cc`` and ``kernels/internal/strided_slice_logic.h``."""

from __future__ import annotations

import numpy as np

from vedette.firmware_bridge.operators.base import Code, OperatorKind, Step
from vedette.firmware_bridge.operators.movement import Block, check_moved, copies, numbers, steps_of
from vedette.runtime.inference.reference import shapes
from vedette.runtime.inference.reference.graph import Array, Kernel, Operator, Support
from vedette.runtime.inference.reference.rounding import Family
from vedette.runtime.inference.reference.shapes import (
    BEGIN_MASK,
    ELLIPSIS_MASK,
    END_MASK,
    NEW_AXIS_MASK,
    OFFSET,
    SHRINK_MASK,
)


def reference(operator: Operator, family: Family) -> Kernel:
    """Of int8 a range of each axis, or one place on it; of int32, which is shapes, what the gateway computes."""
    if operator.output.dtype == np.int32:
        return shapes.strided_slice(operator, family)
    check_moved(operator, operator.int8_input())
    if operator.option(ELLIPSIS_MASK) or operator.option(NEW_AXIS_MASK) or operator.small_option(OFFSET):
        raise operator.error("expected a slice without an ellipsis, new axes and offsets; use EXPAND_DIMS or RESHAPE")

    def run(given: Array, *ranges: Array | None) -> Array:
        picked = _ranges(operator, ranges, given.shape)
        kept = [slice(part.start, part.stop if part.stop >= 0 else None, part.step) for part in picked]
        shape = [len(part) for axis, part in enumerate(picked) if not _has(operator, SHRINK_MASK, axis)]
        return np.ascontiguousarray(given[tuple(kept)]).reshape(shape)

    return run


def emit(step: Step, _: Family) -> Code:
    """One copy."""
    given = step.input
    ranges = tuple(None if value is None else value.data for value in step.inputs[1:])
    picked = _ranges(step.operator, ranges, given.shape)
    steps = steps_of(given.shape)
    sizes = tuple(len(part) for part in picked)
    start = sum(part.start * size for part, size in zip(picked, steps, strict=True))
    moved = tuple(part.step * size for part, size in zip(picked, steps, strict=True))
    return copies([("$in0", "$out0", Block(sizes, moved, steps_of(sizes), in_start=start))])


def _ranges(operator: Operator, ranges: tuple[Array | None, ...], shape: tuple[int, ...]) -> list[range]:
    """The places along each axis, none of them empty."""
    begins, ends, steps = (numbers(operator, part, "begins, ends and steps") for part in ranges)
    if not len(begins) == len(ends) == len(steps) <= len(shape) or 0 in steps:
        raise operator.error(f"begins {begins[:8]}, ends {ends[:8]} and steps {steps[:8]} do not fit the shape {shape}")
    found = []
    for axis, size in enumerate(shape):
        if axis >= len(begins):
            found.append(range(size))
            continue
        begin, end, step = begins[axis], ends[axis], steps[axis]
        if _has(operator, SHRINK_MASK, axis):
            if not -size <= begin < size or step < 1 or _has(operator, BEGIN_MASK, axis):
                raise operator.error(f"place {begin} of axis {axis} of the shape {shape}, step {step}, is not possible")
            found.append(range(begin % size, begin % size + 1))
            continue
        first = None if _has(operator, BEGIN_MASK, axis) else begin
        last = None if _has(operator, END_MASK, axis) else end
        places = range(*slice(first, last, step).indices(size))
        if not places:
            raise operator.error(f"nothing is left of axis {axis} of the shape {shape}")
        found.append(places)
    return found


def _has(operator: Operator, mask: int, axis: int) -> bool:
    return bool(operator.option(mask) >> axis & 1)


STRIDED_SLICE = OperatorKind(Support(version=8, required=4, inputs=4), reference, emit)
