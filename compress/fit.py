"""Whether a detector fits a microcontroller: what it needs of flash and RAM, against what the board has.

What is counted is what the numbers of the detector take, whatever the code around them: constants in flash, and in RAM
the activations of the network and the window. So a detector that does not fit by this count does not fit, and one that
fits leaves the rest to code, stack and the application.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from vedette.compress import flatbuffer
from vedette.compress.boards import Board
from vedette.errors import BoardError
from vedette.runtime.detection.score_spec import ScoreSpec
from vedette.runtime.detection.signal import SignalSpec

# The operators that compute; the others of a network reshape.
WEIGHTED = ("CONV_2D", "FULLY_CONNECTED")
# Bytes of the numbers that firmware keeps: of a float, and of an output unit's fixed-point multiplier and shift.
FLOAT_BYTES, MULTIPLIER_BYTES = 4, 5


@dataclass(frozen=True)
class Need:
    """Bytes of flash and RAM that the numbers of a detector take, by what they are for."""

    flash: dict[str, int]
    ram: dict[str, int]


def need(model: bytes, signal: SignalSpec, score: ScoreSpec) -> Need:
    """What an int8 .tflite model, its signal and its score need."""
    graph = flatbuffer.read(model)
    tensors, buffers = graph.subgraphs[0].tensors, graph.buffers
    weights = sum(len(buffer.data) for buffer in buffers if buffer.data is not None)
    layers = [
        operator for operator in graph.subgraphs[0].operators if flatbuffer.operator_name(graph, operator) in WEIGHTED
    ]
    outputs = [tensors[operator.outputs[0]] for operator in layers]
    inputs = tensors[graph.subgraphs[0].inputs[0]]
    # Layers run one after the other, so at any time two tensors are in use: what is read and what is written. What lies
    # between them only looks at the same bytes in another shape.
    activations = [_elements(tensor) for tensor in (inputs, *outputs)]
    channels, length = len(signal.channels), signal.window * len(signal.channels)
    terms = len(score.terms)
    prototypes = score.nearest.prototypes.count * length if score.nearest else 0
    return Need(
        flash={
            "weights": weights,
            "multipliers": MULTIPLIER_BYTES * sum(int(tensor.shape[-1]) for tensor in outputs),
            "prototypes": prototypes,
            "scaling and score": FLOAT_BYTES * channels * (4 + terms),
        },
        ram={
            "activations": max(a + b for a, b in pairwise(activations)),
            "window": length,
            "newest sample and score": FLOAT_BYTES * channels * (3 + terms),
        },
    )


def require_fit(board: Board, found: Need) -> None:
    """Raise :class:`BoardError` with need, have, excess and remedy where a detector does not fit a microcontroller."""
    problems = []
    for memory, parts, have in (("flash", found.flash, board.flash_bytes), ("RAM", found.ram, board.ram_bytes)):
        needed = sum(parts.values())
        if have is not None and needed > have:
            largest = max(parts, key=lambda part: parts[part])
            problems.append(
                f"{memory}: needs {needed:,} B ({largest} {parts[largest]:,} B), {board.name} has {have:,} B, too much "
                f"by {needed - have:,} B"
            )
    if problems:
        raise BoardError(
            f"{'; '.join(problems)}. Make it smaller: vedette compress MODEL_DIR -o DIR --recipe auto --board "
            f"{board.name}, or train with fewer channels or a shorter signal.window"
        )


def _elements(tensor: Any) -> int:
    """Elements of one window in a tensor."""
    count = 1
    for size in tensor.shape[1:]:
        count *= int(size)
    return count
