"""SQUEEZE: ``tensorflow/lite/kernels/squeeze.cc``. The same bytes, so no C at all."""

from __future__ import annotations

import numpy as np

from vedette.firmware_bridge.operators.base import OperatorKind
from vedette.firmware_bridge.operators.movement import axis_of, check_moved
from vedette.runtime.inference.reference.graph import Array, Kernel, Operator, Support
from vedette.runtime.inference.reference.rounding import Family

# Field of SqueezeOptions.
AXES = 0


def reference(operator: Operator, _: Family) -> Kernel:
    """Without the given axes of size 1, or without any such where none are given."""
    check_moved(operator, operator.int8_input())
    wanted = operator.options.array(AXES, "<i4") if operator.options else np.empty(0, np.int32)

    def run(given: Array, *_: Array | None) -> Array:
        axes = {axis_of(operator, int(axis), given.ndim) for axis in wanted}
        if any(given.shape[axis] != 1 for axis in axes):
            raise operator.error(f"axes {sorted(axes)} of shape {given.shape} cannot be left out; not all have size 1")
        kept = [size for axis, size in enumerate(given.shape) if (axis not in axes if axes else size != 1)]
        return given.reshape(kept)

    return run


SQUEEZE = OperatorKind(Support(version=2, required=1, inputs=1), reference, emit=None)
