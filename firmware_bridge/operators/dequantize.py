"""DEQUANTIZE: int8 to float32.

``Dequantize`` in ``tensorflow/lite/kernels/internal/reference/dequantize.h`` multiplies in float64 and rounds to
float32, XNNPACK's ``qs8-f32-vcvt`` in float32. A factor of nine bits makes both the same: one rounding.
"""

from __future__ import annotations

import numpy as np

from vedette.firmware_bridge.operators.base import Code, OperatorKind, Step
from vedette.firmware_bridge.writer.literals import number
from vedette.runtime.inference.reference.graph import Array, Kernel, Operator, Support
from vedette.runtime.inference.reference.rounding import Family


def reference(operator: Operator, _: Family) -> Kernel:
    """The input's shape."""
    given = operator.int8_input()
    if operator.output.dtype != np.float32:
        raise operator.error(f"expected a float32 output, found {operator.output.dtype.name}")

    def run(x: Array) -> Array:
        found: Array = (x.astype(np.int32) - given.zero_point).astype(np.float32) * given.scale
        return found

    return run


def emit(step: Step, _: Family) -> Code:
    """One call for all elements."""
    given = step.input
    scale = number(given.scale, np.dtype(np.float32))
    return Code(f"dequantize($in0, $out0, {given.size}, {scale}, {given.zero_point});", kernels=("dequantize",))


DEQUANTIZE = OperatorKind(Support(version=6, required=1, inputs=1), reference, emit)
