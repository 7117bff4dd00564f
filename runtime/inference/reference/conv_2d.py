"""CONV_2D: ``tensorflow/lite/kernels/conv.cc`` and ``kernels/internal/reference/integer_ops/conv.h``; the padding is
that of ``kernels/padding.h``."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import as_strided

from vedette.runtime.inference.reference.graph import MAX_ELEMENTS, Array, Kernel, Operator
from vedette.runtime.inference.reference.linear import linear
from vedette.runtime.inference.reference.rounding import Family

# Fields of Conv2DOptions. Steps are (height, width).
PADDING, STRIDES, ACTIVATION, DILATIONS = 0, (2, 1), 3, (5, 4)
SAME, VALID = 0, 1


def conv_2d(operator: Operator, family: Family) -> Kernel:
    """Input ``(batch, height, width, channels)``; weights ``(units, height, width, channels)``."""
    filters = operator.constant(1, np.int8)
    if filters is None or filters.data is None or filters.data.ndim != 4:
        raise operator.error("expected constant weights of shape (units, height, width, channels)")
    units, *kernel, channels = filters.data.shape
    padding = operator.small_option(PADDING)
    strides = tuple(operator.option(field) for field in STRIDES)
    dilations = tuple(operator.option(field, 1) for field in DILATIONS)
    if padding not in (SAME, VALID) or min(*strides, *dilations) < 1:
        raise operator.error(f"padding {padding}, strides {strides}, dilations {dilations} are not possible")
    rows_to_rows = linear(
        operator,
        filters.data.reshape(units, -1),
        activation=operator.small_option(ACTIVATION),
        family=family,
        float_product=False,
    )
    zero_point = np.int8(operator.int8_input().zero_point)
    reaches = [(size - 1) * dilation + 1 for size, dilation in zip(kernel, dilations, strict=True)]

    def run(given: Array, *_: Array | None) -> Array:
        if given.ndim != 4 or given.shape[3] != channels:
            raise operator.error(f"expected an input of 4 dimensions and {channels} channels, found {given.shape}")
        sizes, before, after = [], [], []
        for length, reach, stride in zip(given.shape[1:3], reaches, strides, strict=True):
            size = -(-length // stride) if padding == SAME else (length - reach) // stride + 1
            missing = max((size - 1) * stride + reach - length, 0)
            sizes.append(size)
            before.append(missing // 2)
            after.append(missing - missing // 2)
        elements = given.shape[0] * sizes[0] * sizes[1] * kernel[0] * kernel[1] * channels
        padded = (given.shape[1] + before[0] + after[0]) * (given.shape[2] + before[1] + after[1])
        if min(sizes) < 1 or max(elements, padded * given.shape[0] * channels) > MAX_ELEMENTS:
            raise operator.error(f"an input of shape {given.shape} does not fit weights of shape {filters.shape}")
        if any(before) or any(after):
            widths = [(0, 0), *zip(before, after, strict=True), (0, 0)]
            given = np.pad(given, widths, constant_values=zero_point)
        batch_step, *steps, channel_step = given.strides
        patches = as_strided(
            given,
            (len(given), *sizes, *kernel, channels),
            (
                batch_step,
                *(step * stride for step, stride in zip(steps, strides, strict=True)),
                *(step * dilation for step, dilation in zip(steps, dilations, strict=True)),
                channel_step,
            ),
            writeable=False,
        )
        return rows_to_rows(patches.reshape(len(given) * sizes[0] * sizes[1], -1)).reshape(len(given), *sizes, units)

    return run
