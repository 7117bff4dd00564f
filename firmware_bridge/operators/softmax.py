"""SOFTMAX over the last axis.

D: ``Softmax`` in ``tensorflow/lite/kernels/internal/reference/softmax.h``, with the exponentials of gemmlowp's
``fixedpoint.h`` in a table. S: XNNPACK has no softmax of int8, so that ai-edge-litert runs ``Softmax`` of
``kernels/internal/optimized/optimized_ops.h``: float32, exponentials from a table.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from vedette.firmware_bridge.operators.base import Code, Constant, OperatorKind, Step
from vedette.firmware_bridge.operators.gemmlowp import exponential, reciprocal, rounding_high, rounding_shift
from vedette.firmware_bridge.operators.lookup import require_int8_output
from vedette.firmware_bridge.operators.real_functions import require_quantization
from vedette.firmware_bridge.writer.literals import number
from vedette.runtime.inference.reference.graph import Array, Kernel, Operator, Support
from vedette.runtime.inference.reference.rounding import Family, fixed_point

# Differences to a row's largest element ``(rows, depth)``, 0 to 255, to steps of the output above its zero point.
Rows = Callable[[Array], Array]
# Field of SoftmaxOptions.
BETA = 0
# Integer bits of differences, and of the sum of exponentials.
DIFFERENCE_BITS, SUM_BITS = 5, 12
# Elements of a row in D: the kernel aborts where 512 are equal.
LARGEST = 511


def reference(operator: Operator, family: Family) -> Kernel:
    """Rows along the last axis."""
    operator.int8_input()
    require_int8_output(operator)
    require_quantization(operator, 2.0**-8, -128)
    rows = _rows_s(operator) if family == "S" else _rows_d(operator)

    def run(given: Array) -> Array:
        if not given.ndim or (family == "D" and given.shape[-1] > LARGEST):
            raise operator.error(f"expected rows of 1 to {LARGEST:,} elements, found the shape {given.shape}")
        below = given.max(axis=-1, keepdims=True).astype(np.int64) - given
        found: Array = np.clip(rows(below.reshape(-1, given.shape[-1])) - 128, -128, 127).astype(np.int8)
        return found.reshape(given.shape)

    return run


def _beta(operator: Operator) -> np.float32:
    options = operator.options
    bits = options.integer(BETA) if options else 0
    beta: np.float32 = np.array([bits], np.int32).view(np.float32)[0]
    if not 2.0**-10 <= beta <= 2.0**10:
        raise operator.error(f"expected a beta of about 1, found {beta:g}")
    return beta


def _table_d(operator: Operator) -> npt.NDArray[np.int32]:
    """The exponentials of the differences 0, -1 and so on, as far as they count."""
    integer_bits = 31 - DIFFERENCE_BITS
    real = min(float(_beta(operator)) * float(operator.int8_input().scale) * 2.0**integer_bits, 2.0**31 - 1)
    if real <= 1:
        raise operator.error(f"the input's scale {operator.int8_input().scale:g} is too small")
    multiplier, shift = fixed_point(real)
    radius = math.floor(((1 << DIFFERENCE_BITS) - 1) * 2.0**integer_bits / 2.0**shift)
    differences = -np.arange(min(radius, 255) + 1, dtype=np.int64)
    return exponential(rounding_high(differences << shift, multiplier)).astype(np.int32)


def _rows_d(operator: Operator) -> Rows:
    table = np.zeros(256, np.int64)
    exponentials = _table_d(operator)
    table[: len(exponentials)] = exponentials

    def run(below: Array) -> Array:
        powers = table[below]
        sums = rounding_shift(powers, SUM_BITS).sum(axis=1, keepdims=True)
        headroom = 32 - np.frexp(sums.astype(np.float64))[1]
        scale = reciprocal((sums << headroom) - (1 << 31))
        return rounding_shift(rounding_high(scale, powers), SUM_BITS - headroom + 31 - 8)

    return run


def _table_s(operator: Operator) -> npt.NDArray[np.float32]:
    exponents = -operator.int8_input().scale * _beta(operator) * np.arange(256, dtype=np.float32)
    return np.exp(exponents.astype(np.float64)).astype(np.float32)


def _rows_s(operator: Operator) -> Rows:
    table, scale = _table_s(operator), operator.output.scale

    def run(below: Array) -> Array:
        powers = table[below]
        # One after another, as the kernel adds: NumPy's own sum would go in pairs.
        sums = np.add.accumulate(powers, axis=1)[:, -1:]
        steps = powers * (np.float32(1) / (sums * scale))
        whole = np.trunc(steps)
        return (whole + (steps - whole >= 0.5)).astype(np.int64)

    return run


def emit(step: Step, family: Family) -> Code:
    """One call for all rows."""
    depth = step.input.shape[-1]
    table: Array = _table_s(step.operator) if family == "S" else _table_d(step.operator)
    last = number(step.output.scale, step.output.scale.dtype) if family == "S" else str(len(table))
    return Code(
        call=f"softmax($in0, $out0, {step.input.size // depth}, {depth}, $exponentials, {last});",
        constants=(Constant("exponentials", table, "of the differences 0, -1 and so on"),),
        kernels=("clamp", "softmax_s") if family == "S" else ("clamp", "requantize_d", "softmax_d"),
    )


SOFTMAX = OperatorKind(Support(version=2, required=1, inputs=1), reference, emit, in_place=True)
