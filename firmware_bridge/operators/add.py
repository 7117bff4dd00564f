"""ADD and SUB.

D: ``AddFunc`` in ``tensorflow/lite/kernels/internal/reference/integer_ops/add.h`` and ``SubElementwise`` in
``reference/sub.h``, with the multipliers of ``kernels/add.cc`` and ``sub.cc``. S: XNNPACK's ``qs8-vadd`` and
``qs8-vaddc``, with ``xnn_init_qs8_add_minmax_scalar_params``; it takes quotients of the scales from 2^-10 to 2^8.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from vedette.firmware_bridge.operators.base import Code, OperatorKind, Step
from vedette.firmware_bridge.operators.binary import ACTIVATION, broadcast, broadcast_code, operands
from vedette.runtime.inference.reference.graph import Array, Kernel, Operator, Support
from vedette.runtime.inference.reference.rounding import Family, activation_bounds, fixed_point, requantizer

# Bits by which D moves both operands before it scales them.
LEFT_SHIFT = 20
# Bits of the larger multiplier in S, less one.
MULTIPLIER_BITS = 20
SMALLEST_RATIO, LARGEST_RATIO = 2.0**-10, 2.0**8


@dataclass(frozen=True)
class _DoubleRounding:
    """The real multipliers of D."""

    a: float
    b: float
    out: float


@dataclass(frozen=True)
class _OneShift:
    """The integers of S: ``bias + a * first + b * second`` shifted right is the output less its zero point."""

    bias: int
    a: int
    b: int
    shift: int


def _double_rounding(operator: Operator) -> _DoubleRounding:
    (a, b), made = operands(operator), operator.output
    twice = np.float64(2 * max(a.scale, b.scale))
    found = _DoubleRounding(
        float(a.scale / twice),
        float(b.scale / twice),
        float(twice / np.float64(np.float32(2**LEFT_SHIFT) * made.scale)),
    )
    if found.out >= 1:
        raise operator.error(
            f"the scales {a.scale:g} and {b.scale:g} are too large for an output of scale {made.scale:g}"
        )
    return found


def _one_shift(operator: Operator, sign: int) -> _OneShift:
    (a, b), made = operands(operator), operator.output
    ratios = [a.scale / made.scale, b.scale / made.scale]
    if not all(SMALLEST_RATIO <= ratio < LARGEST_RATIO for ratio in ratios):
        raise operator.error(
            f"its scales divided by the output's are {ratios[0]:g} and {ratios[1]:g}; kernels of rounding family S "
            f"take {SMALLEST_RATIO:g} to {LARGEST_RATIO:g}"
        )
    shift = MULTIPLIER_BITS - (math.frexp(max(ratios))[1] - 1)
    first, second = (int(np.rint(np.ldexp(ratio, shift))) for ratio in ratios)
    second *= sign
    return _OneShift((1 << (shift - 1)) - first * a.zero_point - second * b.zero_point, first, second, shift)


def _kind(sign: int) -> OperatorKind:
    def reference(operator: Operator, family: Family) -> Kernel:
        made = operator.output
        a, b = operands(operator)
        low, high = activation_bounds(operator.small_option(ACTIVATION), made.scale, made.zero_point, family=family)
        if family == "S":
            one = _one_shift(operator, sign)

            def run_s(first: Array, second: Array) -> Array:
                x, y = (part.astype(np.int64) for part in broadcast(operator, first, second))
                sums = (one.bias + x * one.a + y * one.b) >> one.shift
                found: Array = np.clip(sums + made.zero_point, low, high).astype(np.int8)
                return found

            return run_s
        real = _double_rounding(operator)

        def run_d(first: Array, second: Array) -> Array:
            x, y = (part.astype(np.int64) for part in broadcast(operator, first, second))
            sums = _scaled(x - a.zero_point, real.a) + sign * _scaled(y - b.zero_point, real.b)
            return requantizer(np.array([real.out]), made.zero_point, (low, high), family="D")(sums)

        return run_d

    def emit(step: Step, family: Family) -> Code:
        operator, made = step.operator, step.output
        a, b = operands(operator)
        bounds = activation_bounds(operator.small_option(ACTIVATION), made.scale, made.zero_point, family=family)
        if family == "S":
            one = _one_shift(operator, sign)
            numbers = [one.bias, one.a, one.b, one.shift]
            kernels: tuple[str, ...] = ("clamp", "add_s")
        else:
            real = _double_rounding(operator)
            numbers = [a.zero_point, *fixed_point(real.a), b.zero_point, *fixed_point(real.b), sign]
            numbers += fixed_point(real.out)
            kernels = ("clamp", "requantize_d", "add_d")
        return broadcast_code(step, "add", ", ".join(map(str, [*numbers, made.zero_point, *bounds])), kernels)

    return OperatorKind(Support(version=2, required=2, inputs=2), reference, emit, in_place=True)


def _scaled(x: Array, real: float) -> Array:
    """An operand less its zero point in the steps of the sum, int64."""
    mantissa, shift = fixed_point(real)
    high = ((x << LEFT_SHIFT) * mantissa + (1 << 30)) >> 31
    right = -shift
    half = (1 << right) >> 1
    return (high + half - ((high < 0) & (right > 0))) >> right


ADD, SUB = _kind(1), _kind(-1)
