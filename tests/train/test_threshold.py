"""Calibration: the threshold keeps the budget that was asked for, on this data and on data to come."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny import SIGNAL

from vedette.errors import ConfigError, DataError
from vedette.runtime.alerting.alerts import AlertPolicy, AlertTracker
from vedette.runtime.detection.detector import Reading
from vedette.train.config import ThresholdConfig
from vedette.train.threshold import MIN_EVENTS, Calibration, at_count, calibrate, debounced, event_peaks

Scores = npt.NDArray[np.float64]
Make = Callable[[int, int], Scores]
PER_10K = "false_alarms_per_10k_samples"


def budget(**keys: float) -> ThresholdConfig:
    return ThresholdConfig(**keys)


def calibrated(scores: Scores, separation: int = 1, **keys: float) -> Calibration:
    return calibrate(scores, budget(**keys), period_s=None, stride=1, separation=separation)


def exponential(count: int, seed: int) -> Scores:
    return np.random.default_rng(seed).exponential(2.0, count)


def pareto(count: int, seed: int) -> Scores:
    """Generalised Pareto with shape 0.25 and scale 1: a heavy tail, by its inverse distribution function."""
    return (np.random.default_rng(seed).random(count) ** -0.25 - 1.0) / 0.25


def smoothed(count: int, seed: int) -> Scores:
    """Squares under an exponential mean, as a detector's scores are: neighbours are alike."""
    squares = np.random.default_rng(seed).normal(size=count) ** 2
    result, mean = np.empty(count), 1.0
    for row, square in enumerate(squares):
        mean += 0.2 * (square - mean)
        result[row] = mean
    return result


@given(
    scores=st.lists(st.integers(0, 5), min_size=1, max_size=60),
    level=st.integers(0, 5),
    separation=st.integers(1, 5),
)
def test_event_peaks_are_the_highest_scores_of_runs_with_short_breaks(
    scores: list[int], level: int, separation: int
) -> None:
    peaks: list[float] = []
    last = -100
    for row, score in enumerate(scores):
        if score > level:
            if row - last > separation:
                peaks.append(score)
            peaks[-1] = max(peaks[-1], score)
            last = row
    assert event_peaks(np.array(scores, float), float(level), separation).tolist() == peaks


@pytest.mark.parametrize("make", [exponential, pareto, smoothed])
@pytest.mark.parametrize("seed", range(3))
def test_where_the_data_shows_the_rate_its_own_events_keep_the_budget(make: Make, seed: int) -> None:
    scores = make(20_000, seed)
    found = calibrated(scores, 16, **{PER_10K: 10.0})
    assert found.method == "empirical"
    assert found.supported
    assert found.tail is None
    count = len(event_peaks(scores, found.threshold, 16))
    assert 15 <= count <= 20, "at most the budget, and not much less"
    assert found.interval[0] <= found.threshold <= found.interval[1]


@pytest.mark.parametrize(("make", "least"), [(exponential, 1 / 4), (pareto, 1 / 2), (smoothed, 1 / 2)])
def test_beyond_the_data_the_rate_on_fresh_data_is_near_the_budget(make: Make, least: float) -> None:
    """Calibrated on 5,000 scores for one event in 5,000: five times rarer than what the data could show.

    Some hundred peaks carry the fit, so a single calibration may be off by more than the typical one. Scores that are
    not smoothed have a lighter tail than the fit allows for: there it is careful.
    """
    fresh, ratios = make(400_000, 1000), []
    for seed in range(15):
        found = calibrated(make(5000, seed), 10, **{PER_10K: 2.0})
        assert (found.method, found.supported) == ("peaks_over_threshold", False)
        assert found.interval[0] <= found.threshold <= found.interval[1]
        ratios.append(len(event_peaks(fresh, found.threshold, 10)) / 40 / 2.0)
    assert least <= np.median(ratios) <= 2
    assert max(ratios) < 6


def test_the_fitted_tail_of_a_power_law_is_exponential_in_the_logarithm() -> None:
    scores = np.random.default_rng(1).random(20_000) ** -0.5 - 1.0  # 1 + score exceeds x with probability x**-2
    found = calibrated(scores, 1, **{PER_10K: 0.5})
    assert found.tail is not None
    assert found.tail["shape"] == pytest.approx(0.0, abs=0.15)
    assert found.tail["scale"] == pytest.approx(0.5, rel=0.2)
    assert found.threshold == pytest.approx(0.5e-4**-0.5 - 1.0, rel=0.35)


def test_an_alarm_takes_as_many_windows_in_a_row_as_the_policy_says() -> None:
    scores = np.ones(1000)
    scores[::50] = 9.0  # alone
    scores[7::100] = scores[8::100] = 5.0  # in pairs
    keys = {"period_s": None, "stride": 1, "separation": 10}
    alone = calibrate(scores, budget(**{PER_10K: 100.0}), min_windows=1, **keys)  # type: ignore[arg-type]
    pairs = calibrate(scores, budget(**{PER_10K: 100.0}), min_windows=2, **keys)  # type: ignore[arg-type]
    assert alone.threshold == 9.0, "20 single scores of 9 are more than the 10 that are allowed"
    assert 1.0 <= pairs.threshold < 5.0, "none of them lasts; the 10 pairs are allowed"


@given(
    st.lists(st.sampled_from([1.0, 2.0, 3.0]), min_size=1, max_size=40),
    st.integers(1, 4),
    st.none() | st.integers(1, 8),
)
def test_calibration_counts_the_alarms_that_the_gateway_raises(
    scores: list[float], least: int, of_windows: int | None
) -> None:
    """The first alert comes at the first window whose debounced level is above the threshold."""
    tracker = AlertTracker(SIGNAL, 1.5, AlertPolicy(least, 1e9, 0.0, of_windows))
    row = np.zeros(3, np.float32)
    told = [
        tracker.step(float(i), Reading(x, (x,), np.ones((1, 3), np.float32), row, row)) for i, x in enumerate(scores)
    ]
    opened = [i for i, alert in enumerate(told) if alert is not None and alert.phase == "new"]
    level = debounced(np.array(scores), least, of_windows)
    assert opened == [i for i in range(least - 1, len(scores)) if level[i] > 1.5][:1]


def test_a_budget_that_alarms_cannot_exhaust_does_not_put_the_threshold_among_normal_scores() -> None:
    scores = smoothed(5000, 2)
    found = calibrated(scores, 200, **{PER_10K: 100.0})
    assert found.threshold >= np.quantile(scores, 0.8)


def test_a_rarer_budget_never_gives_a_lower_threshold() -> None:
    for seed in range(5):
        scores = smoothed(3000, seed)
        levels = [calibrated(scores, 8, **{PER_10K: rate}).threshold for rate in (300, 100, 30, 10, 3, 1, 0.1, 0.001)]
        assert levels == sorted(levels)


@given(factor=st.floats(1e-6, 1e6), seed=st.integers(0, 20), rate=st.sampled_from([100.0, 1.0]))
def test_the_threshold_follows_the_scale_of_the_scores(factor: float, seed: int, rate: float) -> None:
    scores = exponential(500, seed)
    one, other = (calibrated(values, 4, **{PER_10K: rate}).threshold for values in (scores, scores * factor))
    assert other == pytest.approx(one * factor, rel=1e-6)


def test_a_quantile_is_the_quantile() -> None:
    scores = exponential(1000, 3)
    found = calibrated(scores, quantile=0.99)
    assert (found.method, found.threshold) == ("quantile", np.quantile(scores, 0.99))
    assert found.budget == {"quantile": 0.99}
    assert found.budget_per_score is None
    assert found.supported
    assert not calibrated(scores, quantile=0.999).supported, f"fewer than {MIN_EVENTS} scores are above it"


def test_a_budget_in_days_needs_a_time_base() -> None:
    with pytest.raises(ConfigError, match=r"needs a time base: .* set signal\.sample_period_s, or give"):
        calibrated(exponential(100, 1), false_alarms_per_day=1.0)


def test_a_budget_in_days_counts_the_samples_of_a_day() -> None:
    scores = exponential(1000, 1)
    found = calibrate(scores, budget(false_alarms_per_day=0.5), period_s=60.0, stride=4, separation=4)
    assert found.budget == {"false_alarms_per_day": 0.5}
    assert found.budget_per_score == pytest.approx(0.5 * 4 / 1440)


def test_a_budget_in_samples_counts_samples_and_not_windows() -> None:
    found = calibrate(exponential(1000, 1), budget(**{PER_10K: 5.0}), period_s=60.0, stride=4, separation=4)
    assert found.budget == {PER_10K: 5.0}
    assert found.budget_per_score == pytest.approx(20 / 10_000)


@pytest.mark.parametrize(("period_s", "key"), [(10.0, "false_alarms_per_day"), (None, PER_10K)])
def test_the_default_budget_is_by_day_where_there_is_a_time_base(period_s: float | None, key: str) -> None:
    found = calibrate(exponential(1000, 1), ThresholdConfig(), period_s=period_s, stride=1, separation=4)
    assert list(found.budget) == [key]


@pytest.mark.parametrize("value", [0.0, 1e-30, 0.7, 1e6])
@pytest.mark.parametrize("keys", [{PER_10K: 1.0}, {PER_10K: 500.0}, {"quantile": 0.99}], ids=str)
def test_scores_that_never_vary_are_not_alarms(value: float, keys: dict[str, float]) -> None:
    scores = np.full(300, value)
    found = calibrated(scores, **keys)
    assert np.isfinite(found.threshold)
    assert found.threshold > 0
    assert not (scores > found.threshold).any()


@pytest.mark.parametrize("count", [1, 2, 3, 10])
def test_a_handful_of_scores_gives_a_finite_threshold(count: int) -> None:
    for keys in ({PER_10K: 1.0}, {PER_10K: 5000.0}, {"quantile": 0.9}):
        found = calibrated(exponential(count, 1), **keys)
        assert np.isfinite([found.threshold, *found.interval]).all()


def test_the_budget_is_an_event_not_a_window() -> None:
    """One long excursion is one false alarm, so it may stay above the threshold."""
    scores = np.concatenate([np.full(500, 1.0), np.full(200, 9.0), np.full(500, 1.0)])
    found = calibrated(scores + exponential(1200, 1) * 0.01, 16, **{PER_10K: 50.0})
    assert found.threshold < 9.0


@pytest.mark.parametrize("scores", [[], [1.0, float("nan")], [1.0, float("inf")]], ids=["none", "NaN", "infinite"])
def test_scores_that_are_not_finite_are_refused(scores: list[float]) -> None:
    with pytest.raises(DataError, match="calibration needs finite scores"):
        calibrated(np.array(scores))


def test_the_same_scores_give_the_same_calibration() -> None:
    scores = smoothed(2000, 4)
    assert calibrated(scores, **{PER_10K: 0.5}) == calibrated(scores, **{PER_10K: 0.5})


@given(
    scores=st.lists(st.integers(1, 400), min_size=1, max_size=80, unique=True),
    threshold=st.floats(0.5, 500),
    part=st.floats(0, 1),
)
def test_a_threshold_moves_to_the_nearest_level_that_so_many_scores_are_above(
    scores: list[int], threshold: float, part: float
) -> None:
    values, count = np.array(scores, float), round(part * len(scores))
    found = replace(calibrated(values, quantile=0.9), threshold=threshold)
    moved = at_count(found, values, count)
    assert (values > moved.threshold).sum() == count
    if (values > threshold).sum() == count:
        assert moved == found
    else:
        assert moved.before_matching == threshold
        assert moved.interval[0] <= moved.threshold <= moved.interval[1]
        between = (values > min(threshold, moved.threshold)) & (values < max(threshold, moved.threshold))
        assert abs(between.sum() - abs((values > threshold).sum() - count)) <= 1


def test_where_scores_are_equal_fewer_are_above_a_moved_threshold() -> None:
    scores = np.array([1.0, 2.0, 2.0, 2.0, 3.0])
    found = replace(calibrated(scores, quantile=0.9), threshold=0.5)
    assert at_count(found, scores, 2).threshold == 2.0
    assert at_count(found, np.zeros(5), 3).threshold > 0.0, "severity is a part of the threshold"
