"""The life of an incident: debounce, update, clear, cooldown."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny import SIGNAL

from vedette.runtime.alerting.alerts import UPDATE_GROWTH, Alert, AlertPolicy, AlertTracker
from vedette.runtime.detection.detector import Reading

THRESHOLD = 10.0
NOW_OR_NEVER = AlertPolicy(min_windows=1, clear_after_s=1.0, cooldown_s=0.0)


def reading(score: float, errors: tuple[float, float, float] = (1.0, 2.0, 1.0)) -> Reading:
    """Observed (1, 2, 3) and expected (0, 0, 0), standardised; the tiny signal's unit is the same."""
    whole = np.array([errors], np.float32) * np.float32(3 * score / sum(errors))
    return Reading(score, (score,), whole, np.array([1, 2, 3], np.float32), np.zeros(3, np.float32))


def tracker(policy: AlertPolicy) -> AlertTracker:
    ids = (f"id-{number}" for number in itertools.count())
    return AlertTracker(SIGNAL, THRESHOLD, policy, new_id=lambda: next(ids))


def steps(policy: AlertPolicy, scores: list[float]) -> list[tuple[int, Alert]]:
    """What is told, with the second at which it is; one score per second."""
    followed = tracker(policy)
    told = [(second, followed.step(float(second), reading(score))) for second, score in enumerate(scores)]
    return [(second, alert) for second, alert in told if alert is not None]


def phases(policy: AlertPolicy, scores: list[float]) -> list[tuple[int, str]]:
    return [(second, alert.phase) for second, alert in steps(policy, scores)]


def test_an_incident_opens_after_enough_windows_in_a_row_and_starts_with_the_first() -> None:
    ((second, alert),) = steps(AlertPolicy(3, 9.0, 0.0), [20, 1, 20, 20, 20])
    assert (second, alert.phase, alert.seq, alert.start, alert.end) == (4, "new", 1, 2.0, None)


def test_a_score_on_the_threshold_is_normal() -> None:
    assert steps(NOW_OR_NEVER, [THRESHOLD]) == []


def test_it_closes_when_nothing_was_above_for_long_enough_and_ends_with_the_last_that_was() -> None:
    policy = AlertPolicy(1, 3.0, 0.0)
    assert phases(policy, [20, 1, 1, 20, 1, 1, 1, 1]) == [(0, "new"), (6, "end")]
    end = steps(policy, [20, 1, 1, 20, 1, 1, 1, 1])[-1][1]
    assert (end.start, end.end, end.reason, end.seq) == (0.0, 3.0, None, 2)


def test_none_opens_during_the_cooldown() -> None:
    policy = AlertPolicy(1, 1.0, 4.0)
    assert phases(policy, [20, 1, 20, 20, 20, 20, 20]) == [(0, "new"), (1, "end"), (5, "new")]


def test_it_is_updated_only_when_it_has_grown_since_it_was_told() -> None:
    assert UPDATE_GROWTH == 1.5
    told = steps(NOW_OR_NEVER, [20, 30, 31, 40, 46, 47, 1])
    assert [(second, alert.phase, alert.seq) for second, alert in told] == [
        (0, "new", 1),
        (2, "update", 2),
        (5, "update", 3),
        (6, "end", 4),
    ]


def test_the_peak_is_kept_and_gives_the_severity_of_the_end() -> None:
    told = steps(NOW_OR_NEVER, [20, 25, 12, 1])
    assert [(alert.phase, alert.severity) for _, alert in told] == [("new", 2.0), ("end", 2.5)]


def test_each_incident_has_its_own_id_for_its_whole_life() -> None:
    told = steps(NOW_OR_NEVER, [20, 40, 1, 20, 1])
    assert [alert.alert_id for _, alert in told] == ["id-0"] * 3 + ["id-1"] * 2


def test_channels_come_by_share_with_what_was_observed_and_expected() -> None:
    alert = tracker(NOW_OR_NEVER).step(0.0, reading(20, (1.0, 6.0, 3.0)))
    assert alert is not None
    assert [channel.name for channel in alert.channels] == ["y", "z", "x"]
    assert [channel.share for channel in alert.channels] == pytest.approx([0.6, 0.3, 0.1])
    assert [channel.observed for channel in alert.channels] == [2.0, 3.0, 1.0]
    assert [channel.expected for channel in alert.channels] == [0.0, 0.0, 0.0]


def test_an_open_incident_can_be_closed_with_a_reason() -> None:
    followed = tracker(NOW_OR_NEVER)
    assert followed.close(0.0, reason="gateway stopped") is None
    followed.step(5.0, reading(20))
    ended = followed.close(9.0, reason="gateway stopped")
    assert ended is not None
    assert (ended.phase, ended.end, ended.reason) == ("end", 5.0, "gateway stopped")
    assert followed.active is None


SCORES = st.lists(st.sampled_from([1.0, 9.0, 11.0, 20.0, 40.0]), max_size=60)
POLICIES = st.builds(AlertPolicy, st.integers(1, 4), st.sampled_from([0.0, 1.0, 3.0]), st.sampled_from([0.0, 4.0]))


@given(POLICIES, SCORES)
def test_every_life_is_new_then_updates_then_end_with_rising_numbers(policy: AlertPolicy, scores: list[float]) -> None:
    lives: dict[str, list[Alert]] = {}
    for _, alert in steps(policy, scores):
        lives.setdefault(alert.alert_id, []).append(alert)
    for number, life in enumerate(lives.values()):
        assert [alert.seq for alert in life] == list(range(1, len(life) + 1))
        assert life[0].phase == "new"
        assert all(alert.phase == "update" for alert in life[1:-1])
        assert len(life) == 1 or life[-1].phase in ("update", "end")
        assert life[-1].phase == "end" or number == len(lives) - 1


@given(POLICIES, SCORES, SCORES)
def test_what_is_told_depends_on_the_past_only(policy: AlertPolicy, past: list[float], future: list[float]) -> None:
    assert steps(policy, past + future)[: len(steps(policy, past))] == steps(policy, past)
