"""TRANSPOSE_CONV: ``tensorflow/lite/kernels/transpose_conv.cc`` and
``kernels/internal/reference/integer_ops/transpose_conv.h``; in S XNNPACK's deconvolution, ``qs8-qc8w-igemm``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vedette.firmware_bridge.operators.base import Code, Constant, OperatorKind, Step
from vedette.firmware_bridge.operators.conv_2d import call, kernels, scratch_bytes, weights_constant
from vedette.firmware_bridge.operators.convolution import (
    SAME,
    Pair,
    Window,
    bias_constant,
    biases_of,
    check_steps,
    filters_of,
    image,
    largest_sums,
    outputs_constants,
    require_fit,
    require_input,
    scaling,
    window,
)
from vedette.runtime.inference.reference.graph import Array, Kernel, Operator, Support
from vedette.runtime.inference.reference.rounding import Family

# Fields of TransposeConvOptions. Steps are (height, width).
PADDING, STRIDES, ACTIVATION = 0, (2, 1), 3
# Inputs: the output's shape, weights, activation, bias.
SHAPE, WEIGHTS, GIVEN, BIAS = range(4)
# Each is a call in C.
MOST_PHASES = 64


def transpose_conv(operator: Operator, family: Family) -> Kernel:
    """Input ``(batch, height, width, channels)``; weights ``(units, height, width, channels)``.

    The output has a size of which a convolution with the same kernel and strides would make the input's.
    """
    filters = filters_of(operator, "(units, height, width, channels)", axis=0)
    assert filters.data is not None
    units, *_, channels = filters.data.shape
    kernel, strides, padding = _kernel(operator), _strides(operator), operator.small_option(PADDING)
    check_steps(operator, padding, strides)
    if family == "S" and padding == SAME and (kernel[0] < strides[0] or kernel[1] < strides[1]):
        raise operator.error(
            f"strides {strides} beyond the kernel {kernel} with padding SAME are not for XNNPACK; use padding VALID"
        )
    given, bias = operator.int8_input(GIVEN), biases_of(operator, BIAS, units)
    activation = operator.small_option(ACTIVATION)
    flat = filters.data.reshape(units, -1)
    requantize = scaling(operator, given, flat, bias, activation=activation, family=family)
    taps = filters.data.astype(np.int64)

    def run(shape: Array, _weights: Array, x: Array, *_: Array | None) -> Array:
        if shape.dtype != np.int32 or shape.shape != (4,) or x.ndim != 4:
            raise operator.error(f"expected the shape of an output of 4 dimensions, found {shape.tolist()}")
        require_input(operator, x, channels)
        batch, height, width, depth = (int(length) for length in shape)
        place = window((height, width), kernel, strides, (1, 1), padding)
        if (batch, *place.sizes, depth) != (*x.shape[:3], units):
            raise operator.error(
                f"an output of shape {shape.tolist()} does not fit an input of shape {x.shape}, a kernel of {kernel} "
                f"and strides of {strides}"
            )
        top, left = place.before
        # The output with all that lies outside of it.
        rows, columns = (
            max((x.shape[1 + axis] - 1) * strides[axis] + kernel[axis], place.before[axis] + int(shape[1 + axis]))
            for axis in (0, 1)
        )
        products = batch * x.shape[1] * x.shape[2] * place.taps * units
        require_fit(operator, x, (height, width), batch * rows * columns * units, products)
        sums = np.zeros((batch, rows, columns, units), np.int64)
        values = x.astype(np.int64) - given.zero_point
        for i in range(kernel[0]):
            for j in range(kernel[1]):
                places = (
                    slice(i, i + (x.shape[1] - 1) * strides[0] + 1, strides[0]),
                    slice(j, j + (x.shape[2] - 1) * strides[1] + 1, strides[1]),
                )
                sums[:, places[0], places[1]] += values @ taps[:, i, j].T
        inside = sums[:, top : top + height, left : left + width].reshape(-1, units)
        return requantize(inside + bias).reshape(batch, height, width, units)

    return run


def emit(step: Step, family: Family) -> Code:
    """A convolution without strides for every phase of the strides.

    Along a dimension, output ``stride * n + phase`` is of every ``stride``-th place of the kernel alone, and so of
    successive inputs: the outputs of a phase are a convolution of their own, with the places in reverse.
    """
    operator, given, made = step.operator, step.inputs[GIVEN], step.output
    filters = operator.constant(WEIGHTS, np.int8)
    assert given is not None and filters is not None and filters.data is not None
    image(operator, given)
    _, height, width, units = made.shape
    strides, bias = _strides(operator), biases_of(operator, BIAS, units)
    phases = min(strides[0], height) * min(strides[1], width)
    if phases > MOST_PHASES:
        raise operator.error(f"strides {strides} make {phases} convolutions of it, expected at most {MOST_PHASES}")
    before = window((height, width), _kernel(operator), strides, (1, 1), operator.small_option(PADDING)).before
    scaling_constants, outputs = outputs_constants(
        operator,
        given,
        made,
        activation=operator.small_option(ACTIVATION),
        largest=float(largest_sums(filters.data.reshape(units, -1), bias).max()),
        family=family,
    )
    calls: list[str] = []
    constants: list[Constant] = list(scaling_constants)
    largest = 0
    for row in range(min(strides[0], height)):
        for column in range(min(strides[1], width)):
            vertical, horizontal = (
                _phase(phase, before[axis], strides[axis], made.shape[1 + axis], filters.data.shape[1 + axis])
                for axis, phase in enumerate((row, column))
            )
            part = _places(_places(filters.data, vertical.places, 1), horizontal.places, 2)
            place = Window(
                (part.shape[1], part.shape[2]),
                (1, 1),
                (1, 1),
                (vertical.before, horizontal.before),
                (vertical.size, horizontal.size),
            )
            rows, suffix = part.reshape(units, -1), f"_{row}_{column}"
            constants += [
                weights_constant(f"weights{suffix}", rows),
                bias_constant(f"bias{suffix}", bias, rows, given.zero_point),
            ]
            steps = (strides[0] * width * units, strides[1] * units)
            offset = (row * width + column) * units
            calls.append(
                call(f"$in{GIVEN}", given, place, rows, outputs=outputs, steps=steps, suffix=suffix, offset=offset)
            )
            largest = max(largest, scratch_bytes(rows.shape[1]))
    return Code("\n".join(calls), tuple(constants), kernels(family), largest)


@dataclass(frozen=True)
class _Phase:
    """One phase along one dimension.

    ``places`` are its places of the kernel, ``before`` says where they begin before the input, ``size`` is its number
    of outputs.
    """

    places: list[int]
    before: int
    size: int


def _phase(phase: int, before: int, stride: int, length: int, kernel: int) -> _Phase:
    first = (phase + before) % stride
    places = list(range(first, kernel, stride))[::-1]
    # A phase without any place is of the bias alone; one place of zeros serves for it.
    begin = max(len(places), 1) - 1 - (phase + before - first) // stride
    return _Phase(places, begin, -(-(length - phase) // stride))


def _places(weights: npt.NDArray[np.int8], places: list[int], axis: int) -> npt.NDArray[np.int8]:
    return np.take(weights, places, axis) if places else np.zeros_like(np.take(weights, [0], axis))


def _kernel(operator: Operator) -> Pair:
    filters = operator.constant(WEIGHTS, np.int8)
    assert filters is not None
    return filters.shape[1], filters.shape[2]


def _strides(operator: Operator) -> Pair:
    return operator.option(STRIDES[0]), operator.option(STRIDES[1])


TRANSPOSE_CONV = OperatorKind(Support(version=5, required=3, inputs=4), transpose_conv, emit)
