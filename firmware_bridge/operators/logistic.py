"""LOGISTIC: ``1 / (1 + exp(-x))`` of each byte.

D: ``SigmoidPrepare`` in ``tensorflow/lite/kernels/activations.cc`` with ``LUTPopulate`` of ``kernels/internal/
common.h``: all in float32, halves away from zero. S: ``SigmoidOp`` in XNNPACK's ``src/reference/unary-elementwise.cc``,
of which its lookup table is made: the exponential in float64, halves to even.

TFLite Micro computes this operator in fixed point (``reference/integer_ops/logistic.h``): the same outputs but for a
few of inputs with large scales, by one step.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vedette.firmware_bridge.operators.lookup import lookup_kind
from vedette.firmware_bridge.operators.real_functions import quantized, reals, require_quantization
from vedette.runtime.inference.reference.graph import Operator
from vedette.runtime.inference.reference.rounding import Family


def table(operator: Operator, family: Family) -> npt.NDArray[np.int8]:
    """The outputs for the inputs -128 to 127."""
    require_quantization(operator, 2.0**-8, -128)
    x = reals(operator)
    with np.errstate(over="ignore"):
        if family == "S":
            power = np.exp(np.clip(x, -101, 101).astype(np.float64))
            y = (power / (1 + power)).astype(np.float32)
            y = np.where(x > 100, np.float32(1), np.where(x < -100, np.float32(0), y))
        else:
            y = np.float32(1) / (np.float32(1) + np.exp(-x.astype(np.float64)).astype(np.float32))
    return quantized(operator, y, family)


LOGISTIC = lookup_kind(table, version=2)
