"""What functions of a real number share: inputs as reals, and their values as bytes of a fixed scale.

The exponential and its relatives are computed in float64 and rounded to float32 once, which is what a float32 library
function gives too, up to one unit in its last place in some arguments.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vedette.firmware_bridge.operators.lookup import INPUTS
from vedette.runtime.inference.reference.graph import Operator
from vedette.runtime.inference.reference.rounding import Family


def require_quantization(operator: Operator, scale: float, zero_point: int) -> None:
    """Raises :class:`ModelError` where the output is not quantized as the specification has it for this operator.

    https://ai.google.dev/edge/litert/models/quantization_spec
    """
    made = operator.output
    if float(made.scale) != scale or made.zero_point != zero_point:
        raise operator.error(
            f"expected an output of scale {scale:g} and zero point {zero_point}, found {made.scale:g} and "
            f"{made.zero_point}; convert the model again"
        )


def reals(operator: Operator) -> npt.NDArray[np.float32]:
    """The real numbers that the inputs -128 to 127 stand for."""
    given = operator.int8_input()
    return given.scale * (INPUTS - given.zero_point).astype(np.float32)


def quantized(operator: Operator, y: npt.NDArray[np.float32], family: Family) -> npt.NDArray[np.int8]:
    """Real numbers as bytes of the output, whose scale is a power of two."""
    made = operator.output
    steps = y * (np.float32(1) / made.scale)
    if family == "S":
        rounded = np.rint(steps + np.float32(made.zero_point))
    else:
        rounded = np.trunc(steps + np.copysign(np.float32(0.5), steps)) + np.float32(made.zero_point)
    found: npt.NDArray[np.int8] = np.clip(rounded, -128, 127).astype(np.int8)
    return found
