"""RELU, RELU6 and RELU_N1_TO_1 where they are operators of their own, as ``tensorflow/lite/kernels/activations.cc``.

``QuantizedReluX`` with ``reference_ops::ReluX``: the input less its zero point times the scales' quotient, in 31-bit
fixed point, clamped. XNNPACK takes none of them in int8, so that ai-edge-litert runs the same kernel (S). TFLite
Micro's RELU6 clamps only, which is the same where input and output have one scale and zero point.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vedette.firmware_bridge.operators.lookup import INPUTS, Table, lookup_kind
from vedette.runtime.inference.reference.graph import Operator
from vedette.runtime.inference.reference.rounding import MULTIPLIER_LIMIT, Family, activation_bounds, requantizer

# Of enum ActivationFunctionType.
_RELU, _RELU_N1_TO_1, _RELU6 = 1, 2, 3


def _table(activation: int) -> Table:
    def table(operator: Operator, _: Family) -> npt.NDArray[np.int8]:
        given, made = operator.int8_input(), operator.output
        real = np.array([given.scale / made.scale], np.float64)
        if real[0] >= MULTIPLIER_LIMIT:
            raise operator.error(
                f"its scales multiply the input by {real[0]:g}; kernels take less than {MULTIPLIER_LIMIT:g}"
            )
        bounds = activation_bounds(activation, made.scale, made.zero_point, family="D")
        return requantizer(real, made.zero_point, bounds, family="D")(INPUTS - given.zero_point)

    return table


RELU = lookup_kind(_table(_RELU), version=2)
RELU6 = lookup_kind(_table(_RELU6), version=2)
RELU_N1_TO_1 = lookup_kind(_table(_RELU_N1_TO_1), version=1)
