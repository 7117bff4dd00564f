"""What FULLY_CONNECTED and CONV_2D share: int8 rows times int8 weights, plus a bias, requantized.

The arithmetic is that of the quantization specification, https://ai.google.dev/edge/litert/models/quantization_spec,
and of Jacob et al. 2018 (https://arxiv.org/abs/1712.05877), section 2.2: an int32 sum of ``weight * (input - zero
point)`` and the bias, exact in every family. Sums of integers are exact in floating point too as long as no partial sum
exceeds the mantissa, whatever the order, so that the BLAS may compute them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from vedette.runtime.inference.reference.graph import Array, Operator
from vedette.runtime.inference.reference.rounding import (
    ACTIVATIONS,
    MULTIPLIER_LIMIT,
    Family,
    activation_bounds,
    multipliers,
    requantizer,
)

# Input rows (n, depth) int8 -> output rows (n, units) int8.
Linear = Callable[[npt.NDArray[np.int8]], npt.NDArray[np.int8]]


def linear(operator: Operator, weights: Array, *, activation: int, family: Family, float_product: bool) -> Linear:
    """The function of int8 rows that an operator with ``weights`` ``(units, depth)`` is.

    The operator's inputs are activation, weights, bias; ``float_product`` is that of
    :func:`~vedette.runtime.inference.reference.rounding.multipliers`. Raises :class:`ModelError` for what no kernel
    computes.
    """
    given, output = operator.int8_input(), operator.output
    filters = operator.constant(1, np.int8)
    bias = operator.constant(2, np.int32)
    units = len(weights)
    if filters is None or filters.zero_point != 0 or (len(filters.scales) > 1 and filters.axis != 0):
        raise operator.error("expected constant int8 weights with zero point 0 and scales along the first axis")
    if bias is not None and (bias.data is None or bias.data.shape != (units,)):
        raise operator.error(f"expected a bias of shape {(units,)}, found {bias.shape}")
    if output.dtype != np.int8:
        raise operator.error(f"expected an int8 output, found {output.dtype.name}")
    if activation not in ACTIVATIONS:
        raise operator.error(f"fused activation {activation} is not known; use ReLU, ReLU6 or none")
    real = multipliers(given.scale, filters.scales, output.scale, family=family, float_product=float_product)
    if real.max() >= MULTIPLIER_LIMIT:
        raise operator.error(f"its scales multiply sums by {real.max():g}; kernels take less than {MULTIPLIER_LIMIT:g}")
    bounds = activation_bounds(activation, output.scale, output.zero_point, family=family)
    requantize = requantizer(real, output.zero_point, bounds, family=family)

    exact = weights.astype(np.int64)
    biases = np.zeros(units, np.int64) if bias is None or bias.data is None else bias.data.astype(np.int64)
    sizes = np.abs(exact).sum(axis=1)
    largest = sizes * max(127 - given.zero_point, given.zero_point + 128) + np.abs(biases)
    # Multipliers of 1 and more shift the sum to the left first.
    if (largest * 2.0 ** np.maximum(np.frexp(real)[1], 0)).max() >= 2**31:
        raise operator.error("its sums may exceed 32 bits, where kernels differ; train with smaller weights")
    offset = biases - given.zero_point * exact.sum(axis=1)
    # The largest partial sum of weights times raw inputs, to which the offset comes last.
    partial = int((sizes * 128 + np.abs(offset)).max())
    dtype: type[np.floating[Any]] = np.float32 if partial < 2**24 else np.float64
    transposed, offset_row = exact.astype(dtype).T, offset.astype(dtype)

    def run(rows: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
        sums = np.matmul(rows.astype(dtype), transposed)
        np.add(sums, offset_row, out=sums)
        return requantize(sums)

    return run
