"""Home Assistant's discovery: only when asked for, complete, and taken back without a trace."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Consumer, Gateway, Mosquitto, incident, wait_for

Consume = Callable[..., Consumer]
INPUT = '{ mqtt = "plant/+/raw" }'
ON = "[discovery]\nhome_assistant = true\n"


def newest(consumer: Consumer, beginning: str) -> dict[str, Any]:
    """Topic -> its last message; those that were emptied are left out."""
    found = {topic: payload for topic, payload in list(consumer.seen) if topic.startswith(beginning)}
    return {topic: json.loads(payload) for topic, payload in found.items() if payload}


def append(gateway: Gateway, text: str) -> None:
    config = gateway.folder / "gateway.toml"
    config.write_text(config.read_text() + text)


def feed(consumer: Consumer, device: str, count: int = 9) -> None:
    for line in incident(1000.0)[:count]:
        consumer.publish(f"plant/{device}/raw", line)


@pytest.mark.slow
def test_by_default_nothing_but_alerts_and_status_leaves_the_gateway(
    gateway: Gateway, mosquitto: Mosquitto, consume: Consume
) -> None:
    gateway.configure(INPUT)
    consumer = consume("#")
    gateway.start()
    consumer.wait_online()
    feed(consumer, "pump1", 15)
    wait_for(lambda: len(consumer.events) == 2, "the alert")
    assert gateway.stop() == 0
    topics = {topic for topic, _ in consumer.seen if not topic.startswith("plant/")}
    assert topics == {"vedette/gw7/status", "vedette/gw7/alert/s1/pump1"}


@pytest.mark.slow
def test_streams_are_announced_told_and_taken_back(gateway: Gateway, mosquitto: Mosquitto, consume: Consume) -> None:
    base = gateway.configure(INPUT).read_text()
    append(gateway, ON)
    consumer = consume("vedette/#", "homeassistant/#")
    gateway.start()
    consumer.wait_online()
    feed(consumer, "motor 1")
    state_topic = "vedette/gw7/state/s1/motor%201"
    wait_for(lambda: newest(consumer, state_topic).get(state_topic, {}).get("problem") == "ON", "the problem")
    assert newest(consumer, state_topic)[state_topic]["severity"] > 1
    announced = newest(consumer, "homeassistant/")
    assert len(announced) == 2
    devices = {message["dev"]["name"]: message for message in announced.values()}
    gateway_device, stream = devices["gw7"], devices["s1/motor%201"]
    assert stream["dev"]["via_device"] in gateway_device["dev"]["ids"]
    assert {part["p"] for part in stream["cmps"].values()} == {"binary_sensor", "sensor"}
    assert {part["state_topic"] for part in stream["cmps"].values()} == {state_topic}
    assert stream["cmps"]["anomaly"]["device_class"] == "problem"
    unique = [part["unique_id"] for message in announced.values() for part in message["cmps"].values()]
    assert len(set(unique)) == 4
    assert all(message["o"]["name"] == "vedette" for message in announced.values())
    # Retained, so that Home Assistant finds them when it comes later.
    late = consume("homeassistant/#")
    wait_for(lambda: newest(late, "homeassistant/") == announced, "the retained messages")
    # Off by a reload: the broker keeps nothing of it.
    (gateway.folder / "gateway.toml").write_text(base)
    assert gateway.process is not None
    gateway.process.send_signal(1)
    wait_for(lambda: not newest(consumer, "homeassistant/") and not newest(consumer, state_topic), "the end of it")
    assert not list(gateway.folder.glob("*.home_assistant"))


@pytest.mark.slow
def test_what_an_earlier_run_announced_is_taken_back_by_a_later_one(
    gateway: Gateway, mosquitto: Mosquitto, consume: Consume
) -> None:
    gateway.configure(INPUT, '{ mqtt = "other" }')
    append(gateway, ON)
    consumer = consume("vedette/#", "homeassistant/#")
    gateway.start()
    consumer.wait_online(streams=2)
    feed(consumer, "pump1")
    consumer.publish("other", incident(1000.0)[0])
    wait_for(lambda: len(newest(consumer, "homeassistant/")) == 3, "all three devices")
    assert gateway.stop() == 0
    assert len(newest(consumer, "homeassistant/")) == 3, "a gateway that is off is unavailable, not gone"
    # The second stream is gone from the configuration; the first has not sent anything yet, and may.
    gateway.configure(INPUT)
    append(gateway, ON)
    gateway.start()
    wait_for(lambda: len(newest(consumer, "homeassistant/")) == 2, "the removal")
    assert {message["dev"]["name"] for message in newest(consumer, "homeassistant/").values()} == {"gw7", "s1/pump1"}
    assert gateway.stop() == 0
    gateway.configure(INPUT)
    gateway.start()
    wait_for(lambda: not newest(consumer, "homeassistant/"), "the removal of all")
    assert not newest(consumer, "vedette/gw7/state/")


@pytest.mark.slow
def test_a_broker_that_forgot_is_told_again(gateway: Gateway, mosquitto: Mosquitto, consume: Consume) -> None:
    gateway.configure(INPUT)
    append(gateway, ON)
    gateway.start()
    gateway.wait_connected()
    mosquitto.kill()
    mosquitto.start()
    gateway.wait_connected(2)
    consumer = consume("homeassistant/#")
    wait_for(lambda: len(newest(consumer, "homeassistant/")) == 1, "the gateway's device")


@pytest.mark.slow
def test_a_damaged_note_is_no_obstacle(gateway: Gateway, mosquitto: Mosquitto, consume: Consume) -> None:
    gateway.configure(INPUT)
    Path(gateway.folder / "outbox.db.home_assistant").write_text('["not", "a", "table"]')
    consumer = consume("vedette/#")
    gateway.start()
    wait_for(lambda: consumer.statuses() and consumer.statuses()[-1]["state"] == "online", "online")
