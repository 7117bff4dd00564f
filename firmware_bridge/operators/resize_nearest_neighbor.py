"""RESIZE_NEAREST_NEIGHBOR: ``tensorflow/lite/kernels/resize_nearest_neighbor.cc``.

D finds places in float32 (``GetNearestNeighbor`` in ``kernels/internal/reference/resize_nearest_neighbor.h``). S, where
XNNPACK leaves the operator to TFLite's optimised kernels (``kernels/internal/optimized/optimized_ops.h``), has the same
with aligned corners or half-pixel centres, and 16 bits of fraction otherwise.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vedette.firmware_bridge.operators.base import Code, Constant, OperatorKind, Step
from vedette.firmware_bridge.operators.movement import check_moved, check_size, numbers
from vedette.runtime.inference.reference.graph import Array, Kernel, Operator, Support
from vedette.runtime.inference.reference.rounding import Family

# Fields of ResizeNearestNeighborOptions.
ALIGN_CORNERS, HALF_PIXEL_CENTERS = 0, 1
# Beyond it the 16 bits of fraction do not fit an int32.
LARGEST = 32_767


def reference(operator: Operator, family: Family) -> Kernel:
    """Images ``(batch, height, width, channels)`` in another height and width."""
    check_moved(operator, operator.int8_input())

    def run(given: Array, wanted: Array | None) -> Array:
        if given.ndim != 4 or max(given.shape) > LARGEST:
            raise operator.error(f"expected images of 4 dimensions up to {LARGEST:,}, found {given.shape}")
        sizes = numbers(operator, wanted, "height and width")
        if len(sizes) != 2:
            raise operator.error(f"expected a height and a width, found {len(sizes)} numbers")
        check_size(operator, [given.shape[0], *sizes, given.shape[3]])
        if max(sizes) > LARGEST:
            raise operator.error(f"expected a height and a width of up to {LARGEST:,}, found {sizes}")
        rows, columns = (_nearest(operator, *pair, family) for pair in zip(given.shape[1:3], sizes, strict=True))
        return given[:, rows[:, None], columns[None, :]]

    return run


def emit(step: Step, family: Family) -> Code:
    """Rows and columns are tables, so that no number is rounded on the board."""
    given, made = step.input, step.output
    images, height, width, channels = given.shape
    _, *sizes, _ = made.shape
    rows, columns = (_nearest(step.operator, *pair, family) for pair in zip((height, width), sizes, strict=True))
    return Code(
        f"resize_nearest($in0, $out0, {images}, {height}, {width}, {sizes[0]}, {sizes[1]}, {channels}, $rows, "
        "$columns);",
        (
            Constant("rows", rows.astype(np.uint16), "the row of the input for each of the output"),
            Constant("columns", columns.astype(np.uint16), "the column of the input for each of the output"),
        ),
        ("resize_nearest",),
    )


def _nearest(operator: Operator, size: int, wanted: int, family: Family) -> npt.NDArray[np.int64]:
    """For each place along the output's axis the one along the input's."""
    align = bool(operator.small_option(ALIGN_CORNERS))
    half = bool(operator.small_option(HALF_PIXEL_CENTERS))
    if family == "S" and not align and not half:
        ratio = (size << 16) // wanted + 1
        found: npt.NDArray[np.int64] = np.minimum(np.arange(wanted, dtype=np.int64) * ratio >> 16, size - 1)
        return found
    corners = align and wanted > 1
    scale = np.float32(size - 1) / np.float32(wanted - 1) if corners else np.float32(size) / np.float32(wanted)
    at = (np.arange(wanted, dtype=np.float32) + np.float32(0.5 if half else 0.0)) * scale
    places = np.trunc(at.astype(np.float64) + 0.5) if align else np.floor(at)
    return np.clip(places, 0, size - 1).astype(np.int64)


RESIZE_NEAREST_NEIGHBOR = OperatorKind(Support(version=4, required=2, inputs=2), reference, emit)
