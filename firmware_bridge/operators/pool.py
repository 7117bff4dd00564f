"""AVERAGE_POOL_2D and MAX_POOL_2D: ``tensorflow/lite/kernels/pooling.cc``.

D: ``AveragePool`` and ``MaxPool`` in ``kernels/internal/reference/integer_ops/pooling.h``. S: XNNPACK's ``s8-maxpool``
for the largest element; it has no average of int8, so that ai-edge-litert runs TFLite's kernel. Only the bounds of
fused activations differ, as :func:`~vedette.runtime.inference.reference.rounding.activation_bounds` rounds them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vedette.firmware_bridge.operators.base import Code, OperatorKind, Step
from vedette.firmware_bridge.operators.lookup import require_int8_output
from vedette.runtime.inference.reference.graph import Array, Kernel, Operator, Support
from vedette.runtime.inference.reference.rounding import ACTIVATIONS, Family, activation_bounds

# Fields of Pool2DOptions, and the value of Padding.SAME.
PADDING, STRIDE_WIDTH, STRIDE_HEIGHT, FILTER_WIDTH, FILTER_HEIGHT, ACTIVATION = range(6)
STRIDES = ((STRIDE_HEIGHT, FILTER_HEIGHT), (STRIDE_WIDTH, FILTER_WIDTH))
SAME = 0
# Far above any window or stride; larger ones are damage.
LARGEST = 65_536
# Elements of a window whose sum is in int32 for certain.
LARGEST_AVERAGE = 2**23


@dataclass(frozen=True)
class _Axis:
    """Sizes along height or width."""

    size: int
    out: int
    filter: int
    stride: int
    padding: int


def _axes(operator: Operator, shape: tuple[int, ...], *, average: bool) -> tuple[_Axis, _Axis]:
    """Height and width of an input ``(batch, height, width, channels)``."""
    if len(shape) != 4:
        raise operator.error(f"expected an input of 4 dimensions, found the shape {shape}")
    height = _axis(operator, shape[1], operator.option(FILTER_HEIGHT), operator.option(STRIDE_HEIGHT))
    width = _axis(operator, shape[2], operator.option(FILTER_WIDTH), operator.option(STRIDE_WIDTH))
    if average and min(height.filter, height.size) * min(width.filter, width.size) > LARGEST_AVERAGE:
        raise operator.error(f"an average of more than {LARGEST_AVERAGE:,} elements, whose sum may exceed 32 bits")
    return height, width


def _axis(operator: Operator, size: int, window: int, stride: int) -> _Axis:
    if not (1 <= window <= LARGEST and 1 <= stride <= LARGEST):
        raise operator.error(f"expected windows and strides of 1 to {LARGEST:,}, found {window} and {stride}")
    if operator.small_option(PADDING) == SAME:
        out = -(-size // stride)
        return _Axis(size, out, window, stride, max(0, (out - 1) * stride + window - size) // 2)
    if window > size:
        raise operator.error(f"a window of {window} does not fit an input of {size} without padding")
    return _Axis(size, (size - window) // stride + 1, window, stride, 0)


def _bounds(operator: Operator, family: Family, *, average: bool) -> tuple[int, int]:
    given, made = operator.int8_input(), operator.output
    require_int8_output(operator)
    if (given.scale, given.zero_point) != (made.scale, made.zero_point):
        raise operator.error(
            f"expected one scale and zero point for input and output, found {given.scale:g}, {given.zero_point} and "
            f"{made.scale:g}, {made.zero_point}"
        )
    if (activation := operator.small_option(ACTIVATION)) not in ACTIVATIONS:
        raise operator.error(f"fused activation {activation} is not known; use ReLU, ReLU6 or none")
    # XNNPACK has no average of int8, and no windows that leave elements out.
    sparse = any(operator.option(stride) > operator.option(window) for stride, window in STRIDES)
    builtin = average or sparse
    return activation_bounds(activation, made.scale, made.zero_point, family="D" if builtin else family)


def _pooled(given: Array, height: _Axis, width: _Axis, *, average: bool) -> Array:
    """Before the activation, int64 ``(batch, height, width, channels)``."""
    rows, columns = _windows(height), _windows(width)
    over = np.add if average else np.maximum
    found = _reduced(_reduced(given.astype(np.int64), rows, 1, over), columns, 2, over)
    if not average:
        return found
    count = ((rows[:, 1] - rows[:, 0])[:, None] * (columns[:, 1] - columns[:, 0]))[None, :, :, None]
    rounded: Array = np.sign(found) * ((np.abs(found) + count // 2) // count)
    return rounded


def _windows(axis: _Axis) -> npt.NDArray[np.int64]:
    """Begin and end of each window inside the input, ``(windows, 2)``."""
    begin = np.arange(axis.out) * axis.stride - axis.padding
    return np.stack([np.maximum(begin, 0), np.minimum(begin + axis.filter, axis.size)], axis=1)


def _reduced(given: Array, windows: npt.NDArray[np.int64], axis: int, over: np.ufunc) -> Array:
    """One value for each window: every other of ``reduceat``, for which an end is the begin of the next."""
    end = [(0, int(number == axis)) for number in range(given.ndim)]
    every: Array = over.reduceat(np.pad(given, end), windows.reshape(-1), axis=axis)
    return every.take(np.arange(len(windows)) * 2, axis=axis)


def _kind(name: str, *, average: bool) -> OperatorKind:
    def reference(operator: Operator, family: Family) -> Kernel:
        low, high = _bounds(operator, family, average=average)

        def run(given: Array) -> Array:
            found = _pooled(given, *_axes(operator, given.shape, average=average), average=average)
            return np.clip(found, low, high).astype(np.int8)

        return run

    def emit(step: Step, family: Family) -> Code:
        given, made = step.input, step.output
        height, width = _axes(step.operator, given.shape, average=average)
        low, high = _bounds(step.operator, family, average=average)
        batch = given.shape[0]
        sizes = (given.size // batch, made.size // batch)
        start, end = ("$in0", "$out0"), ""
        if batch > 1:
            start, end = (f"$in0 + i * {sizes[0]}", f"$out0 + i * {sizes[1]}"), "\n}"
        call = (
            f"{name}({', '.join(start)}, {height.size}, {width.size}, {given.shape[3]}, {height.out}, {width.out},\n"
            f"    {height.filter}, {width.filter}, {height.stride}, {width.stride}, {height.padding}, {width.padding}, "
            f"{low}, {high});"
        )
        if batch > 1:
            call = f"for (int32_t i = 0; i < {batch}; i++) {{\n{call}"
        return Code(call + end, (), ("clamp", "pool_window", name))

    return OperatorKind(Support(version=2, required=1, inputs=1), reference, emit)


AVERAGE_POOL_2D, MAX_POOL_2D = _kind("average_pool", average=True), _kind("max_pool", average=False)
