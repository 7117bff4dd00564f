"""What CONV_2D, DEPTHWISE_CONV_2D and TRANSPOSE_CONV share: where the kernel lies, how sums are scaled, and their C.

The padding is that of ``tensorflow/lite/kernels/padding.h``. Kernels skip what lies outside of the input. That is the
same as an input of its zero point there, and so is what the C does: its sums are of weights times raw inputs, with the
zero point there, and the bias is less by zero point times all weights, in integers, which is exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vedette.firmware_bridge.operators.base import Constant, Value
from vedette.firmware_bridge.operators.requantize import multiplier_constants
from vedette.runtime.inference.reference.graph import MAX_ELEMENTS, Array, Operator, Tensor
from vedette.runtime.inference.reference.rounding import (
    ACTIVATIONS,
    MULTIPLIER_LIMIT,
    Family,
    Requantize,
    activation_bounds,
    fixed_point,
    multipliers,
    requantizer,
)

SAME, VALID = 0, 1
OUTPUTS: dict[Family, str] = {"D": "conv_outputs_d", "S": "conv_outputs_s"}
# The C computes up to four outputs together, for which arrays of one number for each output are filled up.
TOGETHER = 4
# The C reads weights in words.
WORD = 4
Pair = tuple[int, int]


@dataclass(frozen=True)
class Window:
    """How a kernel goes over an input; all are (height, width)."""

    kernel: Pair
    strides: Pair
    dilations: Pair
    before: Pair
    sizes: Pair

    @property
    def taps(self) -> int:
        """Places of the kernel."""
        return self.kernel[0] * self.kernel[1]


def window(lengths: Pair, kernel: Pair, strides: Pair, dilations: Pair, padding: int) -> Window:
    """The window over an input of those ``lengths``; sizes below 1 mean that it does not fit."""
    before, sizes = [], []
    for length, size, stride, dilation in zip(lengths, kernel, strides, dilations, strict=True):
        reach = (size - 1) * dilation + 1
        count = -(-length // stride) if padding == SAME else (length - reach) // stride + 1
        sizes.append(count)
        before.append(max((count - 1) * stride + reach - length, 0) // 2)
    return Window(kernel, strides, dilations, (before[0], before[1]), (sizes[0], sizes[1]))


def check_steps(operator: Operator, padding: int, *steps: Pair) -> None:
    """Raises :class:`ModelError` where a padding, or strides and dilations, are none."""
    if padding not in (SAME, VALID) or min(min(pair) for pair in steps) < 1:
        raise operator.error(f"padding {padding} with strides and dilations {steps} is not possible")


def filters_of(operator: Operator, shape: str, axis: int) -> Tensor:
    """The constant weights, input 1, of 4 dimensions that ``shape`` names, with scales along ``axis``."""
    filters = operator.constant(1, np.int8)
    if filters is None or filters.data is None or filters.data.ndim != 4:
        raise operator.error(f"expected constant weights of shape {shape}")
    if filters.zero_point != 0 or (len(filters.scales) > 1 and filters.axis != axis):
        raise operator.error(f"expected int8 weights with zero point 0 and scales along axis {axis}")
    return filters


def biases_of(operator: Operator, number: int, units: int) -> npt.NDArray[np.int64]:
    """The bias, input ``number``, of each unit; zeros where there is none."""
    bias = operator.constant(number, np.int32)
    if bias is None or bias.data is None:
        return np.zeros(units, np.int64)
    if bias.data.shape != (units,):
        raise operator.error(f"expected a bias of shape {(units,)}, found {bias.shape}")
    return bias.data.astype(np.int64)


def scaling(
    operator: Operator, given: Tensor, weights: Array, bias: npt.NDArray[np.int64], *, activation: int, family: Family
) -> Requantize:
    """From sums ``(rows, units)``, of weights ``(units, depth)`` times inputs and the bias, to outputs.

    Raises :class:`ModelError` for what no kernel computes.
    """
    filters, output = operator.constant(1, np.int8), operator.output
    assert filters is not None
    if output.dtype != np.int8:
        raise operator.error(f"expected an int8 output, found {output.dtype.name}")
    if activation not in ACTIVATIONS:
        raise operator.error(f"fused activation {activation} is not known; use ReLU, ReLU6 or none")
    real = multipliers(given.scale, filters.scales, output.scale, family=family, float_product=False)
    if real.max() >= MULTIPLIER_LIMIT:
        raise operator.error(f"its scales multiply sums by {real.max():g}; kernels take less than {MULTIPLIER_LIMIT:g}")
    largest = largest_sums(weights, bias)
    # Multipliers of 1 and more shift the sum to the left first.
    if (largest * 2.0 ** np.maximum(np.frexp(real)[1], 0)).max() >= 2**31:
        raise operator.error("its sums may exceed 32 bits, where kernels differ; train with smaller weights")
    bounds = activation_bounds(activation, output.scale, output.zero_point, family=family)
    return requantizer(real, output.zero_point, bounds, family=family)


def largest_sums(weights: Array, bias: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """What no sum exceeds of weights ``(units, depth)`` times inputs, raw or less their zero point."""
    sums: npt.NDArray[np.int64] = np.abs(weights.astype(np.int64)).sum(axis=1) * 256 + np.abs(bias)
    return sums


def require_input(operator: Operator, given: Array, channels: int) -> None:
    """Raises :class:`ModelError` for an input of another shape than the weights need."""
    if given.ndim != 4 or given.shape[3] != channels:
        raise operator.error(f"expected an input of 4 dimensions and {channels} channels, found {given.shape}")


def require_fit(operator: Operator, given: Array, sizes: Pair, *elements: int) -> None:
    """Raises :class:`ModelError` for outputs of no size, or more ``elements`` of an array than memory is meant for."""
    if min(sizes) < 1 or max(elements) > MAX_ELEMENTS:
        raise operator.error(f"an input of shape {given.shape} does not fit its kernel")


def image(operator: Operator, given: Value) -> tuple[int, int, int]:
    """Height, width and channels of the input that the C takes. Raises :class:`ModelError` for several at once."""
    batch, height, width, channels = given.shape
    if batch != 1:
        raise operator.error(f"expected a batch of 1, found {batch}; reshape to more rows or columns instead")
    return height, width, channels


def padded(values: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    """One number for each output, filled up with zeros."""
    return np.pad(values, (0, -len(values) % TOGETHER))


def bias_constant(name: str, bias: npt.NDArray[np.int64], weights: Array, zero_point: int) -> Constant:
    """What sums begin with; ``weights`` are ``(units, depth)``."""
    folded = bias - zero_point * weights.astype(np.int64).sum(axis=1)
    return Constant(name, padded(folded.astype(np.int32)), "one for each output, less zero point times weights")


def outputs_constants(
    operator: Operator, given: Value, made: Value, *, activation: int, largest: float, family: Family
) -> tuple[tuple[Constant, ...], str]:
    """The constants and the initializer of a ``conv_outputs_t``; no sum is beyond ``largest``."""
    filters = operator.constant(1, np.int8)
    assert filters is not None
    real = multipliers(given.scale, filters.scales, made.scale, family=family, float_product=False)
    low, high = activation_bounds(activation, made.scale, made.zero_point, family=family)
    constants = tuple(
        Constant(constant.name, padded(constant.values), constant.comment)
        for constant in multiplier_constants(real, made.shape[3], family)
    )
    fields = [f".{constant.name} = ${constant.name}" for constant in constants]
    if family == "D":
        right = all(fixed_point(float(value))[1] < 0 for value in real)
        plain = right and 2 * largest < 2**31
        fields.append(f".plain = {int(plain)}")
    return constants, fields_text([*fields, f".zero_point = {made.zero_point}", f".low = {low}", f".high = {high}"])


def window_text(lengths: Pair, channels: int, repeats: int, place: Window, zero_point: int) -> str:
    """The initializer of a ``conv_window_t`` over an input of those ``lengths``."""
    numbers = {
        "height": lengths[0],
        "width": lengths[1],
        "channels": channels,
        "repeats": repeats,
        "kernel_height": place.kernel[0],
        "kernel_width": place.kernel[1],
        "stride_height": place.strides[0],
        "stride_width": place.strides[1],
        "dilation_height": place.dilations[0],
        "dilation_width": place.dilations[1],
        "top": place.before[0],
        "left": place.before[1],
        "zero_point": zero_point,
    }
    return fields_text([f".{name} = {number}" for name, number in numbers.items()])


def fields_text(fields: Sequence[str]) -> str:
    """An initializer."""
    return "{" + ", ".join(fields) + "}"


def layer_text(kind: str, fields: Sequence[str], statement: str) -> str:
    """A block with ``layer``, a constant of type ``kind``, and a statement that uses it."""
    inner = ",\n".join(f"        {field}" for field in fields)
    return f"{{\n    static const {kind} layer = {{\n{inner},\n    }};\n    {statement}\n}}"
