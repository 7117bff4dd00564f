"""k of n, hysteresis, maintenance and the cap: what is told of a sequence of scores, whatever they are."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_alerts import SCORES, THRESHOLD, reading
from tiny import SIGNAL

from vedette.runtime.alerting.alert_cap import HOUR_S, AlertCap
from vedette.runtime.alerting.alerts import Alert, AlertPolicy, AlertTracker
from vedette.runtime.alerting.maintenance import Mute, OnceWindow
from vedette.runtime.alerting.restraint import Restraint

Step = tuple[float, float]  # second, score


def told(
    policy: AlertPolicy, steps: Sequence[Step], *, mute: tuple[float, float] | None = None, cap: AlertCap | None = None
) -> list[tuple[float, Alert]]:
    ids = (f"id-{number}" for number in itertools.count())
    windows = [OnceWindow(("*",), *mute)] if mute else []
    restraint = Restraint("pump", mute=Mute(windows) if windows else None, cap=cap)
    tracker = AlertTracker(SIGNAL, THRESHOLD, policy, restraint=restraint, new_id=lambda: next(ids))
    found = [(second, tracker.step(second, reading(score))) for second, score in steps]
    return [(second, alert) for second, alert in found if alert is not None]


def each_second(scores: Sequence[float]) -> list[Step]:
    return [(float(second), score) for second, score in enumerate(scores)]


def phases(found: list[tuple[float, Alert]]) -> list[tuple[float, str]]:
    return [(second, alert.phase) for second, alert in found]


def test_two_of_three_windows_open_an_incident_that_starts_with_the_first() -> None:
    found = told(AlertPolicy(2, 5.0, 0.0, of_windows=3), each_second([20, 1, 1, 20, 1, 20]))
    assert phases(found) == [(5, "new")]
    assert found[0][1].start == 3.0


def test_it_opens_only_at_a_window_that_is_above() -> None:
    policy = AlertPolicy(1, 0.0, 3.0, of_windows=5)
    assert phases(told(policy, each_second([20, 1, 20, 1, 1, 1, 20]))) == [(0, "new"), (1, "end"), (6, "new")]


def test_windows_before_a_gap_do_not_count_with_those_after_it() -> None:
    policy = AlertPolicy(2, 5.0, 0.0)
    assert phases(told(policy, [(0.0, 20), (500.0, 20)])) == []
    assert phases(told(policy, [(0.0, 20), (3.0, 20)])) == [(3, "new")]


def test_below_the_clear_line_is_what_ends_an_incident() -> None:
    scores = each_second([20, 9, 9, 9, 9, 7, 7, 7])
    assert phases(told(AlertPolicy(1, 2.0, 0.0), scores)) == [(0, "new"), (2, "end")]
    found = told(AlertPolicy(1, 2.0, 0.0, clear_ratio=0.8), scores)
    assert phases(found) == [(0, "new"), (6, "end")]
    assert found[-1][1].end == 4.0


def test_maintenance_ends_what_is_open_and_what_is_left_of_it_opens_afterwards() -> None:
    policy = AlertPolicy(2, 3.0, 1000.0)
    found = told(policy, each_second([20] * 20), mute=(5.0, 10.0))
    assert phases(found) == [(1, "new"), (5, "end"), (10, "new")]
    first, ended, second = (alert for _, alert in found)
    assert (ended.reason, ended.end, second.start) == ("maintenance", 4.0, 5.0)
    assert first.alert_id == ended.alert_id != second.alert_id


def test_what_comes_and_goes_during_maintenance_is_counted_and_not_told() -> None:
    restraint = Restraint("pump", mute=Mute([OnceWindow(("*",), 0.0, 10.0)]))
    tracker = AlertTracker(SIGNAL, THRESHOLD, AlertPolicy(1, 2.0, 0.0), restraint=restraint)
    scores = [1, 20, 20, 1, 1, 1, 1, 1, 1, 1, 1, 1]
    assert [tracker.step(float(second), reading(score)) for second, score in enumerate(scores)] == [None] * 12
    assert restraint.muted_incidents == 1


def test_the_cap_holds_back_what_is_too_much_and_tells_what_lasts_when_there_is_room() -> None:
    cap = AlertCap(1)
    lasting = [(HOUR_S - 30 + second, 20.0) for second in range(60)]
    steps = [(0.0, 20.0), (1.0, 1.0), (2.0, 1.0), (100.0, 30.0), (101.0, 1.0), (102.0, 1.0), *lasting]
    found = told(AlertPolicy(1, 1.0, 0.0), steps, cap=cap)
    assert phases(found) == [(0.0, "new"), (1.0, "end"), (HOUR_S, "new")]
    assert (found[-1][1].start, found[-1][1].seq) == (HOUR_S - 30, 1)
    assert cap.suppressed == 2
    first, second = cap.summaries(flush=True)
    assert (first.alerts, first.worst_severity, first.streams) == (1, 3.0, {"pump": {"alerts": 1, "faults": 0}})
    assert (second.alerts, second.start) == (1, HOUR_S - 30)
    assert cap.summaries(flush=True) == []


def test_the_end_of_what_was_told_is_never_held_back() -> None:
    steps = [(float(second), 20.0 if second % 4 < 2 else 1.0) for second in range(40)]
    found = told(AlertPolicy(1, 1.0, 0.0), steps, cap=AlertCap(3))
    assert [phase for _, phase in phases(found)] == ["new", "end"] * 3


def test_live_alerts_are_counted_by_the_clock_and_not_by_their_times() -> None:
    now = 50.0
    cap = AlertCap(1, clock=lambda: now)
    assert cap.admit(1e9, "a", "alerts", 2.0, again=False)
    assert not cap.admit(-1e9, "a", "alerts", 2.0, again=False)
    assert cap.admit(0.0, "a", "faults", 1.0, again=False)
    assert not cap.admit(0.0, "b", "faults", 1.0, again=False)
    assert cap.summaries() == []
    now += 300.0
    (found,) = cap.summaries()
    assert (found.alerts, found.faults, found.worst_stream) == (1, 1, "a")
    now += HOUR_S
    assert cap.admit(0.0, "a", "alerts", 2.0, again=False)


DAY_POLICY = AlertPolicy(3, 60.0, 600.0, of_windows=5, clear_ratio=0.8)
HOUR = 3600
# (from hour, until hour, score): a day with one window a second; the rest is 1. The mute is 10:00 to 12:00.
DAY = [
    (1.0, 1.0 + 2 / HOUR, 20.0),  # two windows: too few
    (2.0, 2.5, 20.0),  # an incident, with a worse half hour after it
    (2.5, 3.0, 80.0),
    (3.0, 3.0 + 50 / HOUR, 1.0),  # back, but not for a minute
    (3.0 + 50 / HOUR, 3.1, 20.0),
    (3.2, 3.2 + 30 / HOUR, 20.0),  # within ten minutes of the last: cooldown
    (6.0, 6.1, 20.0),
    (6.1, 6.2, 9.0),  # below the threshold and above the clear line
    (9.9, 12.5, 20.0),  # into, through and out of the maintenance
    (20.0, 20.1, 20.0),
]
DAY_TOLD = [
    (2 * HOUR + 2, "new", None),
    (2.5 * HOUR, "update", None),
    (3.1 * HOUR + 59, "end", None),
    (6 * HOUR + 2, "new", None),
    (6.2 * HOUR + 59, "end", None),
    (9.9 * HOUR + 2, "new", None),
    (10 * HOUR, "end", "maintenance"),
    (12 * HOUR, "new", None),
    (12.5 * HOUR + 59, "end", None),
    (20 * HOUR + 2, "new", None),
    (20.1 * HOUR + 59, "end", None),
]


def test_a_day_is_told_as_it_was() -> None:
    scores = np.ones(24 * HOUR)
    for begin, end, score in DAY:
        scores[round(begin * HOUR) : round(end * HOUR)] = score
    found = told(DAY_POLICY, each_second(scores.tolist()), mute=(10.0 * HOUR, 12.0 * HOUR), cap=AlertCap(200))
    assert [(alert.phase, alert.reason) for _, alert in found] == [step[1:] for step in DAY_TOLD]
    assert [second for second, _ in found] == pytest.approx([step[0] for step in DAY_TOLD], abs=0.01)


POLICIES = st.builds(
    AlertPolicy,
    st.integers(1, 4),
    st.sampled_from([0.0, 1.0, 3.0]),
    st.sampled_from([0.0, 4.0]),
    st.sampled_from([None, 3, 6]),
    st.sampled_from([1.0, 0.9, 0.5]),
)
MUTES = st.none() | st.tuples(st.integers(0, 30), st.integers(1, 30)).map(lambda at: (float(at[0]), float(sum(at))))
CAPS = st.none() | st.integers(1, 3)
STEPS = st.lists(
    st.tuples(st.sampled_from([1.0, 2.0, 100.0]), st.sampled_from([1.0, 8.5, 9.5, 11.0, 20.0, 40.0, 1e6])),
    max_size=60,
).map(lambda pairs: list(zip(itertools.accumulate(step for step, _ in pairs), (s for _, s in pairs), strict=True)))


@given(POLICIES, STEPS, MUTES, CAPS)
def test_whatever_the_scores_lives_are_whole_apart_and_not_where_they_must_not_be(
    policy: AlertPolicy, steps: list[Step], mute: tuple[float, float] | None, per_hour: int | None
) -> None:
    found = told(policy, steps, mute=mute, cap=AlertCap(per_hour) if per_hour else None)
    open_id, number, closed_at, opened = None, 0, None, []
    for second, alert in found:
        if alert.phase == "new":
            assert open_id is None, "two open"
            assert mute is None or not mute[0] <= second < mute[1]
            assert closed_at is None or second - closed_at >= policy.cooldown_s
            assert alert.start <= second
            open_id, number = alert.alert_id, 1
            opened.append(second)
        else:
            assert alert.alert_id == open_id
            number += 1
            assert mute is None or not mute[0] <= second < mute[1] or alert.reason == "maintenance"
        assert alert.seq == number
        if alert.phase == "end":
            assert alert.end is not None
            assert alert.start <= alert.end <= second
            open_id = None
            closed_at = closed_at if alert.reason == "maintenance" else second
    assert len({alert.alert_id for _, alert in found}) == len(opened)
    if per_hour:
        assert all(sum(at - HOUR_S < other <= at for other in opened) <= per_hour for at in opened)


@given(POLICIES, SCORES, SCORES, MUTES)
def test_the_future_changes_nothing(
    policy: AlertPolicy, past: list[float], future: list[float], mute: tuple[float, float] | None
) -> None:
    before = told(policy, each_second(past), mute=mute)
    assert told(policy, each_second(past + future), mute=mute)[: len(before)] == before
