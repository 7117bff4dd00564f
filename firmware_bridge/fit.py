"""``vedette firmware fit``: on which microcontrollers a detector fits, and why not on the others.

Flash and RAM are what the generated constants, activations and state take: exact, before any code. Milliseconds are
told only where a run of a like model was published for the board, scaled by multiply-accumulates, and are marked as
such: an estimate with its source, of another program than ours.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from vedette.firmware_bridge.plan import Plan
from vedette.firmware_bridge.target import Target


@dataclass(frozen=True)
class Estimate:
    """Milliseconds of one inference, and what they were scaled from."""

    milliseconds: float
    source: str


@dataclass(frozen=True)
class Fit:
    """One board; ``problems`` are empty where the detector fits. Bytes that are not known are None."""

    board: str
    title: str
    flash_bytes: int
    flash_have: int | None
    ram_bytes: int
    ram_have: int | None
    problems: tuple[str, ...]
    estimate: Estimate | None

    @property
    def fits(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.problems


def fit(boards: Iterable[Target], plan: Plan, *, flash_bytes: int, ram_bytes: int) -> list[Fit]:
    """All microcontrollers of ``boards``, in their order, for a plan that takes so many bytes."""
    return [_fit(board, plan, flash_bytes, ram_bytes) for board in boards if board.is_mcu]


def multiply_accumulates(plan: Plan) -> int:
    """Products that one inference adds up."""
    total = 0
    for planned in plan.steps:
        weights = planned.step.inputs[1] if len(planned.step.inputs) > 1 else None
        if weights is None or weights.data is None:
            continue
        shape, name = weights.shape, planned.step.operator.name
        if name == "FULLY_CONNECTED":
            total += planned.step.output.size * shape[-1]
        elif name == "CONV_2D":
            total += planned.step.output.size * math.prod(shape[1:])
        elif name == "DEPTHWISE_CONV_2D":
            total += planned.step.output.size * shape[1] * shape[2]
    return total


def _fit(board: Target, plan: Plan, flash_bytes: int, ram_bytes: int) -> Fit:
    problems = []
    if board.interpreter.family != plan.family:
        problems.append(f"computes in rounding family {board.interpreter.family}, the bundle is for {plan.family}")
    for memory, need, have in (
        ("flash", flash_bytes, board.flash_bytes),
        ("RAM", ram_bytes, board.ram_bytes),
    ):
        if have is not None and need > have:
            problems.append(f"{memory}: {need - have:,} B too much")
    return Fit(
        board=board.name,
        title=board.title,
        flash_bytes=flash_bytes,
        flash_have=board.flash_bytes,
        ram_bytes=ram_bytes,
        ram_have=board.ram_bytes,
        problems=tuple(problems),
        estimate=_estimate(board, plan),
    )


def _estimate(board: Target, plan: Plan) -> Estimate | None:
    published, count = board.benchmark, multiply_accumulates(plan)
    if published is None or not count:
        return None
    milliseconds = published.latency_ms.value * count / published.multiply_accumulates.value
    return Estimate(milliseconds, f"{published.title}, {published.latency_ms.source.title}")
