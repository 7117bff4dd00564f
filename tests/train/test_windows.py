"""Windows: which rows end one, kept as runs, and which have the largest readings."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vedette.train.windows import WindowEnds

RUNS = st.lists(st.tuples(st.integers(1, 5), st.integers(1, 30)), max_size=8)


def of(runs: list[tuple[int, int]]) -> tuple[list[int], list[int]]:
    """Starts and stops of runs, given as (rows before, rows)."""
    starts, stops, row = [], [], 0
    for before, size in runs:
        starts.append(row + before)
        row += before + size
        stops.append(row)
    return starts, stops


@given(RUNS, st.integers(1, 8), st.integers(0, 60), st.integers(0, 200))
def test_ends_are_those_of_windows_inside_a_run_and_the_bounds(
    runs: list[tuple[int, int]], window: int, first: int, last: int
) -> None:
    starts, stops = of(runs)
    ends = WindowEnds.of_runs(np.array(starts, int), np.array(stops, int), window, first=first, last=last)
    expected = [
        end
        for start, stop in zip(starts, stops, strict=True)
        for end in range(start + window - 1, stop)
        if first <= end < last
    ]
    assert len(ends) == len(expected)
    assert ends[np.arange(len(ends))].tolist() == expected
    picked = np.array([[len(ends) - 1, 0], [0, len(ends) // 2]]) if expected else np.empty((0, 2), int)
    assert ends[picked].tolist() == [[expected[i] for i in row] for row in picked.tolist()]
