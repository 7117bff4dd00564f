"""SPLIT: ``tensorflow/lite/kernels/split.cc``."""

from __future__ import annotations

from typing import Any

import numpy as np

from vedette.firmware_bridge.operators.base import Code, OperatorKind, Step
from vedette.firmware_bridge.operators.movement import (
    Block,
    axis_of,
    check_moved,
    copies,
    numbers,
    steps_of,
)
from vedette.runtime.inference.reference.graph import Array, Kernel, Operator, Support
from vedette.runtime.inference.reference.rounding import Family

# Field of SplitOptions.
PARTS = 0
MOST = 1024


def reference(operator: Operator, _: Family) -> Kernel:
    """Equal parts along one axis, which is the first input."""
    check_moved(operator, operator.int8_input(1))
    parts = len(operator.outputs)
    if operator.option(PARTS) != parts:
        raise operator.error(f"expected as many outputs as parts, found {parts} and {operator.option(PARTS)}")

    def run(axis: Array | None, given: Array) -> Any:
        along = _axis(operator, axis, given.ndim)
        if given.shape[along] % parts:
            raise operator.error(f"axis {along} of shape {given.shape} cannot be split into {parts} equal parts")
        return tuple(np.split(given, parts, axis=along))

    return run


def emit(step: Step, _: Family) -> Code:
    """A copy for each output."""
    axis, given = step.inputs
    assert axis is not None
    assert given is not None
    steps = steps_of(given.shape)
    along = _axis(step.operator, axis.data, len(given.shape))
    return copies(
        [
            (
                "$in1",
                f"$out{number}",
                Block(made.shape, steps, steps_of(made.shape), in_start=number * made.shape[along] * steps[along]),
            )
            for number, made in enumerate(step.outputs)
        ]
    )


def _axis(operator: Operator, axis: Array | None, dimensions: int) -> int:
    found = numbers(operator, axis, "the axis")
    if len(found) != 1:
        raise operator.error(f"expected one axis, found {len(found)}")
    return axis_of(operator, found[0], dimensions)


SPLIT = OperatorKind(Support(version=4, required=2, inputs=2, outputs=MOST), reference, emit)
