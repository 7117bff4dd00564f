"""Blocks that live at the same time never overlap, and the arena is no larger than it must be where that is known."""

from __future__ import annotations

from itertools import combinations, pairwise

from hypothesis import given
from hypothesis import strategies as st

from vedette.firmware_bridge.arena import ALIGNMENT, Block, place

spans = st.tuples(st.integers(1, 300), st.integers(0, 12), st.integers(0, 4))
blocks = st.lists(spans.map(lambda found: Block("b", found[0], found[1], found[1] + found[2])), max_size=14)


@given(blocks)
def test_what_lives_at_the_same_time_lies_side_by_side(found: list[Block]) -> None:
    arena = place(found)
    placed = list(zip(arena.blocks, arena.offsets, strict=True))
    assert arena.blocks == tuple(found)
    assert all(offset % ALIGNMENT == 0 and offset + block.size <= arena.bytes for block, offset in placed)
    for (first, at), (second, other) in combinations(placed, 2):
        if first.begin <= second.end and second.begin <= first.end:
            assert at + first.size <= other or other + second.size <= at


@given(st.lists(st.integers(1, 300), min_size=2, max_size=10))
def test_layers_in_a_row_take_no_more_than_the_two_largest_neighbours(sizes: list[int]) -> None:
    arena = place([Block("b", size * ALIGNMENT, number, number + 1) for number, size in enumerate(sizes)])
    assert arena.bytes == max(a + b for a, b in pairwise(sizes)) * ALIGNMENT


def test_an_empty_arena_is_no_empty_array() -> None:
    assert place([]).bytes == ALIGNMENT
