"""The payloads of faults and summaries, and how `vedette listen` shows them."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from test_cloudevents import MODEL
from test_cloudevents import event as alert

from vedette.errors import DataError
from vedette.runtime.alerting.alert_cap import Suppressed
from vedette.runtime.alerting.faults import Fault
from vedette.runtime.delivery.cloudevents import encode, fault_event, suppressed_event
from vedette.runtime.delivery.listen import event_line, read_event

FAULT = Fault("f-1", "range", "new", 1, 60.0, None, ("temp",), "temp: 3276.7; it can be -20 to 80")
SUPPRESSED = Suppressed(
    start=60.0,
    end=120.0,
    worst_severity=7.5,
    worst_stream="pump2",
    alerts=3,
    faults=1,
    streams={"pump1": {"alerts": 1, "faults": 0}, "pump2": {"alerts": 2, "faults": 1}},
)


def fault(**changes: Any) -> dict[str, Any]:
    found = Fault(**{**vars(FAULT), **changes})
    return fault_event(found, time=61.25, gateway="gw7", stream="pump1", model=MODEL, clock_synced=True)


def summary() -> dict[str, Any]:
    return suppressed_event(SUPPRESSED, gateway="gw7", max_per_hour=200, clock_synced=None)


def test_a_fault_is_a_cloudevent_with_the_documented_keys() -> None:
    found = fault()
    assert str(uuid.UUID(found.pop("id")))
    assert found == {
        "specversion": "1.0",
        "source": "/gw7/pump1",
        "type": "io.vedette.fault.new",
        "time": "1970-01-01T00:01:01.250Z",
        "datacontenttype": "application/json",
        "data": {
            "fault_id": "f-1",
            "phase": "new",
            "seq": 1,
            "kind": "range",
            "start": "1970-01-01T00:01:00.000Z",
            "end": None,
            "channels": ["temp"],
            "channels_total": 1,
            "detail": "temp: 3276.7; it can be -20 to 80",
            "model": MODEL,
            "historical": False,
            "clock_synced": True,
        },
    }


def test_a_fault_of_many_channels_names_some_and_counts_all() -> None:
    data = fault(channels=tuple(f"c{i}" for i in range(500)))["data"]
    assert (len(data["channels"]), data["channels_total"]) == (20, 500)


def test_a_summary_says_what_was_held_back_and_where() -> None:
    found = summary()
    assert (found["type"], found["source"], found["time"]) == (
        "io.vedette.suppressed",
        "/gw7",
        "1970-01-01T00:02:00.000Z",
    )
    assert found["data"] == {
        "alerts": 3,
        "faults": 1,
        "start": "1970-01-01T00:01:00.000Z",
        "end": "1970-01-01T00:02:00.000Z",
        "worst": {"stream": "pump2", "severity": 7.5},
        "streams": [{"name": "pump2", "alerts": 2, "faults": 1}, {"name": "pump1", "alerts": 1, "faults": 0}],
        "streams_total": 2,
        "max_per_hour": 200,
        "historical": False,
        "clock_synced": None,
    }


@pytest.mark.parametrize(
    ("event", "shown"),
    [
        (alert(), "gw7/pump1            new     severity   1.52  vib_z 71%"),
        (fault(), "gw7/pump1            new     fault range: temp: 3276.7; it can be -20 to 80"),
        (fault(phase="end", reason="maintenance"), "it can be -20 to 80  (maintenance)"),
        (summary(), "gw7                  held    suppressed: 3 alert(s), 1 fault(s)"),
    ],
)
def test_listen_shows_each_in_one_line(event: dict[str, Any], shown: str) -> None:
    read = read_event(encode(event))
    assert read == event
    assert shown in event_line(read, colour=False)


@pytest.mark.parametrize(
    ("event", "changes"),
    [
        (fault(), {"kind": None}),
        (fault(), {"detail": "\x1b[2Jgone"}),
        (fault(), {"phase": 5}),
        (fault(), {"reason": "\n"}),
        (summary(), {"alerts": "3"}),
        (summary(), {"faults": True}),
        (alert(), {"severity": "high"}),
        (alert(), {"channels": [1]}),
    ],
)
def test_listen_takes_no_damaged_event(event: dict[str, Any], changes: dict[str, Any]) -> None:
    with pytest.raises(DataError):
        read_event(encode({**event, "data": {**event["data"], **changes}}))


def test_listen_takes_no_other_event() -> None:
    with pytest.raises(DataError, match="expected a CloudEvent of a vedette alert, fault or summary"):
        read_event(encode({**fault(), "type": "io.vedette.other"}))
