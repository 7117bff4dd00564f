"""RESHAPE: the same bytes in another shape, so no C at all."""

from __future__ import annotations

from vedette.firmware_bridge.operators.base import OperatorKind
from vedette.runtime.inference.reference.graph import Support
from vedette.runtime.inference.reference.reshape import reshape

RESHAPE = OperatorKind(Support(version=1, required=1, inputs=2), reshape, emit=None)
