"""Where activations and scratch memory lie in one block of RAM: what is needed at the same time lies side by side.

Blocks are placed one after the other, each in a gap between those that live when it does. Of several orders the best is
kept: largest first (Pisarchyk and Lee 2020, "Efficient memory management for deep neural net inference",
https://arxiv.org/abs/2001.03288, greedy by size), in the order of execution, and these from both ends in turn.
"""

from __future__ import annotations

from dataclasses import dataclass

# Kernels read and write activations and scratch memory a word at a time.
ALIGNMENT = 4


@dataclass(frozen=True)
class Block:
    """Memory that is in use from step ``begin`` to step ``end``, both included; ``size`` is in bytes."""

    name: str
    size: int
    begin: int
    end: int


@dataclass(frozen=True)
class Arena:
    """Blocks with their offsets in bytes, and the bytes that all of them take."""

    blocks: tuple[Block, ...]
    offsets: tuple[int, ...]

    @property
    def bytes(self) -> int:
        """The size of the arena; never 0, as C knows no empty arrays."""
        ends = [_aligned(offset + block.size) for block, offset in zip(self.blocks, self.offsets, strict=True)]
        return max(ends, default=ALIGNMENT)

    @property
    def fullest(self) -> tuple[int, list[Block]]:
        """The step at which most is in use, and what that is."""
        steps = range(max((block.end for block in self.blocks), default=0) + 1)
        alive = {step: [block for block in self.blocks if block.begin <= step <= block.end] for step in steps}
        step = max(steps, key=lambda step: sum(block.size for block in alive[step]))
        return step, alive[step]


def place(blocks: list[Block]) -> Arena:
    """Find the offsets.

    >>> place([Block("a", 64, 0, 1), Block("b", 16, 1, 2), Block("c", 64, 2, 3)]).offsets
    (0, 64, 0)
    """
    numbers = range(len(blocks))
    steps = {step for block in blocks for step in (block.begin, block.end)}
    # No arena can be smaller than what is in use in one step.
    least = max((sum(_aligned(blocks[number].size) for number in _alive(blocks, step)) for step in steps), default=0)
    orders = (
        sorted(numbers, key=lambda number: (-blocks[number].size, number)),
        sorted(numbers, key=lambda number: (blocks[number].begin, -blocks[number].size)),
    )
    # Layers in a row, as most networks are, fit best from both ends in turn.
    found = [_placed(blocks, order, least, both_ends=both_ends) for both_ends in (False, True) for order in orders]
    return min(found, key=lambda arena: arena.bytes)


def _alive(blocks: list[Block], step: int) -> list[int]:
    return [number for number, block in enumerate(blocks) if block.begin <= step <= block.end]


def _placed(blocks: list[Block], order: list[int], least: int, *, both_ends: bool) -> Arena:
    """The blocks in that order, each in the lowest gap, or in turn in the highest one below ``least``."""
    offsets: dict[int, int] = {}
    top = False
    for number in order:
        block = blocks[number]
        beside = sorted(
            (offsets[other], offsets[other] + _aligned(blocks[other].size))
            for other in offsets
            if blocks[other].begin <= block.end and block.begin <= blocks[other].end
        )
        edges = [0, *(end for _, end in beside)]
        gaps = [(max(edges[: place + 1]), begin) for place, (begin, _) in enumerate([*beside, (least, least)])]
        fitting = [(low, high) for low, high in gaps if high - low >= _aligned(block.size)]
        if fitting and both_ends and top:
            offsets[number] = fitting[-1][1] - _aligned(block.size)
        else:
            offsets[number] = fitting[0][0] if fitting else max(edges)
        top = not top
    return Arena(tuple(blocks), tuple(offsets[number] for number in range(len(blocks))))


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
