"""CONCATENATION: ``tensorflow/lite/kernels/concatenation.cc``, which takes int8 of one scale only."""

from __future__ import annotations

import numpy as np

from vedette.firmware_bridge.operators.base import Code, Constant, OperatorKind, Step
from vedette.firmware_bridge.operators.movement import Block, axis_of, check_moved, check_size, copies, steps_of
from vedette.runtime.inference.reference.graph import Array, Kernel, Operator, Support
from vedette.runtime.inference.reference.rounding import Family

# Fields of ConcatenationOptions.
AXIS, ACTIVATION = 0, 1
MOST = 1024


def reference(operator: Operator, _: Family) -> Kernel:
    """Inputs, also constant ones, side by side along one axis."""
    for tensor in operator.inputs:
        if tensor is None or tensor.dtype != np.int8 or len(tensor.scales) != 1:
            raise operator.error("expected int8 inputs with one scale each")
        check_moved(operator, tensor)
    if all(tensor is not None and tensor.data is not None for tensor in operator.inputs):
        raise operator.error("expected an input that is no constant")
    if operator.small_option(ACTIVATION) != 0:
        raise operator.error("expected no fused activation")
    axis = operator.option(AXIS)

    def run(*parts: Array) -> Array:
        along = axis_of(operator, axis, parts[0].ndim)
        total = sum(part.shape[along] for part in parts if part.ndim == parts[0].ndim)
        shape = (*parts[0].shape[:along], total, *parts[0].shape[along + 1 :])
        for part in parts:
            if part.ndim != len(shape) or (*part.shape[:along], total, *part.shape[along + 1 :]) != shape:
                raise operator.error(f"shapes {[part.shape for part in parts][:16]} do not fit along axis {axis}")
        check_size(operator, shape)
        return np.concatenate(parts, axis=along)

    return run


def emit(step: Step, _: Family) -> Code:
    """A copy for each input."""
    made = step.output
    axis = axis_of(step.operator, step.operator.option(AXIS), len(made.shape))
    blocks, constants, begin = [], [], 0
    for number, value in enumerate(step.inputs):
        assert value is not None
        start = begin * steps_of(made.shape)[axis]
        block = Block(value.shape, steps_of(value.shape), steps_of(made.shape), out_start=start)
        blocks.append((f"$in{number}", "$out0", block))
        begin += value.shape[axis]
        if value.data is not None:
            constants.append(Constant(f"in{number}", value.data, "a part that is the same for every input"))
    code = copies(blocks)
    return Code(code.call, (*constants, *code.constants), code.kernels)


CONCATENATION = OperatorKind(Support(version=4, required=1, inputs=MOST), reference, emit)
