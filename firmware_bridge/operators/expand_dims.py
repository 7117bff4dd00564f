"""EXPAND_DIMS: ``tensorflow/lite/kernels/expand_dims.cc``. The same bytes, so no C at all."""

from __future__ import annotations

import numpy as np

from vedette.firmware_bridge.operators.base import OperatorKind
from vedette.firmware_bridge.operators.movement import axis_of, check_moved, check_size, numbers
from vedette.runtime.inference.reference.graph import Array, Kernel, Operator, Support
from vedette.runtime.inference.reference.rounding import Family


def reference(operator: Operator, _: Family) -> Kernel:
    """With one more axis of size 1."""
    check_moved(operator, operator.int8_input())

    def run(given: Array, axis: Array | None) -> Array:
        found = numbers(operator, axis, "the axis")
        if len(found) != 1:
            raise operator.error(f"expected one axis, found {len(found)}")
        wider = np.expand_dims(given, axis_of(operator, found[0], given.ndim + 1))
        check_size(operator, wider.shape)
        return wider

    return run


EXPAND_DIMS = OperatorKind(Support(version=1, required=2, inputs=2), reference, emit=None)
