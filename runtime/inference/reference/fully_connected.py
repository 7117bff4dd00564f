"""FULLY_CONNECTED: ``tensorflow/lite/kernels/fully_connected.cc`` and
``kernels/internal/reference/integer_ops/fully_connected.h``."""

from __future__ import annotations

import numpy as np

from vedette.runtime.inference.reference.graph import Array, Kernel, Operator
from vedette.runtime.inference.reference.linear import linear
from vedette.runtime.inference.reference.rounding import Family

# Fields of FullyConnectedOptions.
ACTIVATION, WEIGHTS_FORMAT, KEEP_DIMENSIONS = 0, 1, 2


def fully_connected(operator: Operator, family: Family) -> Kernel:
    """Input of any shape, read as rows of the weights' depth; output ``(rows, units)``."""
    if operator.small_option(WEIGHTS_FORMAT) != 0:
        raise operator.error("expected weights in the default order, found shuffled ones; convert the model again")
    filters = operator.constant(1, np.int8)
    if filters is None or filters.data is None or filters.data.ndim != 2:
        raise operator.error("expected constant weights of shape (units, depth)")
    depth = filters.data.shape[1]
    keep = bool(operator.small_option(KEEP_DIMENSIONS))
    rows_to_rows = linear(
        operator,
        filters.data,
        activation=operator.small_option(ACTIVATION),
        family=family,
        float_product=len(filters.scales) == 1,
    )

    def run(given: Array, *_: Array | None) -> Array:
        if given.size % depth or (keep and given.shape[-1:] != (depth,)):
            raise operator.error(f"an input of shape {given.shape} does not fit weights of depth {depth}")
        found = rows_to_rows(given.reshape(-1, depth))
        return found.reshape(*given.shape[:-1], -1) if keep else found

    return run
