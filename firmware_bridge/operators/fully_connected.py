"""FULLY_CONNECTED: ``tensorflow/lite/kernels/fully_connected.cc`` and
``kernels/internal/reference/integer_ops/fully_connected.h``."""

from __future__ import annotations

import numpy as np

from vedette.firmware_bridge.operators.base import Code, Constant, OperatorKind, Step
from vedette.firmware_bridge.operators.packing import ORDER, packed, padded
from vedette.firmware_bridge.operators.requantize import multiplier_constants
from vedette.runtime.inference.reference.fully_connected import ACTIVATION, fully_connected
from vedette.runtime.inference.reference.graph import Support
from vedette.runtime.inference.reference.rounding import Family, activation_bounds, multipliers


def emit(step: Step, family: Family) -> Code:
    """One call for all rows."""
    operator, given, made = step.operator, step.input, step.output
    filters, bias = operator.constant(1, np.int8), operator.constant(2, np.int32)
    assert filters is not None and filters.data is not None
    units, depth = filters.data.shape
    real = multipliers(given.scale, filters.scales, made.scale, family=family, float_product=len(filters.scales) == 1)
    low, high = activation_bounds(operator.small_option(ACTIVATION), made.scale, made.zero_point, family=family)
    sums = np.zeros(units, np.int64) if bias is None or bias.data is None else bias.data.astype(np.int64)
    offset = sums - given.zero_point * filters.data.astype(np.int64).sum(axis=1)
    filled = np.zeros(padded(units), np.int32)
    filled[:units] = offset
    scaling = multiplier_constants(real, units, family)
    return Code(
        call=f"fully_connected($in0, $out0, $scratch, {given.size // depth}, {depth}, {units}, $weights, $bias, "
        f"{', '.join(f'${constant.name}' for constant in scaling)}, {made.zero_point}, {low}, {high});",
        constants=(
            Constant("weights", packed(filters.data), f"{depth} for each of {units} outputs, {ORDER}"),
            Constant("bias", filled, "one for each output, less zero point times weights"),
            *scaling,
        ),
        kernels=("dot", f"outputs_{family.lower()}", f"fully_connected_{family.lower()}"),
        # The input, widened to 16 bits.
        scratch_bytes=2 * padded(depth),
    )


FULLY_CONNECTED = OperatorKind(Support(version=12, required=2, inputs=3), fully_connected, emit)
