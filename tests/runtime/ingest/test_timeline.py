"""The time of a stream: order, duplicates, late samples, and clocks that are wrong by years."""

from __future__ import annotations

import math
import random
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny import POLICY, tiny_bundle_bytes

from vedette.errors import ConfigError
from vedette.runtime.bundles import bundle as bundles
from vedette.runtime.detection.detector import SampleRejectedError
from vedette.runtime.ingest.timeline import RUN_SAMPLES, Restart, TimeCounts, Timeline, TimePolicy
from vedette.runtime.json_keys import Keys
from vedette.runtime.streams.stream import Stream

BUNDLE = bundles.unpack(tiny_bundle_bytes())
MODEL = BUNDLE.load_model()
YEAR_S = 365 * 86400.0
START = 1.8e9


class Feed:
    """A timeline and what came out of it; samples arrive when they are measured, unless it is said otherwise."""

    def __init__(self, **policy: float) -> None:
        self.counts = TimeCounts()
        self.timeline = Timeline(TimePolicy(**policy), self.counts)  # type: ignore[arg-type]
        self.now = 0.0
        self.out: list[float] = []
        self.rejected: list[str] = []
        self.restarts: list[str] = []
        self.taken = 0

    def push(self, time: float, *, wait: float = 1.0) -> None:
        self.now += wait
        self.taken += 1
        row = np.array([time])
        for outcome in self.timeline.push(time, row, wall=START + self.now, now=self.now):
            if isinstance(outcome, SampleRejectedError):
                self.rejected.append(str(outcome))
            elif isinstance(outcome, Restart):
                self.restarts.append(outcome.reason)
            else:
                assert outcome[1][0] == outcome[0]
                self.out.append(outcome[0])

    def flush(self) -> None:
        self.out += [time for time, _ in self.timeline.due(math.inf)]


def test_without_a_window_samples_pass_as_they_come() -> None:
    feed = Feed()
    for time in (1.0, 2.0, 2.0, 1.5, 3.0):
        feed.push(time)
    assert feed.out == [1.0, 2.0, 3.0]
    assert (feed.counts.duplicate, feed.counts.late, feed.timeline.held) == (1, 1, 0)
    assert feed.rejected[1] == "sample of 1.5 s is not newer than the one before it (2.0 s)"


def test_late_samples_are_put_in_order_and_duplicates_dropped() -> None:
    feed = Feed(max_delay_s=2.0)
    for time in (1.0, 3.0, 2.0, 3.0, 4.0, 6.0, 3.5, 9.0, 5.0):
        feed.push(time, wait=0.0)
    feed.flush()
    assert feed.out == [1.0, 2.0, 3.0, 4.0, 6.0, 9.0]
    assert (feed.counts.duplicate, feed.counts.late) == (1, 2)
    assert "came twice" in feed.rejected[0]
    assert "not newer than the one before it (4.0 s)" in feed.rejected[1]


def test_the_last_samples_of_a_stream_that_stops_come_out_in_time() -> None:
    feed = Feed(max_delay_s=2.0)
    feed.push(1.0, wait=0.0)
    feed.push(1.5, wait=0.5)
    assert feed.timeline.due(1.9) == []
    assert [time for time, _ in feed.timeline.due(2.0)] == [1.0]
    assert [time for time, _ in feed.timeline.due(2.5)] == [1.5]
    assert feed.timeline.held == 0


def test_what_has_waited_long_enough_takes_along_what_is_older() -> None:
    feed = Feed(max_delay_s=2.0)
    feed.push(2.0, wait=0.0)
    feed.push(1.0, wait=1.5)
    assert [time for time, _ in feed.timeline.due(2.0)] == [1.0, 2.0]


class OnePass:
    """The scores of a stream behind a timeline."""

    def __init__(self, **policy: float) -> None:
        self.timeline = Timeline(TimePolicy(**policy), TimeCounts())  # type: ignore[arg-type]
        self.stream = Stream(BUNDLE.manifest, MODEL, policy=POLICY)
        self.scores: list[tuple[float, float]] = []

    def run(self, samples: list[tuple[float, float]]) -> list[tuple[float, float]]:
        for time, value in samples:
            outcomes = self.timeline.push(time, np.full(3, value), wall=START, now=0.0)
            self._score([outcome for outcome in outcomes if isinstance(outcome, tuple)])
        self._score(list(self.timeline.due(math.inf)))
        return self.scores

    def _score(self, rows: list[tuple[float, np.ndarray]]) -> None:
        for time, values in rows:
            for step in self.stream.push(time, values):
                assert isinstance(step, tuple)
                self.scores.append((step[0], step[1].score))


@given(
    st.lists(st.tuples(st.floats(0.01, 2.9), st.floats(-3, 3)), min_size=1, max_size=40),
    st.floats(0.5, 10.0),
    st.randoms(use_true_random=False),
)
def test_any_interleaving_within_the_window_scores_like_the_samples_in_order(
    steps: list[tuple[float, float]], delay: float, chance: random.Random
) -> None:
    times = START + np.cumsum([step for step, _ in steps])
    samples = [(float(time), value) for time, (_, value) in zip(times, steps, strict=True)]
    # Each is sent up to the delay late, so none is further behind the newest than that.
    sent = sorted(samples, key=lambda sample: sample[0] + chance.uniform(0.0, delay * 0.999))
    twice = [sample for sample in sent for _ in range(chance.choice((1, 1, 2)))]
    assert OnePass(max_delay_s=delay, max_samples=100).run(twice) == OnePass().run(samples)


JUMPS = st.sampled_from([0.0, 0.0, 0.5, -0.5, 1.0, 3600.0, -3600.0, 10 * YEAR_S, -10 * YEAR_S, 1e-9, 250.0])


@given(
    st.lists(st.tuples(JUMPS, st.floats(0.0, 3.0)), max_size=80),
    st.sampled_from([0.0, 0.1, 2.0, 100.0]),
    st.integers(1, 8),
)
def test_whatever_comes_each_sample_comes_out_once_in_order_or_is_counted(
    moves: list[tuple[float, float]], delay: float, most: int
) -> None:
    feed = Feed(max_delay_s=delay, max_samples=most, max_ahead_s=300.0)
    time = START
    for jump, wait in moves:
        time += jump
        feed.push(time, wait=wait)
        assert feed.timeline.held <= most
        for due, _ in feed.timeline.due(feed.now):
            feed.out.append(due)
    feed.flush()
    counts = feed.counts
    assert len(feed.out) + len(feed.rejected) == feed.taken
    assert len(feed.rejected) == counts.duplicate + counts.late + counts.ahead
    assert len(feed.restarts) == counts.restarts
    backward = sum(later <= earlier for earlier, later in pairwise(feed.out))
    assert backward <= counts.restarts


@given(
    st.lists(st.sampled_from([10 * YEAR_S, -10 * YEAR_S, 3600.0, -3600.0, 290.0]), min_size=1, max_size=4),
    st.sampled_from([0.05, 1.0, 60.0]),
    st.sampled_from([0.0, 2.0]),
)
def test_a_stream_survives_any_jumps_of_its_clock(jumps: list[float], period: float, delay: float) -> None:
    feed = Feed(max_delay_s=delay, max_ahead_s=300.0)
    clock = 0.0
    enough = max(RUN_SAMPLES, math.ceil(1.0 / period)) + 1
    for jump in [0.0, *jumps]:
        clock += jump
        lost = len(feed.rejected)
        for _ in range(enough + 5):
            feed.push(START + feed.now + period + clock, wait=period)
        assert len(feed.rejected) - lost <= enough
        feed.flush()
        assert feed.out[-1] == pytest.approx(START + feed.now + clock)
    assert feed.counts.restarts <= len(jumps)


def test_one_sample_of_the_far_future_costs_only_itself() -> None:
    feed = Feed(max_ahead_s=300.0)
    for number in range(1, 20):
        feed.push(START + number + (10 * YEAR_S if number == 10 else 0.0))
    assert len(feed.out) == 18
    assert (feed.counts.ahead, feed.counts.late, feed.counts.restarts) == (1, 0, 0)
    assert "ahead of the gateway's clock" in feed.rejected[0]


def test_a_first_sample_of_the_far_future_makes_nobody_deaf() -> None:
    feed = Feed(max_ahead_s=300.0)
    feed.push(START + 10 * YEAR_S)
    for number in range(2, 20):
        feed.push(START + number)
    assert feed.restarts == ["the times of its samples were set back"]
    assert feed.out[-1] == START + 19
    assert feed.counts.late == RUN_SAMPLES - 1


def test_old_samples_sent_again_in_a_burst_do_not_set_the_time_back() -> None:
    feed = Feed(max_ahead_s=300.0)
    for number in range(1, 200):
        feed.push(START + number)
    for number in range(50, 150):
        feed.push(START + number, wait=0.001)
    feed.push(START + 200)
    assert feed.counts.restarts == 0
    assert feed.counts.late == 100
    assert feed.out[-1] == START + 200


def test_what_a_device_has_stored_is_taken_as_fast_as_it_comes() -> None:
    feed = Feed(max_ahead_s=300.0)
    feed.now = 5000.0
    for number in range(1, 5000):
        feed.push(START + number, wait=0.0001)
    assert len(feed.out) == 4999


def test_a_gateway_whose_clock_is_years_behind_takes_what_goes_on_steadily() -> None:
    feed = Feed(max_ahead_s=300.0)
    for number in range(1, 50):
        feed.push(START + 10 * YEAR_S + number)
    assert len(feed.out) == 49


def test_stamps_of_a_clock_that_is_set_back_start_a_new_time() -> None:
    timeline = Timeline(TimePolicy(), TimeCounts())
    row = np.zeros(1)
    assert timeline.push_untimed(row, wall=1000.0, back_s=0.0, now=0.0) == ((1000.0, row),)
    # A batch may reach back over what came before it, and arrivals may jitter.
    ((time, _),) = timeline.push_untimed(row, wall=1000.5, back_s=3.0, now=0.5)  # type: ignore[misc]
    assert 1000.0 < time < 1000.001
    restart, after = timeline.push_untimed(row, wall=10.0, back_s=0.0, now=1.0)
    assert isinstance(restart, Restart)
    assert after == (10.0, row)


def test_a_source_without_pace_never_starts_a_new_time() -> None:
    counts = TimeCounts()
    timeline = Timeline(TimePolicy(restarts=False), counts)
    for number in range(100):
        timeline.push(START - 100 * (number > 0) + number, np.zeros(1), wall=START, now=float(number))
    assert (counts.late, counts.restarts) == (99, 0)


@pytest.mark.parametrize(
    ("reorder", "stream", "current", "told"),
    [
        ({"max_samples": 5}, {}, True, "max_delay_s: expected the seconds"),
        ({"max_delay_s": 0}, {}, True, "expected a number"),
        ({"max_delay_s": 4000.0}, {}, True, "expected at most 3600"),
        ({"max_delay_s": 1.0, "max_samples": 0}, {}, True, "expected 1 to 4096"),
        ({}, {"max_ahead_s": -1}, True, "expected a number"),
        ({}, {"max_ahead_s": 5}, False, "may be any"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(
    reorder: dict[str, float], stream: dict[str, float], current: bool, told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        TimePolicy.from_keys(
            Keys(reorder, "reorder", ConfigError), Keys(stream, "s", ConfigError), current=current, live=True
        )
