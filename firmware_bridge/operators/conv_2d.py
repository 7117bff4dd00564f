"""CONV_2D: ``tensorflow/lite/kernels/conv.cc`` and ``kernels/internal/reference/integer_ops/conv.h``; in S XNNPACK's
``qs8-qc8w-igemm``."""

from __future__ import annotations

import numpy as np

from vedette.firmware_bridge.operators.base import Code, Constant, OperatorKind, Step, Value
from vedette.firmware_bridge.operators.convolution import (
    OUTPUTS,
    WORD,
    Pair,
    Window,
    bias_constant,
    biases_of,
    image,
    largest_sums,
    layer_text,
    outputs_constants,
    window,
    window_text,
)
from vedette.runtime.inference.reference.conv_2d import ACTIVATION, DILATIONS, PADDING, STRIDES, conv_2d
from vedette.runtime.inference.reference.graph import Array, Support
from vedette.runtime.inference.reference.rounding import Family


def emit(step: Step, family: Family) -> Code:
    """One call."""
    operator, given, made = step.operator, step.input, step.output
    filters = operator.constant(1, np.int8)
    assert filters is not None and filters.data is not None
    units, kernel_height, kernel_width, _ = filters.data.shape
    height, width, _ = image(operator, given)
    strides, dilations = (
        (operator.option(fields[0], 1), operator.option(fields[1], 1)) for fields in (STRIDES, DILATIONS)
    )
    place = window((height, width), (kernel_height, kernel_width), strides, dilations, operator.small_option(PADDING))
    rows, bias = filters.data.reshape(units, -1), biases_of(operator, 2, units)
    scaling, outputs = outputs_constants(
        operator,
        given,
        made,
        activation=operator.small_option(ACTIVATION),
        largest=float(largest_sums(rows, bias).max()),
        family=family,
    )
    return Code(
        call=call("$in0", given, place, rows, outputs=outputs, steps=(place.sizes[1] * units, units)),
        constants=(
            weights_constant("weights", rows),
            bias_constant("bias", bias, rows, given.zero_point),
            *scaling,
        ),
        kernels=kernels(family),
        scratch_bytes=scratch_bytes(rows.shape[1]),
    )


def kernels(family: Family) -> tuple[str, ...]:
    """What :func:`call` needs."""
    return ("conv_window", "conv_dot", OUTPUTS[family], "conv_2d")


def call(
    source: str,
    given: Value,
    place: Window,
    rows: Array,
    *,
    outputs: str,
    steps: Pair,
    suffix: str = "",
    offset: int = 0,
) -> str:
    """The C of a convolution with weights ``rows`` ``(units, depth)``, whose outputs begin at ``offset``.

    ``outputs`` is the initializer of a ``conv_outputs_t``, ``steps`` are from one row of outputs to the next, and from
    one output to the next.
    """
    units, size = rows.shape
    numbers = {
        "size": size,
        "depth": padded_depth(size),
        "units": units,
        "rows": place.sizes[0],
        "columns": place.sizes[1],
        "row_step": steps[0],
        "column_step": steps[1],
    }
    _, height, width, channels = given.shape
    fields = [
        f".weights = $weights{suffix}, .bias = $bias{suffix}",
        f".outputs = {outputs}",
        f".window = {window_text((height, width), channels, 1, place, given.zero_point)}",
        ", ".join(f".{name} = {number}" for name, number in numbers.items()),
    ]
    target = f"$out0 + {offset}" if offset else "$out0"
    return layer_text("conv_2d_t", fields, f"conv_2d(&layer, {source}, {target}, $scratch);")


def weights_constant(name: str, rows: Array) -> Constant:
    """Weights ``(units, depth)`` as ``kernels/conv_dot.h`` reads them."""
    units, size = rows.shape
    wide = np.pad(rows, ((0, 0), (0, padded_depth(size) - size)))
    return Constant(name, wide.reshape(-1), f"{units} rows of {size} in the order of a patch, in whole words")


def padded_depth(size: int) -> int:
    """The length of a row of weights in whole words."""
    return -(-size // WORD) * WORD


def scratch_bytes(size: int) -> int:
    """A patch, and two patches in int16."""
    return 5 * padded_depth(size)


CONV_2D = OperatorKind(Support(version=8, required=3, inputs=3), conv_2d, emit)
