"""MUL.

D: ``tensorflow/lite/kernels/internal/reference/integer_ops/mul.h``, with the multiplier of ``kernels/mul.cc``, which is
computed in float32. S: XNNPACK's ``qs8-vmul/*-minmax-fp32-*.c``; it takes multipliers from 2^-16 to 2^8.
"""

from __future__ import annotations

import numpy as np

from vedette.firmware_bridge.operators.base import Code, OperatorKind, Step
from vedette.firmware_bridge.operators.binary import ACTIVATION, broadcast, broadcast_code, operands
from vedette.firmware_bridge.operators.requantize import KERNELS
from vedette.firmware_bridge.writer.literals import number
from vedette.runtime.inference.reference.graph import Array, Kernel, Operator, Support
from vedette.runtime.inference.reference.rounding import (
    MULTIPLIER_LIMIT,
    Family,
    activation_bounds,
    fixed_point,
    requantizer,
)

SMALLEST = 2.0**-16


def multiplier(operator: Operator, family: Family) -> np.float32:
    """The scales' product over the output's. Raises :class:`ModelError` where kernels of the family take no such."""
    a, b = operands(operator)
    real = a.scale * b.scale / operator.output.scale
    smallest = SMALLEST if family == "S" else 0.0
    if not smallest <= real < MULTIPLIER_LIMIT:
        raise operator.error(
            f"its scales multiply products by {real:g}; kernels take {smallest:g} to {MULTIPLIER_LIMIT:g}"
        )
    return real


def reference(operator: Operator, family: Family) -> Kernel:
    """Both inputs, broadcast, less their zero points."""
    (a, b), made = operands(operator), operator.output
    real = np.array([multiplier(operator, family)], np.float64)
    bounds = activation_bounds(operator.small_option(ACTIVATION), made.scale, made.zero_point, family=family)
    requantize = requantizer(real, made.zero_point, bounds, family=family)

    def run(first: Array, second: Array) -> Array:
        x, y = (part.astype(np.int64) for part in broadcast(operator, first, second))
        return requantize((x - a.zero_point) * (y - b.zero_point))

    return run


def emit(step: Step, family: Family) -> Code:
    """A call for each row of what is broadcast."""
    operator, made = step.operator, step.output
    a, b = operands(operator)
    real = multiplier(operator, family)
    low, high = activation_bounds(operator.small_option(ACTIVATION), made.scale, made.zero_point, family=family)
    scaling = number(real, real.dtype) if family == "S" else ", ".join(map(str, fixed_point(float(real))))
    arguments = f"{a.zero_point}, {b.zero_point}, {scaling}, {made.zero_point}, {low}, {high}"
    return broadcast_code(step, "mul", arguments, ("clamp", KERNELS[family], f"mul_{family.lower()}"))


MUL = OperatorKind(Support(version=2, required=2, inputs=2), reference, emit, in_place=True)
