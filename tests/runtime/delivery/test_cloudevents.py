"""The payload of an alert, to the last key."""

from __future__ import annotations

import json
import math
import uuid
from dataclasses import replace
from typing import Any

from tiny import tiny_bundle_bytes

from vedette.runtime.alerting.alerts import Alert, ChannelShare
from vedette.runtime.bundles import bundle as bundles
from vedette.runtime.delivery.cloudevents import alert_event, clock_synced, encode, mark_historical, model_record

ALERT = Alert(
    alert_id="b6a9",
    phase="new",
    seq=1,
    score=4.1,
    threshold=2.7,
    peak=4.1,
    start=60.0,
    end=None,
    channels=(ChannelShare("vib_z", 0.71, 1.9, 0.2),),
)
MODEL = {"name": "pump", "version": "3", "sequence": 7, "sha256": "00"}


def event(alert: Alert = ALERT, *, stream: str = "pump1") -> dict[str, Any]:
    return alert_event(alert, time=61.25, gateway="gw7", stream=stream, model=MODEL, clock_synced=True)


def test_the_event_is_a_cloudevent_with_the_documented_keys() -> None:
    found = event()
    assert str(uuid.UUID(found.pop("id")))
    assert found == {
        "specversion": "1.0",
        "source": "/gw7/pump1",
        "type": "io.vedette.alert.new",
        "time": "1970-01-01T00:01:01.250Z",
        "datacontenttype": "application/json",
        "data": {
            "alert_id": "b6a9",
            "phase": "new",
            "seq": 1,
            "severity": 1.51852,
            "score": 4.1,
            "threshold": 2.7,
            "start": "1970-01-01T00:01:00.000Z",
            "end": None,
            "peak": 4.1,
            "channels": [{"name": "vib_z", "share": 0.71, "observed": 1.9, "expected": 0.2}],
            "model": MODEL,
            "historical": False,
            "clock_synced": True,
        },
    }


def test_an_end_with_a_reason_carries_it() -> None:
    found = event(replace(ALERT, phase="end", end=61.0, reason="gateway stopped"))
    assert found["type"] == "io.vedette.alert.end"
    assert found["data"]["end"] == "1970-01-01T00:01:01.000Z"
    assert found["data"]["reason"] == "gateway stopped"


def test_each_event_has_its_own_id() -> None:
    assert event()["id"] != event()["id"]


def test_the_source_is_a_valid_uri_reference() -> None:
    assert event(stream="motors/m%201")["source"] == "/gw7/motors/m%201"


def test_numbers_that_json_cannot_carry_become_null() -> None:
    found = event(replace(ALERT, channels=(ChannelShare("x", 1.0, math.inf, math.nan),)))
    channel = json.loads(encode(found))["data"]["channels"][0]
    assert channel == {"name": "x", "share": 1.0, "observed": None, "expected": None}


def test_an_alert_that_leaves_late_says_so() -> None:
    payload = encode(event())
    assert mark_historical(payload, event_time=1000.0, now=1300.0) == payload
    late = json.loads(mark_historical(payload, event_time=1000.0, now=1300.1))
    assert late["data"].pop("historical") is True
    fresh = json.loads(payload)
    del fresh["data"]["historical"]
    assert late == fresh


def test_the_model_record_names_the_bundle() -> None:
    bundle = bundles.unpack(tiny_bundle_bytes())
    assert model_record(bundle) == {"name": "tiny", "version": "1", "sequence": 1, "sha256": bundle.sha256}


def test_the_clock_is_synchronised_or_not_or_unknown() -> None:
    assert clock_synced() in (True, False, None)
