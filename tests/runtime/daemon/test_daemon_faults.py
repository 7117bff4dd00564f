"""The daemon with a real broker: faults of the data, maintenance and the cap."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Consumer, Gateway, Mosquitto, incident, payload, wait_for
from tiny import CHANNELS

pytestmark = pytest.mark.slow
Consume = Callable[..., Consumer]


def told(consumer: Consumer) -> list[tuple[str, str | None]]:
    return [(event["type"].removeprefix("io.vedette."), event["data"].get("kind")) for event in consumer.events]


def write_csv(path: Path, incidents: int, *, apart_s: int = 20) -> None:
    lines = ["time," + ",".join(CHANNELS)]
    for number in range(incidents):
        for text in incident(1000.0 + apart_s * number):
            sample = json.loads(text)
            lines.append(",".join(str(value) for value in sample.values()))
    path.write_text("\n".join(lines) + "\n")


def replay(gateway: Gateway, mosquitto: Mosquitto, consume: Consume, *, top: str, incidents: int) -> list[Any]:
    write_csv(gateway.folder / "test.csv", incidents)
    gateway.configure('{ file = "test.csv" }', top=top)
    consumer = consume("vedette/gw7/alert/#")
    gateway.start()
    assert gateway.wait() == 0, gateway.log.read_text()
    wait_for(lambda: "all sources ended" in gateway.log.read_text() or gateway.logged("stopped:"), "the end")
    events = [json.loads(text) for _, text in list(consumer.seen)]
    consumer.close()
    return [
        (event["type"], event["time"], event["source"], event["data"].get("start"), event["data"].get("alerts"))
        for event in events
    ]


def test_a_stream_that_never_comes_and_one_that_stops_are_told(
    gateway: Gateway, mosquitto: Mosquitto, consume: Consume
) -> None:
    gateway.configure('{ mqtt = "plant/pump1/raw" }', stream="faults = { silent_after_s = 2 }")
    consumer = consume("vedette/#")
    gateway.start()
    gateway.wait_connected()
    wait_for(lambda: told(consumer) == [("fault.new", "silence")], "silence from the start")
    consumer.publish("plant/pump1/raw", payload(None, 1.0))
    wait_for(lambda: told(consumer)[1:2] == [("fault.end", "silence")], "its end")
    wait_for(lambda: told(consumer)[2:] == [("fault.new", "silence")], "silence again")
    statuses = wait_for(lambda: [s for s in consumer.statuses() if "counters" in s], "a status")
    assert "open_faults" in statuses[-1]["streams"][0]
    assert gateway.stop() == 0
    wait_for(lambda: len(consumer.events) == 4, "the last end")
    assert consumer.events[-1]["data"]["reason"] == "gateway stopped"


def test_payloads_that_nobody_can_read_are_a_fault(gateway: Gateway, mosquitto: Mosquitto, consume: Consume) -> None:
    gateway.configure('{ mqtt = "plant/pump1/raw" }')
    consumer = consume("vedette/#")
    gateway.start()
    gateway.wait_connected()
    for _ in range(12):
        consumer.publish("plant/pump1/raw", '{"pressure": 1}')
    wait_for(lambda: told(consumer) == [("fault.new", "rejected")], "the fault")
    assert "none of the 3 channels is in the object" in consumer.events[0]["data"]["detail"]
    for _ in range(12):
        consumer.publish("plant/pump1/raw", payload(None, 1.0))
    wait_for(lambda: told(consumer) == [("fault.new", "rejected"), ("fault.end", "rejected")], "its end")


def test_a_fault_that_was_open_in_a_crash_is_ended_by_the_next_run(
    gateway: Gateway, mosquitto: Mosquitto, consume: Consume
) -> None:
    gateway.configure('{ mqtt = "plant/pump1/raw" }')
    consumer = consume("vedette/#")
    gateway.start()
    gateway.wait_connected()
    for _ in range(12):
        consumer.publish("plant/pump1/raw", "?")
    wait_for(lambda: told(consumer) == [("fault.new", "rejected")], "the fault")
    gateway.kill()
    gateway.start()
    wait_for(lambda: told(consumer) == [("fault.new", "rejected"), ("fault.end", "rejected")], "its end")
    new, end = (event["data"] for event in consumer.events)
    assert (end["fault_id"], end["seq"], end["reason"]) == (new["fault_id"], 2, "gateway restarted")


def test_a_replay_is_capped_alike_each_time_and_says_what_it_held_back(
    gateway: Gateway, mosquitto: Mosquitto, consume: Consume
) -> None:
    runs = [
        replay(gateway, mosquitto, consume, top="[alerts]\nmax_per_hour = 5\n", incidents=30) for _ in range(2)
    ]  # fmt: skip
    assert runs[0] == runs[1]
    kinds = [event[0] for event in runs[0]]
    assert kinds.count("io.vedette.alert.new") == kinds.count("io.vedette.alert.end") == 5
    assert sum(event[4] for event in runs[0] if event[0] == "io.vedette.suppressed") == 25
    assert kinds.count("io.vedette.suppressed") == 2  # at most one in five minutes


def test_maintenance_mutes_by_the_times_of_the_samples(
    gateway: Gateway, mosquitto: Mosquitto, consume: Consume
) -> None:
    top = '[[maintenance]]\nstreams = ["s1"]\nstart = 1970-01-01T00:00:00Z\nend = 1970-01-01T00:20:00Z\n'
    found = replay(gateway, mosquitto, consume, top=top, incidents=20)
    assert next(event[1] for event in found if event[0] == "io.vedette.alert.new") > "1970-01-01T00:20:00"
    assert len(found) == 2 * 10
