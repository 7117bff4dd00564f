"""How an int32 sum becomes an int8 output in C: the constants of ``kernels/requantize_d.h`` and ``requantize_s.h``."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vedette.firmware_bridge.operators.base import Constant
from vedette.runtime.inference.reference.rounding import Family, fixed_point

KERNELS: dict[Family, str] = {"D": "requantize_d", "S": "requantize_s"}


def multiplier_constants(real: npt.NDArray[np.float64], units: int, family: Family) -> tuple[Constant, ...]:
    """The multipliers of ``units`` outputs, one for each.

    In D a 31-bit ``multiplier`` and a ``shift`` (left where positive), in S a float32 ``multiplier``.
    """
    each = np.broadcast_to(real, (units,))
    if family == "S":
        return (Constant("multiplier", each.astype(np.float32), "one for each output"),)
    pairs = np.array([fixed_point(float(value)) for value in each], np.int64)
    return (
        Constant("multiplier", pairs[:, 0].astype(np.int32), "one for each output, times 2^(shift - 31)"),
        Constant("shift", pairs[:, 1].astype(np.int8), "one for each output"),
    )
