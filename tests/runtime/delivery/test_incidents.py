"""Incidents that a crash left open are ended by the next run."""

from __future__ import annotations

import json

from vedette.runtime.delivery.cloudevents import encode
from vedette.runtime.delivery.incidents import end_of
from vedette.runtime.delivery.outbox import OpenIncident, OutgoingAlert

EVENT = {
    "specversion": "1.0",
    "id": "first",
    "source": "/gw7/s1",
    "type": "io.vedette.alert.update",
    "time": "2026-11-02T08:14:05.000Z",
    "data": {
        "alert_id": "b6a9",
        "phase": "update",
        "seq": 2,
        "severity": 1.5,
        "score": 4.05,
        "threshold": 2.7,
        "peak": 5.4,
        "start": "2026-11-02T08:14:03.000Z",
        "end": None,
        "model": {"name": "pump"},
    },
}


def test_the_end_is_the_next_step_of_the_incident_at_the_time_that_was_told_last() -> None:
    found = end_of(OpenIncident("b6a9", "vedette/gw7/alert/s1", 1.5, 60.0, encode(EVENT)))
    event = json.loads(found.payload)
    assert event["id"] == found.event_id != "first"
    assert event["type"] == "io.vedette.alert.end"
    assert event["data"] == {
        **EVENT["data"],  # type: ignore[dict-item]
        "phase": "end",
        "seq": 3,
        "severity": 2.0,
        "end": "2026-11-02T08:14:05.000Z",
        "reason": "gateway restarted",
    }
    expected = OutgoingAlert(found.event_id, "vedette/gw7/alert/s1", 2.0, 60.0, found.payload, "b6a9", False)
    assert found == expected


def test_an_incident_without_a_severity_keeps_its_rank() -> None:
    fault = {**EVENT, "type": "io.vedette.fault.new", "data": {"fault_id": "f", "phase": "new", "seq": 1, "end": None}}
    found = end_of(OpenIncident("f", "t", 1.0, 60.0, encode(fault)))
    event = json.loads(found.payload)
    assert (event["type"], event["data"]["phase"], event["data"]["seq"]) == ("io.vedette.fault.end", "end", 2)
    assert found.severity == 1.0
