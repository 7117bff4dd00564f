"""QUANTIZE: float32 to int8, or int8 to int8 of another scale.

D: ``AffineQuantize`` in ``tensorflow/lite/kernels/internal/reference/quantize.h`` divides and rounds halves away from
zero; ``Requantize`` in ``reference/requantize.h`` multiplies by the ratio of the scales, in float64 and then 31-bit
fixed point. What is beyond int32 is undefined there; here it is the nearest int8.

S: XNNPACK's ``f32-qs8-vcvt`` multiplies by the float32 inverse of the scale and rounds halves to even; its
``qs8-vcvt`` multiplies by the ratio in 256ths, rounded, and rounds halves up. It takes ratios of 2**-8 to 2**7.
"""

from __future__ import annotations

import numpy as np

from vedette.firmware_bridge.operators.base import Code, OperatorKind, Step
from vedette.firmware_bridge.writer.literals import number
from vedette.runtime.inference.reference.graph import Array, Kernel, Operator, Support, Tensor
from vedette.runtime.inference.reference.rounding import MULTIPLIER_LIMIT, Family, fixed_point, requantizer

SMALLEST_RATIO, LARGEST_RATIO = 2.0**-8, 2.0**7
# Far outside of int8, and far inside of what a float32 and an int32 hold.
BOUND = np.float32(512.0)


def reference(operator: Operator, family: Family) -> Kernel:
    """The input's shape."""
    given, made = operator.inputs[0], operator.output
    if given is None or given.data is not None or given.dtype not in (np.float32, np.int8) or made.dtype != np.int8:
        raise operator.error("expected a float32 or int8 activation as input, and an int8 output")
    if given.dtype == np.int8:
        return _from_int8(operator, given, made, family)
    scale, zero_point = made.scale, made.zero_point

    def from_float(x: Array) -> Array:
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            steps = x * _inverse(scale) if family == "S" else x / scale
        if family == "S":
            bounded = np.maximum(np.fmin(steps, BOUND), -BOUND)
            whole = np.rint(bounded)
        else:
            bounded = np.minimum(np.fmax(steps, -BOUND), BOUND)
            whole = np.trunc(bounded.astype(np.float64) + np.copysign(0.5, bounded))
        found: Array = np.clip(whole + zero_point, -128, 127).astype(np.int8)
        return found

    return from_float


def _from_int8(operator: Operator, given: Tensor, made: Tensor, family: Family) -> Kernel:
    if family == "S":
        multiplier = _multiplier_256(given.scale, made.scale)
        with np.errstate(over="ignore", under="ignore"):
            ratio = given.scale / made.scale
        if not SMALLEST_RATIO <= ratio <= LARGEST_RATIO:
            raise operator.error(
                f"expected scales with a ratio of 1/256 to 128, found {given.scale} and {made.scale}; XNNPACK does not "
                "compute others"
            )
        return lambda x: np.clip(
            (((x.astype(np.int32) - given.zero_point) * multiplier + 128) >> 8) + made.zero_point, -128, 127
        ).astype(np.int8)
    real = _ratio(given.scale, made.scale)
    if real >= MULTIPLIER_LIMIT:
        raise operator.error(f"expected scales with a ratio below 256, found {given.scale} and {made.scale}")
    rescale = requantizer(np.array([real]), made.zero_point, (-128, 127), family=family)
    return lambda x: rescale(x.astype(np.int64) - given.zero_point)


def emit(step: Step, family: Family) -> Code:
    """One call for all elements."""
    given, made = step.input, step.output
    kernel = "d" if family == "D" else "s"
    if given.tensor.dtype == np.float32:
        factor = number(_inverse(made.scale) if family == "S" else made.scale, np.dtype(np.float32))
        call = f"quantize($in0, $out0, {given.size}, {factor}, {made.zero_point});"
        return Code(call, kernels=("clamp", f"quantize_{kernel}"))
    if family == "S":
        multiplier = str(_multiplier_256(given.scale, made.scale))
    else:
        multiplier = "{}, {}".format(*fixed_point(float(_ratio(given.scale, made.scale))))
    call = f"rescale($in0, $out0, {given.size}, {given.zero_point}, {multiplier}, {made.zero_point});"
    needed = () if family == "S" else ("requantize_d",)
    return Code(call, kernels=("clamp", *needed, f"rescale_{kernel}"))


def _inverse(scale: np.float32) -> np.float32:
    return np.float32(np.float32(1.0) / scale)


def _ratio(given: np.float32, made: np.float32) -> np.float64:
    return np.float64(given) / np.float64(made)


def _multiplier_256(given: np.float32, made: np.float32) -> int:
    with np.errstate(over="ignore", under="ignore"):
        return int(np.rint(np.float32(256.0) * (given / made)))


QUANTIZE = OperatorKind(Support(version=3, required=1, inputs=1), reference, emit, in_place=True)
