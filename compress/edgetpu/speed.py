"""Whether a model would be slower on the Edge TPU than on the CPU beside it.

Sending a window to the chip and asking for its answer costs the same for every model, and small networks are done on
the CPU by then. Both costs are estimated from figures in ``boards.yaml``, so the answer comes with a range.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from vedette.compress import flatbuffer

# How far either estimate may be off, as a factor: CPUs, interpreters and ways to attach the chip differ.
RANGE = 2.0


@dataclass(frozen=True)
class Estimate:
    """Microseconds for one window on each, estimated, each within a factor of :data:`RANGE`."""

    macs: int
    cpu_us: float
    tpu_us: float

    @property
    def verdict(self) -> str:
        """``slower`` or ``faster`` where that holds over the whole range, else ``unclear``."""
        if self.cpu_us * RANGE < self.tpu_us / RANGE:
            return "slower"
        return "faster" if self.tpu_us * RANGE < self.cpu_us / RANGE else "unclear"

    def __str__(self) -> str:
        says = {
            "slower": "the Edge TPU would be slower than the CPU",
            "faster": "the Edge TPU would be faster than the CPU",
            "unclear": "whether the Edge TPU would be faster than the CPU must be measured",
        }
        figures = f"CPU {_between(self.cpu_us)}, Edge TPU {_between(self.tpu_us)} microseconds"
        return f"{says[self.verdict]}: {self.macs:,} multiplications per window (estimated: {figures})"


def estimate(model: bytes, *, invoke_us: float, cpu_macs_per_us: float, tops: float) -> Estimate:
    """Estimate one window of a .tflite model on both.

    ``invoke_us`` is what the smallest invocation of the chip costs, ``cpu_macs_per_us`` what the CPU multiplies and
    adds in a microsecond, ``tops`` what the chip computes at most, a multiplication and an addition being two
    operations. Raises :class:`ModelError` where the bytes are not a .tflite model.
    """
    count = macs(model)
    return Estimate(count, count / cpu_macs_per_us, invoke_us + 2 * count / (tops * 1e6))


def macs(model: bytes) -> int:
    """Multiplications, each with an addition, that dense and convolutional layers do for one window."""
    graph = flatbuffer.read(model)
    tensors = graph.subgraphs[0].tensors
    total = 0
    for operator in graph.subgraphs[0].operators:
        name = flatbuffer.operator_name(graph, operator)
        if name in ("FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D"):
            total += _size(tensors[operator.inputs[1]].shape) * _places(tensors[operator.outputs[0]].shape)
        elif name == "TRANSPOSE_CONV":
            total += _size(tensors[operator.inputs[1]].shape) * _places(tensors[operator.inputs[2]].shape)
    return total


def _between(us: float) -> str:
    ends = (us / RANGE, us * RANGE)
    return " to ".join(f"{end:,.0f}" if end >= 10 else f"{end:.1f}" for end in ends)


def _size(shape: Any) -> int:
    return int(np.prod(shape, dtype=np.int64))


def _places(shape: Any) -> int:
    """How often the weights are used: once for every entry of a tensor but its channels."""
    return _size(shape[:-1])
