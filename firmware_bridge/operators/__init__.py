"""The operators of firmware, one module each: what can be run, its NumPy reference, and its C."""

from __future__ import annotations

from vedette.firmware_bridge.operators.base import OperatorKind
from vedette.firmware_bridge.operators.fully_connected import FULLY_CONNECTED
from vedette.firmware_bridge.operators.reshape import RESHAPE
from vedette.runtime.inference.reference.graph import Engine

OPERATORS: dict[str, OperatorKind] = {
    "FULLY_CONNECTED": FULLY_CONNECTED,
    "RESHAPE": RESHAPE,
}
ENGINE = Engine(
    {name: kind.support for name, kind in OPERATORS.items()},
    name="the C kernels",
    otherwise="leave it out of the model",
    floats=True,
)
