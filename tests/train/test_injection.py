"""Injected anomalies: where they are, how long, and that their labels tell the truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.runtime.detection.signal import Channel, SignalSpec
from vedette.train.evaluation.metrics import events
from vedette.train.injection import SPACING, inject, inject_patterns

LENGTHS = (8, 64)


def signal(window: int = 16, channels: int = 3) -> SignalSpec:
    return SignalSpec(
        channels=tuple(Channel(f"c{i}", mean=0.0, scale=2.0, low=-9.0, high=9.0) for i in range(channels)),
        window=window,
        stride=1,
        sample_period_s=None,
        timestamp=None,
        missing="hold",
        max_hold=window,
        input_clip=6.0,
    )


def normal(count: int, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 2, (count, channels))


def lengths_of(label: np.ndarray) -> list[int]:
    return [last - first + 1 for first, last in events(label)]


@given(st.integers(0, 200), st.sampled_from([None, LENGTHS]))
def test_only_labelled_rows_are_disturbed_each_in_one_channel(seed: int, lengths: tuple[int, int] | None) -> None:
    rows = normal(2000)
    before = rows.copy()
    disturbed, label = inject(rows, signal(), seed=seed, lengths=lengths)
    assert np.array_equal(rows, before), "the normal rows stay"
    changed = disturbed != rows
    assert not changed[label == 0].any()
    for first, last in events(label):
        assert changed[first : last + 1].any(axis=0).sum() == 1


@given(st.integers(0, 200), st.integers(2, 100))
def test_without_lengths_an_anomaly_is_one_window_long_and_every_eighth_window_has_one(seed: int, window: int) -> None:
    _, label = inject(normal(3000), signal(window), seed=seed)
    assert set(lengths_of(label)) == {window}
    begins = [first for first, _ in events(label)]
    assert set(np.diff(begins)) <= {SPACING * window}
    assert SPACING // 2 * window <= begins[0] < SPACING * window


@pytest.mark.parametrize("lengths", [(8, 64), (2, 3), (5, 5)])
def test_with_lengths_anomalies_are_of_all_of_them(lengths: tuple[int, int]) -> None:
    found = [length for seed in range(200) for length in lengths_of(inject(normal(1500), signal(), seed=seed,
                                                                           lengths=lengths)[1])]  # fmt: skip
    assert (min(found), max(found)) == lengths
    if lengths == (8, 64):
        assert np.median(found) == pytest.approx(np.sqrt(8 * 64), rel=0.2), "as many short ones as long ones"


@given(st.integers(0, 200), st.integers(2, 500))
def test_with_lengths_the_window_does_not_matter(seed: int, window: int) -> None:
    one, other = (inject(normal(1500), signal(size), seed=seed, lengths=LENGTHS) for size in (16, window))
    np.testing.assert_array_equal(one[0], other[0])
    np.testing.assert_array_equal(one[1], other[1])


@given(st.integers(0, 200), st.integers(LENGTHS[1] + 1, 3000))
def test_more_rows_than_the_longest_anomaly_get_one(seed: int, count: int) -> None:
    _, label = inject(normal(count), signal(), seed=seed, lengths=LENGTHS)
    assert label.any()
    assert label.mean() < 1.0


def test_with_lengths_every_place_gets_anomalies() -> None:
    label = np.mean([inject(normal(700), signal(), seed=seed, lengths=LENGTHS)[1] for seed in range(300)], axis=0)
    inside = label[LENGTHS[1] : -LENGTHS[1]]
    assert inside.min() > 0.2 * inside.mean()


@given(st.integers(0, 200), st.integers(2, 500))
def test_a_changed_pattern_is_made_of_normal_readings_of_all_channels(seed: int, window: int) -> None:
    rows = normal(1500)
    before = rows.copy()
    changed, label = inject_patterns(rows, signal(window), seed=seed, lengths=LENGTHS)
    assert np.array_equal(rows, before), "the normal rows stay"
    assert not (changed != rows)[label == 0].any()
    assert events(label)
    for first, last in events(label):
        assert LENGTHS[0] <= last - first + 1 <= LENGTHS[1]
        assert (changed != rows)[first : last + 1].any(axis=0).all()
    assert np.abs(changed).max() <= 2 * np.abs(rows).max(), "at most the largest amplitude"
    np.testing.assert_array_equal(changed, inject_patterns(rows, signal(), seed=seed, lengths=LENGTHS)[0])


def test_every_kind_of_changed_pattern_comes_up() -> None:
    """On a ramp each of them leaves a trace of its own."""
    ramp = np.arange(900.0)[:, None]
    steps = set[float]()
    for seed in range(60):
        changed, label = inject_patterns(ramp, signal(channels=1), seed=seed, lengths=(32, 32))
        (first, last), *_ = events(label)
        steps.add(float(np.median(np.diff(changed[first : last + 1, 0]))))
    # Backwards, two speeds (the smaller amplitude 0.5 and the larger 2 look alike here), two amplitudes; smoothed and
    # from elsewhere keep the step.
    assert {round(step, 3) for step in steps} == {-1.0, 0.5, 2.0, 0.3, 1.5, 1.0}


def test_missing_values_spoil_no_other_reading() -> None:
    rows = normal(900)
    rows[::50, 0] = np.nan
    for seed in range(20):
        changed, _ = inject_patterns(rows, signal(), seed=seed, lengths=LENGTHS)
        assert np.isnan(changed[:, 0]).mean() < 0.2
        assert np.isfinite(changed[:, 1:]).all()


def test_the_same_seed_disturbs_the_same_and_another_seed_otherwise() -> None:
    one, again, other = (inject(normal(900), signal(), seed=seed, lengths=LENGTHS)[0] for seed in (1, 1, 2))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
