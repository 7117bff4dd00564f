"""TANH of each byte.

D: ``TanhPrepare`` in ``tensorflow/lite/kernels/activations.cc`` with ``LUTPopulate`` of ``kernels/internal/common.h``.
S: ``TanHOp`` in XNNPACK's ``src/reference/unary-elementwise.cc``. Both in float32, with halves away from zero in D and
to even in S.

TFLite Micro computes this operator in fixed point (``reference/integer_ops/tanh.h``); no other output was found.
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
    require_quantization(operator, 2.0**-7, 0)
    y = np.tanh(reals(operator).astype(np.float64)).astype(np.float32)
    return quantized(operator, y, family)


TANH = lookup_kind(table, version=2)
