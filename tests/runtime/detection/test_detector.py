"""The detector: causal, finite, and explicit about what is missing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny import CHANNELS, INPUT, SCORE, SIGNAL, WINDOW, tiny_model

from vedette.errors import DataError
from vedette.runtime.detection.detector import Detector, Reading, SampleRejectedError
from vedette.runtime.detection.prototypes import Prototypes
from vedette.runtime.detection.score_spec import PrototypeSpec, TermSpec
from vedette.runtime.inference.interpreter import Model

Rows = npt.NDArray[np.float64]
MODEL = Model(tiny_model())
WIDTH = len(CHANNELS)
NAN = float("nan")


def noise(count: int, seed: int = 1) -> Rows:
    return np.random.default_rng(seed).normal(size=(count, WIDTH))


def detector(*, stride: int = 1, missing: str = "hold", smoothing: float = 1.0) -> Detector:
    signal = replace(SIGNAL, stride=stride, missing=missing)
    return Detector(signal, replace(SCORE, prediction=replace(SCORE.prediction, smoothing=smoothing)), MODEL)


def push_all(found: Detector, rows: Rows) -> list[Reading | None]:
    """One entry per row: its reading, or None where there is none or the sample was rejected."""
    readings: list[Reading | None] = []
    for row in rows:
        try:
            readings.append(found.push(row))
        except SampleRejectedError:
            readings.append(None)
    return readings


def scores(found: Detector, rows: Rows) -> list[float | None]:
    return [reading.score if reading else None for reading in push_all(found, rows)]


@given(cut=st.integers(0, 60), stride=st.integers(1, 5), smoothing=st.sampled_from([1.0, 0.3]), seed=st.integers(0, 99))
def test_the_scores_of_a_prefix_are_the_prefix_of_the_scores(
    cut: int, stride: int, smoothing: float, seed: int
) -> None:
    rows = noise(60, seed)
    rows[np.random.default_rng(seed).random(rows.shape) < 0.05] = NAN
    whole = scores(detector(stride=stride, smoothing=smoothing), rows)
    assert scores(detector(stride=stride, smoothing=smoothing), rows[:cut]) == whole[:cut]


def test_a_sample_scores_what_its_model_says() -> None:
    reading = push_all(detector(), np.full((WINDOW, WIDTH), 4.0))[-1]
    assert reading is not None
    assert reading.observed.tolist() == [4.0] * WIDTH
    assert reading.expected == pytest.approx([0.4] * WIDTH, abs=0.01)
    assert reading.score == pytest.approx(3.6**2, rel=0.01)


def test_smoothing_is_an_exponential_mean_of_the_windows_scores() -> None:
    rows = noise(20)
    plain = [score for score in scores(detector(), rows) if score is not None]
    smooth = [score for score in scores(detector(smoothing=0.25), rows) if score is not None]
    expected = [plain[0]]
    for score in plain[1:]:
        expected.append(0.75 * expected[-1] + 0.25 * score)
    assert smooth == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("stride", [1, 2, 3, 7])
def test_after_the_first_window_every_stride_samples_give_a_score(stride: int) -> None:
    found = [row for row, score in enumerate(scores(detector(stride=stride), noise(40))) if score is not None]
    assert found == list(range(WINDOW - 1, 40, stride))


def test_a_stride_only_picks_from_the_scores_of_every_window() -> None:
    every, third = scores(detector(), noise(40)), scores(detector(stride=3), noise(40))
    assert [score for score in third if score is not None] == pytest.approx(every[WINDOW - 1 :: 3], rel=1e-5)


def test_a_held_value_scores_as_if_it_had_arrived_again() -> None:
    rows = noise(12)
    held, written = rows.copy(), rows.copy()
    held[8, 1] = held[9, 1] = NAN
    written[8, 1] = written[9, 1] = rows[7, 1]
    assert scores(detector(), held) == scores(detector(), written)


def test_a_value_held_too_long_makes_the_window_start_afresh() -> None:
    rows = noise(30)
    gone = slice(10, 10 + SIGNAL.max_hold + 1)
    rows[gone, 0] = NAN
    found = detector()
    for row in rows[: gone.stop - 1]:
        found.push(row)
    with pytest.raises(SampleRejectedError, match=r"no value for x for more than 3 samples"):
        found.push(rows[gone.stop - 1])
    after = scores(found, rows[gone.stop :])
    assert after[: WINDOW - 1] == [None] * (WINDOW - 1)
    assert after == scores(detector(), rows[gone.stop :])


def test_the_hold_limit_is_each_channels_own_and_starts_again_with_a_value() -> None:
    rows = noise(60)
    rows[6::4, 0] = rows[7::4, 0] = rows[8::4, 0] = NAN  # never more than three in a row
    rows[6::2, 1] = NAN
    assert None not in scores(detector(), rows)[WINDOW - 1 :]


@pytest.mark.parametrize("value", [NAN, float("inf"), -float("inf"), 1e300, -1e37])
def test_what_is_no_measurement_is_missing(value: float) -> None:
    rows, expected = noise(12), noise(12)
    rows[9, 2] = value
    expected[9, 2] = NAN
    assert scores(detector(), rows) == scores(detector(), expected)


def test_nothing_to_hold_at_the_start_is_rejected() -> None:
    found = detector()
    with pytest.raises(SampleRejectedError, match=r"no value for x, z, and none before it to hold"):
        found.push(np.array([NAN, 1.0, NAN]))
    assert scores(found, noise(WINDOW))[-1] is not None


def test_drop_rejects_the_sample_and_goes_on_with_the_window() -> None:
    rows = noise(20)
    gaps = rows.copy()
    gaps[[2, 9, 10], 1] = NAN
    found = detector(missing="drop")
    with pytest.raises(SampleRejectedError, match=r'no value for y; missing = "drop" is set'):
        found.push(gaps[2])
    kept = [score for score in scores(detector(missing="drop"), gaps) if score is not None]
    complete = scores(detector(), np.delete(rows, [2, 9, 10], axis=0))
    assert kept == complete[WINDOW - 1 :]


def test_fail_is_an_error_that_names_the_channel() -> None:
    found = detector(missing="fail")
    found.push(noise(1)[0])
    with pytest.raises(DataError, match=r"no value for y.*hold, drop") as caught:
        found.push(np.array([1.0, NAN, 1.0]))
    assert not isinstance(caught.value, SampleRejectedError)


@given(values=st.lists(st.floats(-1e6, 1e6), min_size=WIDTH, max_size=WIDTH))
def test_the_shares_sum_to_one_and_the_errors_average_to_the_score(values: list[float]) -> None:
    reading = push_all(detector(), np.array([values] * WINDOW))[-1]
    assert reading is not None
    assert reading.shares.sum() == pytest.approx(1.0, abs=1e-5)
    assert (reading.shares >= 0).all()
    assert reading.errors.mean() == pytest.approx(reading.score, rel=1e-5)


def test_the_shares_are_equal_where_there_is_no_error_at_all() -> None:
    reading = Reading(0.0, (0.0,), np.zeros((1, 4), np.float32), np.zeros(4, np.float32), np.zeros(4, np.float32))
    assert reading.shares.tolist() == [0.25] * 4


@pytest.mark.parametrize("channel", range(WIDTH))
@pytest.mark.parametrize("size", [-8.0, 8.0])
def test_the_disturbed_channel_has_the_largest_share(channel: int, size: float) -> None:
    rows = noise(30)
    rows[20, channel] += size
    reading = push_all(detector(smoothing=0.5), rows)[20]
    assert reading is not None
    assert int(np.argmax(reading.shares)) == channel
    assert reading.shares[channel] > 0.7


@given(st.lists(st.sampled_from([1e30, -1e30, 1e36, -1e36, 0.0, 5e-324, 1.0]), min_size=3 * 12, max_size=3 * 12))
def test_extreme_readings_give_finite_scores(values: list[float]) -> None:
    for reading in push_all(detector(smoothing=0.5), np.reshape(values, (12, WIDTH)))[WINDOW - 1 :]:
        assert reading is not None
        parts = [np.array([reading.score]), reading.errors[0], reading.observed, reading.expected, reading.shares]
        assert np.isfinite(np.concatenate(parts)).all()


def test_extreme_readings_give_finite_scores_whatever_the_channels_scale() -> None:
    signal = replace(SIGNAL, channels=tuple(replace(channel, scale=1e-12) for channel in SIGNAL.channels))
    found = Detector(signal, SCORE, MODEL)
    readings = push_all(found, np.full((WINDOW, WIDTH), 1e36))
    assert readings[-1] is not None
    assert np.isfinite(readings[-1].score)


def test_beyond_the_calibrated_range_more_is_still_more_anomalous() -> None:
    """int8 inputs saturate, but the residual is taken from the reading itself."""
    found = [scores(detector(), np.full((WINDOW, WIDTH), value))[-1] for value in (4.0, 7.0, 12.0)]
    assert found == sorted(found, key=float)
    assert len(set(found)) == 3


def test_reset_forgets_everything() -> None:
    found = detector(smoothing=0.2, stride=2)
    rows = noise(25)
    rows[20, 0] = NAN
    push_all(found, rows[:21])
    found.reset()
    assert scores(found, noise(25, seed=5)) == scores(detector(smoothing=0.2, stride=2), noise(25, seed=5))


def test_two_streams_share_a_model_without_meeting() -> None:
    one, other = detector(smoothing=0.5), detector(smoothing=0.5)
    mixed: tuple[list[Reading | None], list[Reading | None]] = ([], [])
    for first, second in zip(noise(20, 1), noise(20, 2), strict=True):
        mixed[0].append(one.push(first))
        mixed[1].append(other.push(second))
    for seed, found in zip((1, 2), mixed, strict=True):
        assert [reading and reading.score for reading in found] == scores(detector(smoothing=0.5), noise(20, seed))


def with_prototypes(windows: Rows, *, smoothing: float = 1.0) -> Detector:
    """A detector with a second term: the nearest of these windows ``(n, WINDOW, WIDTH)``, in standardised units."""
    prototypes = Prototypes.from_windows(windows.reshape(len(windows), -1).astype(np.float32)).quantized(INPUT)
    term = TermSpec((1.0,) * WIDTH, smoothing=smoothing, level=2.0)
    return Detector(SIGNAL, replace(SCORE, nearest=PrototypeSpec(prototypes, term)), MODEL)


def test_a_score_of_two_terms_is_their_geometric_mean_above_one() -> None:
    low, high = np.zeros((WINDOW, WIDTH)), np.full((WINDOW, WIDTH), 3.0)
    reading = push_all(with_prototypes(np.array([low, high])), np.full((WINDOW, WIDTH), 2.0))[-1]
    assert reading is not None
    assert reading.terms == pytest.approx((1.8**2, 1.0 / 2.0), rel=0.01), "the nearest window is the one of 3"
    assert (1.0 + reading.score) ** 2 == pytest.approx((1.0 + reading.terms[0]) * (1.0 + reading.terms[1]))
    assert reading.expected == pytest.approx([0.2] * WIDTH, abs=0.01), "people are told the network's expectation"


def test_each_term_has_its_own_memory() -> None:
    found = with_prototypes(np.zeros((1, WINDOW, WIDTH)), smoothing=0.25)
    before, after = push_all(found, np.array([[0.0] * WIDTH] * WINDOW + [[2.0] * WIDTH]))[-2:]
    assert before is not None
    assert after is not None
    assert before.terms == pytest.approx((0.0, 0.0), abs=1e-6)
    assert after.terms == pytest.approx((1.8**2, 0.25 * 4.0 / 2.0), rel=0.01)


@given(seed=st.integers(0, 99))
def test_the_shares_of_two_terms_sum_to_one(seed: int) -> None:
    prototypes = np.random.default_rng(seed).normal(size=(5, WINDOW, WIDTH))
    for reading in push_all(with_prototypes(prototypes, smoothing=0.5), noise(12, seed))[WINDOW - 1 :]:
        assert reading is not None
        assert reading.shares.sum() == pytest.approx(1.0, abs=1e-5)
        assert (reading.shares >= 0).all()


def test_a_residual_is_bounded_in_spreads() -> None:
    found = Detector(SIGNAL, replace(SCORE, residual_clip=20.0), MODEL)
    readings = [reading for reading in push_all(found, np.full((WINDOW + 1, WIDTH), 1e6)) if reading]
    assert [reading.score for reading in readings] == pytest.approx([400.0, 400.0])
