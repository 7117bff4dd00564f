"""Functions in fixed point, as ``gemmlowp/fixedpoint/fixedpoint.h`` computes them; arrays of int64 that hold int32.

Numbers of ``n`` integer bits have ``31 - n`` fractional ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]

_ONE = 2**31 - 1
# exp(-2^k) for the bits 24, 25 and so on of a number with 5 integer bits, k from -2.
_POWERS = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)
_QUARTER = 1 << 24


def rounding_high(a: Integers, b: Integers | int) -> Integers:
    """``SaturatingRoundingDoublingHighMul``: the product of two fractions, halves up."""
    return (a * b + (1 << 30)) >> 31


def rounding_shift(x: Integers, bits: Integers | int) -> Integers:
    """``RoundingDivideByPOT``: halves away from zero."""
    right: Any = np.asarray(bits, np.int64)
    found: Integers = (x + ((np.int64(1) << right) >> 1) - ((x < 0) & (right > 0))) >> right
    return found


def exponential(a: Integers) -> Integers:
    """``exp_on_negative_values`` of numbers of 5 integer bits, none above 0; fractions."""
    fraction = (a & (_QUARTER - 1)) - _QUARTER
    found = _exponential_near_eighth(_saturated(fraction << 5))
    rest = fraction - a
    for number, power in enumerate(_POWERS):
        found = np.where(rest & (_QUARTER << number), rounding_high(found, power), found)
    return np.where(a == 0, _ONE, found)


def reciprocal(a: Integers) -> Integers:
    """``one_over_one_plus_x_for_x_in_0_1`` of fractions; ``1 / (1 + a)`` as a fraction."""
    half = (a + _ONE + 1) // 2
    found = 1515870810 + rounding_high(half, -1010580540)
    for _ in range(3):
        rest = (1 << 29) - rounding_high(half, found)
        found = found + _saturated(rounding_high(found, rest) << 2)
    return _saturated(found << 1)


def _exponential_near_eighth(a: Integers) -> Integers:
    """Of fractions from -1/4, by four terms of the series around -1/8."""
    x = a + (1 << 28)
    x2 = rounding_high(x, x)
    x3, x4 = rounding_high(x2, x), rounding_high(x2, x2)
    terms = rounding_shift(rounding_high(rounding_shift(x4, 2) + x3, 715827883) + x2, 1)
    return 1895147668 + rounding_high(x + terms, 1895147668)


def _saturated(x: Integers) -> Integers:
    return np.clip(x, -(2**31), _ONE)
