"""SHAPE and PACK of int32, by which a model finds the shape to reshape to: known beforehand, so no C at all."""

from __future__ import annotations

from vedette.firmware_bridge.operators.base import OperatorKind
from vedette.runtime.inference.reference.graph import Support
from vedette.runtime.inference.reference.shapes import pack, shape

SHAPE = OperatorKind(Support(version=1, required=1, inputs=1), shape, emit=None)
PACK = OperatorKind(Support(version=4, required=1, inputs=8), pack, emit=None)
