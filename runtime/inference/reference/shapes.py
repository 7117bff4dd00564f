"""SHAPE, STRIDED_SLICE and PACK of int32: how a converted model with an open batch finds the shape to reshape to.

``tensorflow/lite/kernels/shape.cc``, ``strided_slice.cc`` and ``pack.cc``. They depend on shapes alone, so that
they run once for a batch size.
"""

from __future__ import annotations

import numpy as np

from vedette.runtime.inference.reference.graph import Array, Kernel, Operator
from vedette.runtime.inference.reference.rounding import Family

# Fields of StridedSliceOptions and PackOptions.
BEGIN_MASK, END_MASK, ELLIPSIS_MASK, NEW_AXIS_MASK, SHRINK_MASK, OFFSET = range(6)
AXIS = 1


def shape(operator: Operator, _: Family) -> Kernel:
    """The input's shape, int32."""
    _check_output(operator)
    return lambda given: np.array(given.shape, np.int32)


def strided_slice(operator: Operator, _: Family) -> Kernel:
    """A slice of a vector, or with a shrunk axis one of its elements."""
    _check_output(operator)
    unwanted = [operator.option(field) for field in (BEGIN_MASK, END_MASK, ELLIPSIS_MASK, NEW_AXIS_MASK)]
    shrink = operator.option(SHRINK_MASK)
    if any(unwanted) or operator.small_option(OFFSET) or shrink not in (0, 1):
        raise operator.error("expected a plain slice of a shape; convert the model with a fixed batch")

    def run(given: Array, *ranges: Array | None) -> Array:
        plain = [part.item() for part in ranges if part is not None and part.dtype == np.int32 and part.size == 1]
        if given.ndim != 1 or given.dtype != np.int32 or len(plain) != 3 or len(ranges) != 3 or plain[2] == 0:
            raise operator.error("expected a slice of a shape, with one begin, end and step")
        begin, end, step = plain
        if not shrink:
            return given[begin:end:step]
        if not -len(given) <= begin < len(given):
            raise operator.error(f"element {begin} of a shape of {len(given)} dimensions")
        return np.array(given[begin])

    return run


def pack(operator: Operator, _: Family) -> Kernel:
    """Scalars, in a vector."""
    _check_output(operator)
    if operator.option(AXIS) not in (0, -1):
        raise operator.error("expected scalars to be packed; convert the model with a fixed batch")

    def run(*parts: Array | None) -> Array:
        scalars = [part for part in parts if part is not None and part.ndim == 0 and part.dtype == np.int32]
        if len(scalars) != len(parts):
            raise operator.error("expected scalars of int32 to be packed; convert the model with a fixed batch")
        return np.array(scalars, np.int32)

    return run


def _check_output(operator: Operator) -> None:
    if operator.output.dtype != np.int32:
        raise operator.error(
            f"expected an int32 output, found {operator.output.dtype.name}; convert the model with a fixed batch"
        )
