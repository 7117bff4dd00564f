"""Where activations and scratch memory lie in one block of RAM: what is needed at the same time lies side by side.

Blocks are placed largest first, each in the lowest gap between those that live when it does (Pisarchyk and Lee 2020,
"Efficient memory management for deep neural net inference", https://arxiv.org/abs/2001.03288, greedy by size).
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
    offsets: dict[int, int] = {}
    for number in sorted(range(len(blocks)), key=lambda number: (-blocks[number].size, number)):
        block, offset = blocks[number], 0
        beside = sorted(
            (offsets[other], blocks[other].size)
            for other in offsets
            if blocks[other].begin <= block.end and block.begin <= blocks[other].end
        )
        for begin, size in beside:
            if offset + block.size <= begin:
                break
            offset = max(offset, _aligned(begin + size))
        offsets[number] = offset
    return Arena(tuple(blocks), tuple(offsets[number] for number in range(len(blocks))))


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
