"""What the rounding families differ in: how an int32 sum becomes an int8 output.

``sum * real + zero point``, with the real multiplier ``input scale * weight scale / output scale``, is computed as

- D: the multiplier in 31-bit fixed point, and two roundings: of the product's high half with halves up, and of the
  shift with halves away from zero. gemmlowp's ``SaturatingRoundingDoublingHighMul`` and ``RoundingDivideByPOT``
  (``gemmlowp/fixedpoint/fixedpoint.h``) in ``MultiplyByQuantizedMultiplier`` (``tensorflow/lite/kernels/internal/
  common.cc``). TFLite Micro, CMSIS-NN (``arm_nn_requantize``), and the reference kernels of tflite-runtime 2.14.
- H: the same with halves up in both roundings. ruy's ``apply_multiplier.cc``: the default kernels of tflite-runtime.
- S: one float32 multiplication and one rounding with halves to even. XNNPACK's ``fp32`` requantization
  (kernels ``qs8-qc8w-gemm/*-minmax-fp32-*.c``), which is what ai-edge-litert runs. A 31-bit multiplier with one int64
  rounding is nearly that, but differs by one step in a few sums of 100,000.

Where a layer has one weight scale, kernels of D and H may multiply its two scales in float32; see :func:`multipliers`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Family = Literal["D", "H", "S"]
FAMILIES: tuple[Family, ...] = ("D", "H", "S")
# From sums, integers in any float or int type that holds them exactly, shape (rows, units), to outputs.
Requantize = Callable[[npt.NDArray[Any]], npt.NDArray[np.int8]]

# XNNPACK refuses larger multipliers, so that no model with one runs everywhere.
MULTIPLIER_LIMIT = 256.0
# Fused activations: enum ActivationFunctionType, with the real bounds of their outputs.
ACTIVATIONS = {0: (-math.inf, math.inf), 1: (0.0, math.inf), 2: (-1.0, 1.0), 3: (0.0, 6.0)}


def multipliers(
    input_scale: np.float32,
    weight_scales: npt.NDArray[np.float32],
    output_scale: np.float32,
    *,
    family: Family,
    float_product: bool,
) -> npt.NDArray[np.float64]:
    """The real multiplier of each weight scale, exactly as the family's kernels round it.

    ``float_product`` says that D and H multiply input and weight scale in float32: they do so for dense layers with one
    weight scale (``GetQuantizedConvolutionMultipler`` in ``tensorflow/lite/kernels/kernel_util.cc``), and in float64
    otherwise (``PopulateConvolutionQuantizationParams``). XNNPACK computes everything in float32.
    """
    with np.errstate(over="ignore", under="ignore"):  # what is too large is refused by its value
        if family == "S":
            return (input_scale * weight_scales / output_scale).astype(np.float64)
        if float_product:
            return (input_scale * weight_scales).astype(np.float64) / np.float64(output_scale)
    return np.float64(input_scale) * weight_scales.astype(np.float64) / np.float64(output_scale)


def fixed_point(real: float) -> tuple[int, int]:
    """A multiplier as ``mantissa * 2**(shift - 31)``, mantissa of 31 bits; both 0 where it is too small.

    ``QuantizeMultiplier`` in ``tensorflow/lite/kernels/internal/quantization_util.cc``.

    >>> fixed_point(0.75), fixed_point(3.0), fixed_point(2.0**-40)
    ((1610612736, 0), (1610612736, 2), (0, 0))
    """
    fraction, shift = math.frexp(real)
    mantissa = math.floor(fraction * 2**31 + 0.5)
    if mantissa == 2**31:
        mantissa, shift = mantissa // 2, shift + 1
    return (mantissa, shift) if shift >= -31 else (0, 0)


def activation_bounds(activation: int, scale: np.float32, zero_point: int, *, family: Family) -> tuple[int, int]:
    """The smallest and largest int8 output of a fused activation, a key of :data:`ACTIVATIONS`.

    Halves are rounded away from zero before the zero point is added (``CalculateActivationRangeQuantized`` in
    ``kernel_util.cc``); in XNNPACK to even, after it.

    >>> activation_bounds(3, np.float32(0.05), -128, family="D")
    (-128, -8)
    >>> [activation_bounds(3, np.float32(12.0), 0, family=family)[1] for family in FAMILIES]
    [1, 1, 0]
    """

    def quantized(bound: float) -> int:
        steps = np.float32(bound) / scale if math.isfinite(bound) else math.copysign(512.0, bound)
        if family == "S":
            rounded = float(np.rint(np.float32(steps) + np.float32(zero_point)))
        else:
            rounded = math.copysign(math.floor(abs(float(steps)) + 0.5), steps) + zero_point
        return int(min(max(rounded, -128.0), 127.0))

    low, high = ACTIVATIONS[activation]
    return quantized(low), quantized(high)


def requantizer(
    real: npt.NDArray[np.float64], zero_point: int, bounds: tuple[int, int], *, family: Family
) -> Requantize:
    """The requantization of sums ``(rows, units)`` by multipliers ``(units,)`` or ``(1,)``; outputs are in ``bounds``.

    Sums, shifted left where a multiplier is above 1, must be within int32.
    """
    if family == "S":
        return _single(real.astype(np.float32), zero_point, bounds)
    return _double(real, zero_point, bounds, half_away=family == "D")


def _single(real: npt.NDArray[np.float32], zero_point: int, bounds: tuple[int, int]) -> Requantize:
    # Arrays without dimensions: at these sizes a Python number costs more than the sum.
    zero, low, high = (np.array(value, np.float32) for value in (zero_point, *bounds))

    def requantize(sums: npt.NDArray[Any]) -> npt.NDArray[np.int8]:
        steps = np.multiply(sums.astype(np.float32, copy=False), real)
        np.rint(steps, out=steps)
        np.add(steps, zero, out=steps)
        np.maximum(steps, low, out=steps)
        np.minimum(steps, high, out=steps)
        return steps.astype(np.int8)

    return requantize


def _double(real: npt.NDArray[np.float64], zero_point: int, bounds: tuple[int, int], *, half_away: bool) -> Requantize:
    pairs = np.array([fixed_point(float(value)) for value in real], np.int64)
    left, right = np.maximum(pairs[:, 1], 0), np.maximum(-pairs[:, 1], 0)
    factor = pairs[:, 0] << left
    half = (np.int64(1) << right) >> 1
    # Halves go up by adding half of the divisor before the shift; one less below zero lets them go away from it.
    less = np.where(right > 0, np.int64(-1), np.int64(0)) if half_away else None
    nudge, drop = np.array(2**30, np.int64), np.array(31, np.int64)
    zero, low, high = (np.array(value, np.int64) for value in (zero_point, *bounds))

    def requantize(sums: npt.NDArray[Any]) -> npt.NDArray[np.int8]:
        steps = sums.astype(np.int64)
        np.multiply(steps, factor, out=steps)
        np.add(steps, nudge, out=steps)
        np.right_shift(steps, drop, out=steps)
        if less is not None:
            np.add(steps, np.bitwise_and(np.right_shift(steps, _SIGN), less), out=steps)
        np.add(steps, half, out=steps)
        np.right_shift(steps, right, out=steps)
        np.add(steps, zero, out=steps)
        np.maximum(steps, low, out=steps)
        np.minimum(steps, high, out=steps)
        return steps.astype(np.int8)

    return requantize


# Shifting an int64 by this leaves -1 of a negative number and 0 of others.
_SIGN = np.array(63, np.int64)
