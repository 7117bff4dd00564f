"""The incidents of a device that scores by itself."""

from __future__ import annotations

from typing import Literal

import pytest
from tiny import POLICY, SIGNAL

from vedette.runtime.alerting.alert_cap import AlertCap
from vedette.runtime.alerting.alerts import Alert
from vedette.runtime.alerting.relayed import SUPERSEDED, RelayedTracker
from vedette.runtime.alerting.restraint import Restraint
from vedette.runtime.ingest.relayed import RelayedShare, RelayedStep

Phase = Literal["new", "update", "end"]


class During:
    """Maintenance from one sample time to another."""

    def __init__(self, begin: float, end: float) -> None:
        self._begin, self._end = begin, end

    def active(self, time: float) -> bool:
        return self._begin <= time < self._end


def tracker(restraint: Restraint | None = None) -> RelayedTracker:
    return RelayedTracker(SIGNAL, 9.0, POLICY, restraint=restraint)


def step(number: int, phase: Phase, time: float, *, incident: str = "a", score: float = 5.0) -> RelayedStep:
    shares = (RelayedShare("q", 1.0, 7.0, 2.0),)
    return RelayedStep(incident, number, phase, time, time - 3, time - 1, score, 2.0, score, shares, lambda: None)


def told(alerts: list[Alert]) -> list[tuple[str, int, str | None]]:
    return [(alert.phase, alert.seq, alert.reason) for alert in alerts]


def test_a_whole_incident_has_one_id_and_the_devices_numbers() -> None:
    incidents = tracker()
    (new,) = incidents.relay(step(1, "new", 100.0))
    (update,) = incidents.relay(step(2, "update", 101.0, score=9.0))
    (end,) = incidents.relay(step(3, "end", 110.0, score=1.0))
    assert [alert.alert_id for alert in (new, update, end)] == [new.alert_id] * 3
    assert told([new, update, end]) == [("new", 1, None), ("update", 2, None), ("end", 3, None)]
    assert (new.start, new.threshold, new.severity, new.channels[0].name) == (97.0, 2.0, 2.5, "q")
    assert (update.severity, end.end) == (4.5, 109.0)
    assert incidents.active is None


def test_a_step_that_comes_twice_is_told_once() -> None:
    incidents = tracker()
    for number, phase in ((1, "new"), (2, "update"), (3, "end")):
        again = step(number, phase, 100.0 + number)  # type: ignore[arg-type]
        assert len(incidents.relay(again)) == 1
        assert incidents.relay(again) == []


@pytest.mark.parametrize("phase", ["new", "update"])
def test_an_unknown_incident_opens_with_whatever_comes_first(phase: Phase) -> None:
    assert told(tracker().relay(step(4, phase, 100.0))) == [("new", 1, None)]
    assert tracker().relay(step(5, "end", 100.0)) == []


def test_an_incident_whose_end_never_came_ends_when_the_next_begins() -> None:
    incidents = tracker()
    incidents.relay(step(1, "new", 100.0))
    found = incidents.relay(step(1, "new", 200.0, incident="b"))
    assert told(found) == [("end", 2, SUPERSEDED), ("new", 1, None)]
    assert found[0].alert_id != found[1].alert_id


def test_maintenance_keeps_back_and_ends_what_was_told_and_what_is_left_opens_afterwards() -> None:
    incidents = tracker(Restraint("s", mute=During(110.0, 120.0)))  # type: ignore[arg-type]
    incidents.relay(step(1, "new", 100.0))
    assert told(incidents.relay(step(2, "update", 111.0))) == [("end", 2, "maintenance")]
    assert incidents.relay(step(3, "update", 112.0)) == []
    assert incidents.restraint.muted_incidents == 1
    assert told(incidents.relay(step(4, "update", 121.0))) == [("new", 1, None)]
    assert told(incidents.relay(step(5, "end", 125.0))) == [("end", 2, None)]


def test_the_cap_holds_back_and_an_incident_that_was_never_told_has_no_end() -> None:
    cap = AlertCap(1)
    incidents = tracker(Restraint("s", cap=cap))
    for number, incident in enumerate(("a", "b")):
        incidents.relay(step(1, "new", 100.0 + number, incident=incident))
        ended = incidents.relay(step(2, "end", 100.5 + number, incident=incident))
        assert len(ended) == (1 if incident == "a" else 0)
    assert cap.suppressed == 1
