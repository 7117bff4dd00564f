"""The grid: irregular samples in, rows at a fixed period out, the same in one piece and sample by sample."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.runtime.detection.resample import Resampler, Tick
from vedette.runtime.detection.signal import GAP_PERIODS, MAX_READING

Floats = npt.NDArray[np.float64]
NAN = math.nan
EPOCH_S = 1_793_000_000.0


def push_all(grid: Resampler, times: Floats, values: Floats) -> list[Tick]:
    return [tick for time, row in zip(times.tolist(), values, strict=True) for tick in grid.push(time, row)]


def feed(grid: Resampler, times: Floats, values: Floats) -> list[Tick]:
    found = grid.feed(times, values)
    return list(map(Tick, found.times.tolist(), found.rows, found.broken.tolist()))


def resample(times: list[float] | Floats, values: list[Any] | Floats, period: float = 1.0) -> list[Tick]:
    """The ticks of a series of one channel or more."""
    rows = np.array(values, float).reshape(len(times), -1)
    return push_all(Resampler(period, channels=rows.shape[1]), np.array(times, float), rows)


def first(ticks: list[Tick]) -> list[float]:
    """The first channel's values."""
    return [float(tick.row[0]) for tick in ticks]


def assert_same(found: list[Tick], wanted: list[Tick]) -> None:
    assert [(tick.time, tick.broken) for tick in found] == [(tick.time, tick.broken) for tick in wanted]
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one.row, other.row)


@given(st.lists(st.floats(-0.49, 0.49), min_size=2, max_size=50), st.sampled_from([0.0, EPOCH_S]))
def test_jitter_of_less_than_half_a_period_neither_merges_nor_repeats_a_sample(
    jitter: list[float], epoch: float
) -> None:
    jitter[0] = 0.0
    times = epoch + np.arange(len(jitter)) + jitter
    assert first(resample(times, np.arange(len(jitter)))) == list(range(len(jitter) - 1))


@pytest.mark.parametrize("period", [0.1, 1 / 3, 0.02, 60.0, 86_400.0])
def test_regular_samples_stay_as_they_are(period: float) -> None:
    """Also where the times come from adding up a period that is no binary fraction."""
    times = EPOCH_S + np.cumsum(np.full(5000, period))
    ticks = resample(times, np.arange(5000), period)
    assert first(ticks) == list(range(4999))


def test_what_is_on_the_grid_already_is_not_changed_by_another_pass() -> None:
    times = np.cumsum(np.random.default_rng(1).uniform(0.1, 1.5, 500))
    once = resample(times, np.sin(times))
    twice = resample([tick.time for tick in once], [tick.row for tick in once])
    assert first(twice) == first(once)[: len(twice)]
    assert len(twice) == len(once) - 1


def test_ticks_do_not_drift() -> None:
    period = 0.1
    times = EPOCH_S + np.arange(200_000) * period
    ticks = Resampler(period, channels=1).feed(times, np.zeros((len(times), 1))).times
    assert ticks.tolist() == [times[0] + (k + 0.5) * period for k in range(len(ticks))]


def test_a_burst_is_averaged() -> None:
    ticks = resample([0.0, 0.1, 0.2, 0.4, 1.0, 2.0], [1, 2, 3, 6, 10, 20])
    assert [(tick.time, tick.row[0]) for tick in ticks] == [(0.5, 3.0), (1.5, 10.0)]


def test_a_sample_at_the_very_tick_belongs_to_it_and_completes_it() -> None:
    grid = Resampler(1.0, channels=1)
    assert grid.push(0.0, np.array([1.0])) == []
    assert [(tick.time, tick.row.tolist()) for tick in grid.push(0.5, np.array([3.0]))] == [(0.5, [2.0])]
    assert [(tick.time, tick.row.tolist()) for tick in grid.push(1.5, np.array([5.0]))] == [(1.5, [5.0])]


def test_a_slow_period_repeats_the_last_values_and_not_the_mean() -> None:
    ticks = resample([0.0, 0.25, 2.75, 3.75], [1, 2, 7, 8])
    assert [(tick.time, tick.row[0], tick.broken) for tick in ticks] == [
        (0.5, 1.5, False),
        (1.5, 2.0, False),
        (2.5, 2.0, False),
        (3.5, 7.0, False),
    ]


def test_a_gap_is_not_filled_and_the_grid_begins_again_behind_it() -> None:
    after = 0.25 + GAP_PERIODS + 0.125
    ticks = resample([0.0, 0.25, after, after + 0.75], [1, 2, 7, 8])
    assert [(tick.time, tick.row[0], tick.broken) for tick in ticks] == [(0.5, 1.5, False), (after + 0.5, 7.0, True)]


def test_a_step_of_just_the_longest_is_no_gap() -> None:
    ticks = resample([0.0, GAP_PERIODS, GAP_PERIODS + 1], [1, 2, 3])
    assert [tick.broken for tick in ticks] == [False] * 4
    assert first(ticks) == [1, 1, 1, 2]


def test_the_series_is_broken_at_the_row_after_a_gap_alone() -> None:
    times = [0.0, 1, 2, 30, 31, 32, 60, 90, 91]
    assert [tick.broken for tick in resample(times, times)] == [False] * 3 + [True, False, False] + [True] * 2


def test_missing_values_are_left_out_channel_by_channel() -> None:
    values = [[1, NAN], [3, NAN], [5, 10], [NAN, 20], [0, 0]]
    ticks = resample([0.0, 0.25, 1.0, 1.25, 2.0], values)
    np.testing.assert_array_equal([tick.row for tick in ticks], [[2, NAN], [5, 15]])


def test_a_value_that_is_missing_is_not_taken_from_an_interval_before() -> None:
    """That is for the missing policy, which counts how long a value is held."""
    ticks = resample([0.0, 1.0, 1.25, 3.0, 4.0], [[1, 1], [2, NAN], [3, NAN], [4, 4], [0, 0]])
    np.testing.assert_array_equal([tick.row for tick in ticks], [[1, 1], [2.5, NAN], [3, NAN], [4, 4]])


@pytest.mark.parametrize("broken", [math.inf, -math.inf, 2 * MAX_READING, NAN])
def test_a_broken_reading_is_missing(broken: float) -> None:
    for values in ([1, broken, 5], [broken, 1, 5]):
        assert first(resample([0.0, 0.25, 1.0], values)) == [1.0]
        assert first(feed(Resampler(1.0, channels=1), np.array([0.0, 0.25, 1.0]), np.array([values]).T)) == [1.0]


def test_late_samples_are_left_out_and_counted() -> None:
    times, values = np.array([0.0, 1, 2, 2, 1.5, 0, 3]), np.array([[0.0, 1, 2, 9, 9, 9, 3]]).T
    for cut in range(len(times) + 1):
        grid = Resampler(1.0, channels=1)
        parts = grid.feed(times[:cut], values[:cut]), grid.feed(times[cut:], values[cut:])
        assert np.concatenate([part.rows for part in parts]).ravel().tolist() == [0, 1, 2]
        assert sum(part.late for part in parts) == 3
    assert first(resample(times, values)) == [0, 1, 2]


def test_the_grid_does_not_depend_on_the_epoch() -> None:
    times = np.cumsum(np.random.default_rng(2).integers(1, 4 * 64, 500)) / 64  # exact wherever they are
    here, there = resample(times, times), resample(times + EPOCH_S, times)
    assert_same([tick._replace(time=tick.time + EPOCH_S) for tick in here], there)


@pytest.mark.parametrize("period", [1e-300, 1e-9, 1e-7, 3e-7, 1e9, 1e300])
def test_a_period_far_from_the_datas_is_no_endless_loop(period: float) -> None:
    times = EPOCH_S + np.arange(1000) / 1000
    values = np.arange(1000.0)[:, None]
    pushed = push_all(Resampler(period, channels=1), times, values)
    assert_same(feed(Resampler(period, channels=1), times, values), pushed)
    assert len(pushed) < 4 * len(times)


@st.composite
def series(draw: st.DrawFn) -> tuple[Floats, Floats, float]:
    """Times, values and the period: from bursts to gaps, on ticks and beside them, late ones and missing ones."""
    period = draw(st.sampled_from([1.0, 0.1, 1 / 3, 7.0]))
    steps = draw(
        st.lists(st.sampled_from([0.01, 0.25, 0.5, 1.0, 1.3, 2.0, 3.0, 3.1, 4.5, 9.0, 0.0, -2.0]), max_size=40)
    )
    times = draw(st.sampled_from([0.0, -5.5, EPOCH_S])) + np.cumsum(np.array(steps)) * period
    channels = draw(st.integers(1, 3))
    readings = st.floats(-1e6, 1e6) | st.just(NAN) | st.sampled_from([0.1, -0.0, 1e36, 1e37])
    rows = draw(
        st.lists(st.lists(readings, min_size=channels, max_size=channels), min_size=len(steps), max_size=len(steps))
    )
    return times, np.array(rows, float).reshape(len(steps), channels), period


@given(series(), st.lists(st.tuples(st.integers(0, 40), st.booleans()), max_size=5))
def test_any_mix_of_chunks_and_single_samples_gives_the_same_ticks(
    drawn: tuple[Floats, Floats, float], cuts: list[tuple[int, bool]]
) -> None:
    times, values, period = drawn
    channels = values.shape[1]
    whole, mixed = Resampler(period, channels=channels), Resampler(period, channels=channels)
    ends = sorted((min(end, len(times)), chunk) for end, chunk in [*cuts, (0, True), (40, True)])
    found = [
        tick
        for (begin, _), (end, chunk) in pairwise(ends)
        for tick in (feed if chunk else push_all)(mixed, times[begin:end], values[begin:end])
    ]
    assert_same(found, push_all(whole, times, values))


@given(series())
def test_a_row_is_what_the_definition_says(drawn: tuple[Floats, Floats, float]) -> None:
    times, values, period = drawn
    fresh = times > np.maximum.accumulate(np.concatenate([[-math.inf], times]))[:-1]
    times, values = times[fresh], np.where(np.abs(values[fresh]) <= MAX_READING, values[fresh], NAN)
    gaps = np.flatnonzero(np.diff(times) > GAP_PERIODS * period) + 1
    wanted: list[Tick] = []
    for begin, end in pairwise([0, *gaps.tolist(), len(times)]):
        part, rows = times[begin:end], values[begin:end]
        number, before = 0, -math.inf
        while len(part) and before < part[-1]:
            tick = part[0] + (number + 0.5) * period
            if tick > part[-1] and end == len(times):
                break
            inside = rows[(part > before) & (part <= tick)]
            if len(inside):
                there = [column[np.isfinite(column)] for column in inside.T]
                row = np.array([column.mean() if len(column) else NAN for column in there])
                held = np.array([column[-1] if len(column) else NAN for column in there])
            wanted.append(Tick(tick, row if len(inside) else held, begin > 0 and number == 0))
            number, before = number + 1, tick
    found = push_all(Resampler(period, channels=values.shape[1]), times, values)
    assert [(tick.time, tick.broken) for tick in found] == [(tick.time, tick.broken) for tick in wanted]
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one.row, other.row, rtol=1e-9, atol=1e-6)


@given(series(), st.integers(0, 40))
def test_ticks_are_causal(drawn: tuple[Floats, Floats, float], cut: int) -> None:
    """What is known at a sample does not change with later ones, and a row is not of samples after its tick."""
    times, values, period = drawn
    whole = push_all(Resampler(period, channels=values.shape[1]), times, values)
    part = push_all(Resampler(period, channels=values.shape[1]), times[:cut], values[:cut])
    assert_same(part, whole[: len(part)])
    other = np.where(times[:, None] > (part[-1].time if part else math.inf), 1e3 - values, values)
    changed = push_all(Resampler(period, channels=values.shape[1]), times, other)
    assert_same(changed[: len(part)], part)
