"""The rounding families against their definitions in exact numbers."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.runtime.inference.reference.rounding import (
    Family,
    activation_bounds,
    fixed_point,
    multipliers,
    requantizer,
)

SUMS = st.lists(st.integers(-(2**22), 2**22), min_size=1, max_size=20)
# Half of them are powers of two, whose products hit exact halves.
REALS = st.one_of(st.floats(2.0**-30, 255.0), st.integers(-30, 7).map(lambda power: 2.0**power))
ZERO_POINTS = st.integers(-128, 127)
WIDE = (-128, 127)


def requantized(sums: list[int], real: float, zero_point: int, family: Family) -> list[int]:
    run = requantizer(np.array([real]), zero_point, WIDE, family=family)
    return run(np.array(sums, np.float64)[:, None])[:, 0].tolist()


def saturated(steps: int, zero_point: int) -> int:
    return min(max(steps + zero_point, -128), 127)


def doubling_high(value: int, mantissa: int) -> int:
    """gemmlowp's SaturatingRoundingDoublingHighMul: a division that truncates, as C's does."""
    product = value * mantissa
    nudged = product + (2**30 if product >= 0 else 1 - 2**30)
    return abs(nudged) // 2**31 * (1 if nudged >= 0 else -1)


def divided_by_power(value: int, exponent: int) -> int:
    """gemmlowp's RoundingDivideByPOT."""
    mask = (1 << exponent) - 1
    threshold = (mask >> 1) + (1 if value < 0 else 0)
    return (value >> exponent) + (1 if value & mask > threshold else 0)


@given(REALS)
def test_the_fixed_point_multiplier_is_the_nearest_of_31_bits(real: float) -> None:
    mantissa, shift = fixed_point(real)
    assert 2**30 <= mantissa < 2**31
    assert abs(Fraction(mantissa) * Fraction(2) ** (shift - 31) - Fraction(real)) <= Fraction(2) ** (shift - 32)


@pytest.mark.parametrize("real", [2.0**-33, 1e-30, 0.0])
def test_a_multiplier_too_small_for_31_bits_gives_nothing(real: float) -> None:
    assert fixed_point(real) == (0, 0)
    assert requantized([2**22, -(2**22)], real, 5, "D") == [5, 5]


def test_a_mantissa_that_rounds_up_to_one_is_halved() -> None:
    assert fixed_point(1.0 - 2.0**-40) == (2**30, 1)


@given(SUMS, REALS, ZERO_POINTS)
def test_family_d_is_gemmlowps_two_roundings(sums: list[int], real: float, zero_point: int) -> None:
    mantissa, shift = fixed_point(real)
    wanted = [
        saturated(divided_by_power(doubling_high(value << max(shift, 0), mantissa), max(-shift, 0)), zero_point)
        for value in sums
    ]
    assert requantized(sums, real, zero_point, "D") == wanted


@given(SUMS, REALS, ZERO_POINTS)
def test_family_h_rounds_halves_up_in_both_roundings(sums: list[int], real: float, zero_point: int) -> None:
    mantissa, shift = fixed_point(real)
    half, wanted = Fraction(1, 2), []
    for value in sums:
        high = (Fraction((value << max(shift, 0)) * mantissa, 2**31) + half).__floor__()
        wanted.append(saturated((Fraction(high, 2 ** max(-shift, 0)) + half).__floor__(), zero_point))
    assert requantized(sums, real, zero_point, "H") == wanted


@given(SUMS, REALS, ZERO_POINTS)
def test_family_s_rounds_a_float32_product_to_even(sums: list[int], real: float, zero_point: int) -> None:
    wanted = []
    for value in sums:
        # Python rounds exact numbers to even, and the product of two float32 numbers is exact in float64.
        product = float(np.float32(np.float64(np.float32(value)) * np.float64(np.float32(real))))
        wanted.append(saturated(round(Fraction(product)), zero_point))
    assert requantized(sums, real, zero_point, "S") == wanted


@given(SUMS, REALS, ZERO_POINTS)
def test_families_are_within_one_step_of_the_exact_value(sums: list[int], real: float, zero_point: int) -> None:
    for family in ("D", "H", "S"):
        for value, found in zip(sums, requantized(sums, real, zero_point, family), strict=True):
            exact = min(max(value * Fraction(real) + zero_point, Fraction(-128)), Fraction(127))
            assert abs(found - exact) <= 1


@pytest.mark.parametrize(
    ("value", "wanted"),
    [(3, {"D": 2, "H": 2, "S": 2}), (-3, {"D": -2, "H": -1, "S": -2}), (5, {"D": 3, "H": 3, "S": 2})],
)
def test_the_families_differ_in_halves(value: int, wanted: dict[Family, int]) -> None:
    """Of 1.5, -1.5 and 2.5: a multiplier of a half is the mantissa 2**30 without a shift, so use a quarter."""
    assert {family: requantized([2 * value], 0.25, 0, family)[0] for family in wanted} == wanted


def test_sums_of_any_exact_type_give_the_same() -> None:
    sums = np.arange(-5000, 5000, 7)[:, None]
    for family in ("D", "H", "S"):
        run = requantizer(np.array([0.0123]), 3, WIDE, family=family)
        found = [run(sums.astype(dtype)) for dtype in (np.float32, np.float64, np.int64)]
        assert all((other == found[0]).all() for other in found)


def test_one_scale_of_a_dense_layer_is_multiplied_in_float32() -> None:
    given_scale, weight, output = np.float32(0.1), np.array([0.3], np.float32), np.float32(0.7)
    found = {
        product: multipliers(given_scale, weight, output, family="D", float_product=product)[0]
        for product in (True, False)
    }
    assert found[True] == float(given_scale * weight[0]) / float(output)
    assert found[False] == float(given_scale) * float(weight[0]) / float(output)
    assert found[True] != found[False]


@pytest.mark.parametrize("activation", [0, 1, 2, 3])
@pytest.mark.parametrize("zero_point", [-128, 0, 127])
def test_activation_bounds_contain_zero_and_stay_in_int8(activation: int, zero_point: int) -> None:
    for family in ("D", "H", "S"):
        low, high = activation_bounds(activation, np.float32(0.05), zero_point, family=family)
        assert -128 <= low <= zero_point <= high <= 127
        assert (low == zero_point) == (activation in (1, 3) or zero_point == -128)
