"""RESHAPE: ``tensorflow/lite/kernels/reshape.cc``."""

from __future__ import annotations

import math

import numpy as np

from vedette.runtime.inference.reference.graph import MAX_DIMENSIONS, Array, Kernel, Operator
from vedette.runtime.inference.reference.rounding import Family

# Field of ReshapeOptions, which counts where the shape is no input.
NEW_SHAPE = 0


def reshape(operator: Operator, _: Family) -> Kernel:
    """The same bytes in the shape that the second input or the options give, with one -1 for what is left."""
    options = operator.options.array(NEW_SHAPE, "<i4") if operator.options else np.empty(0, np.int32)
    operator.int8_input()
    if operator.output.dtype != np.int8:
        raise operator.error(f"expected an int8 output, found {operator.output.dtype.name}")

    def run(given: Array, shape: Array | None = None) -> Array:
        if shape is not None and shape.dtype != np.int32:
            raise operator.error("expected the shape to be int32")
        wanted = tuple((options if shape is None else shape.reshape(-1)).tolist())
        known = math.prod(size for size in wanted if size != -1)
        fits = known == given.size if -1 not in wanted else known > 0 and given.size % known == 0
        if not fits or len(wanted) > MAX_DIMENSIONS or wanted.count(-1) > 1 or min(wanted, default=1) < -1:
            raise operator.error(f"an input of shape {given.shape} cannot take the shape {wanted}")
        return given.reshape(wanted)

    return run
