"""Operators of one int8 input whose every output byte depends on one input byte: a table of 256, made at export."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from vedette.firmware_bridge.operators.base import Code, Constant, OperatorKind, Step
from vedette.runtime.inference.reference.graph import Array, Kernel, Operator, Support
from vedette.runtime.inference.reference.rounding import Family

# The outputs for the inputs -128 to 127. Raises ModelError for scales that no kernel takes.
Table = Callable[[Operator, Family], npt.NDArray[np.int8]]
# All inputs of a table, in its order.
INPUTS: npt.NDArray[np.int64] = np.arange(-128, 128)


def lookup_kind(table: Table, *, version: int) -> OperatorKind:
    """The operator that a table is."""

    def reference(operator: Operator, family: Family) -> Kernel:
        outputs = _outputs(table, operator, family)

        def run(given: Array) -> Array:
            return outputs[given.astype(np.int64) + 128]

        return run

    def emit(step: Step, family: Family) -> Code:
        outputs = _outputs(table, step.operator, family)
        return Code(
            call=f"look_up($in0, $out0, {step.input.size}, $table);",
            constants=(Constant("table", outputs, "the outputs for -128 to 127"),),
            kernels=("table",),
        )

    return OperatorKind(Support(version=version, required=1, inputs=1), reference, emit, in_place=True)


def require_int8_output(operator: Operator) -> None:
    """Raises :class:`ModelError` where the output is not int8."""
    if operator.output.dtype != np.int8:
        raise operator.error(f"expected an int8 output, found {operator.output.dtype.name}")


def _outputs(table: Table, operator: Operator, family: Family) -> npt.NDArray[np.int8]:
    operator.int8_input()
    require_int8_output(operator)
    return table(operator, family)
