"""DEPTHWISE_CONV_2D: ``tensorflow/lite/kernels/depthwise_conv.cc`` and
``kernels/internal/reference/integer_ops/depthwise_conv.h``; in S XNNPACK's ``qs8-qc8w-dwconv``."""

from __future__ import annotations

import numpy as np

from vedette.firmware_bridge.operators.base import Code, Constant, OperatorKind, Step
from vedette.firmware_bridge.operators.convolution import (
    OUTPUTS,
    TOGETHER,
    Pair,
    Window,
    bias_constant,
    biases_of,
    check_steps,
    filters_of,
    image,
    largest_sums,
    layer_text,
    outputs_constants,
    require_fit,
    require_input,
    scaling,
    window,
    window_text,
)
from vedette.runtime.inference.reference.graph import Array, Kernel, Operator, Support
from vedette.runtime.inference.reference.rounding import Family

# Fields of DepthwiseConv2DOptions. Steps are (height, width).
PADDING, STRIDES, MULTIPLIER, ACTIVATION, DILATIONS = 0, (2, 1), 3, 4, (6, 5)


def depthwise_conv_2d(operator: Operator, family: Family) -> Kernel:
    """Input ``(batch, height, width, channels)``; weights ``(1, height, width, channels * multiplier)``.

    Output ``unit`` is of channel ``unit // multiplier`` alone.
    """
    filters = filters_of(operator, "(1, height, width, units)", axis=3)
    assert filters.data is not None
    first, *_, units = filters.data.shape
    multiplier = operator.option(MULTIPLIER)
    check_steps(operator, operator.small_option(PADDING), *_steps(operator))
    if first != 1 or multiplier < 1 or units % multiplier:
        raise operator.error(f"weights of shape {filters.shape} do not fit a depth multiplier of {multiplier}")
    channels = units // multiplier
    given, weights = operator.int8_input(), filters.data.reshape(-1, units)
    bias = biases_of(operator, 2, units)
    requantize = scaling(operator, given, weights.T, bias, activation=operator.small_option(ACTIVATION), family=family)
    taps = weights.astype(np.int64).reshape(-1, channels, multiplier)

    def run(x: Array, *_: Array | None) -> Array:
        require_input(operator, x, channels)
        place = _window(operator, (x.shape[1], x.shape[2]))
        (top, left), (rows, columns) = place.before, place.sizes
        reach = [
            (place.sizes[axis] - 1) * place.strides[axis] + (place.kernel[axis] - 1) * place.dilations[axis] + 1
            for axis in (0, 1)
        ]
        height, width = max(reach[0], top + x.shape[1]), max(reach[1], left + x.shape[2])
        require_fit(
            operator, x, place.sizes, len(x) * height * width * channels, len(x) * rows * columns * units * place.taps
        )
        wide = np.zeros((len(x), height, width, channels), np.int64)
        wide[:, top : top + x.shape[1], left : left + x.shape[2]] = x.astype(np.int64) - given.zero_point
        sums = np.zeros((len(x), rows, columns, channels, multiplier), np.int64)
        for number, weight in enumerate(taps):
            y, z = (number // place.kernel[1] * place.dilations[0], number % place.kernel[1] * place.dilations[1])
            under = wide[:, y : y + reach[0] : place.strides[0], z : z + reach[1] : place.strides[1]]
            sums += under[:, :rows, :columns, :, None] * weight
        return requantize(sums.reshape(-1, units) + bias).reshape(len(x), rows, columns, units)

    return run


def emit(step: Step, family: Family) -> Code:
    """One call."""
    operator, given, made = step.operator, step.input, step.output
    filters = operator.constant(1, np.int8)
    assert filters is not None and filters.data is not None
    units, (height, width, channels) = filters.data.shape[3], image(operator, given)
    place = _window(operator, (height, width))
    weights, bias = filters.data.reshape(-1, units), biases_of(operator, 2, units)
    constants, outputs = outputs_constants(
        operator,
        given,
        made,
        activation=operator.small_option(ACTIVATION),
        largest=float(largest_sums(weights.T, bias).max()),
        family=family,
    )
    blocks = np.pad(weights, ((0, 0), (0, -units % TOGETHER))).reshape(place.taps, -1, TOGETHER)
    fields = [
        ".weights = $weights, .bias = $bias",
        f".outputs = {outputs}",
        f".window = {window_text((height, width), channels, units // channels, place, given.zero_point)}",
        f".taps = {place.taps}, .units = {units}, .rows = {place.sizes[0]}, .columns = {place.sizes[1]}",
    ]
    return Code(
        call=layer_text("depthwise_conv_2d_t", fields, "depthwise_conv_2d(&layer, $in0, $out0, $scratch);"),
        constants=(
            Constant(
                "weights",
                blocks.transpose(1, 0, 2).reshape(-1),
                f"blocks of {TOGETHER} of {units} outputs, in each {place.taps} places of the kernel",
            ),
            bias_constant("bias", bias, weights.T, given.zero_point),
            *constants,
        ),
        kernels=("conv_window", OUTPUTS[family], "depthwise_conv_2d"),
        scratch_bytes=place.taps * units,
    )


def _steps(operator: Operator) -> tuple[Pair, Pair]:
    """Strides and dilations."""
    strides, dilations = operator.option(STRIDES[0]), operator.option(STRIDES[1])
    return (strides, dilations), (operator.option(DILATIONS[0], 1), operator.option(DILATIONS[1], 1))


def _window(operator: Operator, lengths: Pair) -> Window:
    filters = operator.constant(1, np.int8)
    assert filters is not None
    kernel = (filters.shape[1], filters.shape[2])
    return window(lengths, kernel, *_steps(operator), operator.small_option(PADDING))


# Interpreters take none without a bias.
DEPTHWISE_CONV_2D = OperatorKind(Support(version=7, required=3, inputs=3), depthwise_conv_2d, emit)
