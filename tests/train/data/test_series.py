"""Series in blocks: the same as in one go, wherever the blocks end."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.runtime.detection.resample import Resampler
from vedette.train.data import table_store
from vedette.train.data.series import Series, complete_runs, drop_incomplete, hold, resample, without

Values = npt.NDArray[np.float64]
COUNT, WIDTH = 60, 2
BLOCKS = st.integers(1, 25)
HOLES = st.lists(st.tuples(st.integers(0, COUNT - 1), st.integers(1, 8), st.integers(0, WIDTH - 1)), max_size=8)
BREAKS = st.lists(st.integers(1, COUNT - 1), max_size=6, unique=True).map(sorted)


@contextlib.contextmanager
def blocks(rows: int, in_memory: int = 0) -> Iterator[None]:
    """Work on so many rows at a time, and keep so many bytes in memory."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table_store, "BLOCK_BYTES", rows * WIDTH * 8)
        patch.setattr(table_store, "IN_MEMORY", in_memory)
        yield


def series(holes: list[tuple[int, int, int]], breaks: list[int]) -> Series:
    values = np.random.default_rng(2).normal(size=(COUNT, WIDTH))
    for start, length, channel in holes:
        values[start : start + length, channel] = np.nan
    places = np.array(breaks, np.int64)
    return Series(values, np.arange(float(COUNT)), places, places)


def held_one_by_one(data: Series, max_hold: int) -> Values:
    """What :func:`hold` does, as plainly as it can be written."""
    held = data.values.copy()
    last, age = np.full(WIDTH, np.nan), np.zeros(WIDTH)
    for number, row in enumerate(held):
        if number in data.breaks:
            last[:] = np.nan
        for channel in range(WIDTH):
            if np.isfinite(row[channel]):
                last[channel], age[channel] = row[channel], 0
            else:
                age[channel] += 1
                if age[channel] <= max_hold:
                    row[channel] = last[channel]
    return held


@given(HOLES, BREAKS, BLOCKS, st.integers(0, 5))
def test_holding_in_blocks_is_holding_row_by_row(
    holes: list[tuple[int, int, int]], breaks: list[int], size: int, max_hold: int
) -> None:
    data = series(holes, breaks)
    with blocks(size):
        np.testing.assert_array_equal(hold(data, max_hold), held_one_by_one(data, max_hold))


def test_rows_without_holes_are_not_copied() -> None:
    data = series([], [5])
    with blocks(7):
        assert hold(data, 3) is data.values
        assert drop_incomplete(data) is data


@given(HOLES, BREAKS, BLOCKS)
def test_runs_of_complete_rows_are_found_in_blocks(
    holes: list[tuple[int, int, int]], breaks: list[int], size: int
) -> None:
    data = series(holes, breaks)
    with blocks(size):
        starts, stops = complete_runs(data.values, data.breaks)
    inside = [list(range(start, stop)) for start, stop in zip(starts.tolist(), stops.tolist(), strict=True)]
    complete = np.flatnonzero(np.isfinite(data.values).all(axis=1)).tolist()
    assert list(itertools.chain(*inside)) == complete
    for run in inside:
        assert not set(run[1:]) & set(breaks)
    for before, after in itertools.pairwise(inside):
        assert after[0] > before[-1] + 1 or after[0] in breaks, "runs are as long as they can be"


@given(HOLES, BREAKS, BLOCKS)
def test_dropping_incomplete_rows_keeps_the_breaks(
    holes: list[tuple[int, int, int]], breaks: list[int], size: int
) -> None:
    data = series(holes, breaks)
    with blocks(size):
        left = drop_incomplete(data)
    kept = np.flatnonzero(np.isfinite(data.values).all(axis=1))
    np.testing.assert_array_equal(left.values, data.values[kept])
    assert left.times is not None
    assert left.times.tolist() == kept.tolist()
    part = np.searchsorted(breaks, np.arange(COUNT), side="right")[kept]
    assert left.breaks.tolist() == (np.flatnonzero(np.diff(part)) + 1).tolist()


@given(st.lists(st.integers(0, COUNT - 1), unique=True).map(sorted), BLOCKS, st.integers(0, COUNT - 1))
def test_rows_are_left_out_and_times_shifted_in_blocks(dropped: list[int], size: int, place: int) -> None:
    times = np.arange(float(COUNT))
    with blocks(size):
        left = without(times, np.array(dropped, np.int64), [(place, 100.0)])
    shifted = np.where(times >= place, times + 100.0, times)
    assert left.tolist() == np.delete(shifted, dropped).tolist()


@given(
    st.lists(st.sampled_from([0.3, 1.0, 1.7, 2.5, 9.0]), min_size=COUNT, max_size=COUNT),
    HOLES,
    st.lists(st.integers(1, COUNT - 1), max_size=2, unique=True).map(sorted),
    BLOCKS,
)
def test_a_grid_made_in_blocks_is_the_gateways(
    steps: list[float], holes: list[tuple[int, int, int]], cuts: list[int], size: int
) -> None:
    times, values = np.cumsum(steps), series(holes, []).values
    cut = np.array(cuts, np.int64)
    gaps = np.flatnonzero(np.diff(times) > 3.0) + 1
    with blocks(size):
        grid = resample(Series(values, times, np.union1d(gaps, cut), np.setdiff1d(cut, gaps)), 1.0)
    expected, rows, breaks = [], [], []
    for start, stop in zip([0, *np.setdiff1d(cut, gaps)], [*np.setdiff1d(cut, gaps), COUNT], strict=True):
        gateway = Resampler(1.0, channels=WIDTH)
        first = True
        for row in range(start, stop):
            for tick in gateway.push(times[row], values[row]):
                if expected and (tick.broken or first):
                    breaks.append(len(expected))
                first = False
                expected.append(tick.time)
                rows.append(tick.row)
    assert grid.times is not None
    np.testing.assert_array_equal(grid.times, expected)
    np.testing.assert_array_equal(grid.values, rows)
    assert grid.breaks.tolist() == breaks
