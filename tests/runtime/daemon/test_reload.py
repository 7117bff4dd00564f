"""SIGHUP: a good configuration takes over without a lost sample, a bad one changes nothing."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import Consumer, Gateway, Mosquitto, incident, payload, wait_for
from tiny import tiny_bundle_bytes

from vedette.errors import ConfigError
from vedette.runtime.bundles import bundle as bundles
from vedette.runtime.config.gateway import load_gateway
from vedette.runtime.daemon.reload import Running, check_changes, plan
from vedette.runtime.observe.status_command import places
from vedette.runtime.observe.status_socket import ask

Consume = Callable[..., Consumer]

S1, S2 = '{ mqtt = "plant/pump1/raw" }', '{ mqtt = "plant/pump2/raw" }'


def hang_up(gateway: Gateway, outcome: str) -> None:
    """Send SIGHUP and wait until one more line of the log says ``outcome``."""
    assert gateway.process is not None
    before = gateway.log.read_text().count(outcome)
    gateway.process.send_signal(signal.SIGHUP)
    wait_for(lambda: gateway.log.read_text().count(outcome) > before, outcome)


def phases(consumer: Consumer, source: str) -> list[str]:
    return [event["data"]["phase"] for event in consumer.events if event["source"] == source]


def last_status(consumer: Consumer) -> dict[str, Any]:
    return consumer.statuses()[-1]


def send(consumer: Consumer, topic: str, payloads: list[str]) -> None:
    for text in payloads:
        consumer.publish(topic, text)


@pytest.mark.slow
def test_an_unchanged_stream_keeps_its_incident_and_its_window(
    gateway: Gateway, mosquitto: Mosquitto, consume: Consume
) -> None:
    gateway.configure(S1)
    consumer = consume("vedette/#")
    gateway.start()
    consumer.wait_online()
    lines = incident(1000.0)
    send(consumer, "plant/pump1/raw", lines[:8])
    wait_for(lambda: phases(consumer, "/gw7/s1") == ["new"], "new")
    gateway.configure(S1, S2)
    hang_up(gateway, "unchanged: 1, changed: 0, removed: 0, new: 1")
    consumer.wait_online(streams=2)
    send(consumer, "plant/pump1/raw", lines[8:])
    wait_for(lambda: phases(consumer, "/gw7/s1") == ["new", "end"], "end")
    assert consumer.events[0]["data"]["alert_id"] == consumer.events[1]["data"]["alert_id"]
    assert "reason" not in consumer.events[1]["data"]
    send(consumer, "plant/pump2/raw", incident(1000.0))
    wait_for(lambda: phases(consumer, "/gw7/s2") == ["new", "end"], "the new stream's alert")
    assert gateway.log.read_text().count("connected to") == 1


@pytest.mark.slow
def test_a_removed_stream_ends_its_alerts_and_a_changed_one_begins_anew(
    gateway: Gateway, mosquitto: Mosquitto, consume: Consume
) -> None:
    gateway.configure(S1, S2)
    consumer = consume("vedette/#")
    gateway.start()
    consumer.wait_online(streams=2)
    for topic in ("plant/pump1/raw", "plant/pump2/raw"):
        send(consumer, topic, incident(1000.0)[:8])
    wait_for(lambda: len(consumer.events) == 2, "two alerts")
    gateway.configure(S1, stream="alert = { min_windows = 1 }")
    hang_up(gateway, "unchanged: 0, changed: 1, removed: 1, new: 0")
    wait_for(lambda: len(consumer.events) == 4, "both ends")
    reasons = {event["source"]: event["data"]["reason"] for event in consumer.events if event["data"]["phase"] == "end"}
    assert reasons == {"/gw7/s1": "stream changed", "/gw7/s2": "stream removed"}
    send(consumer, "plant/pump2/raw", incident(2000.0))
    send(consumer, "plant/pump1/raw", incident(2000.0))
    wait_for(lambda: len(consumer.events) == 6, "the changed stream's alert")
    assert phases(consumer, "/gw7/s2") == ["new", "end"]
    # What was counted stays counted.
    wait_for(lambda: last_status(consumer).get("counters", {}).get("samples") == 8 + 8 + 15, "the counters")


@pytest.mark.slow
def test_a_bad_configuration_changes_nothing_and_says_so(
    gateway: Gateway, mosquitto: Mosquitto, consume: Consume
) -> None:
    good = gateway.configure(S1).read_text()
    consumer = consume("vedette/#")
    gateway.start()
    consumer.wait_online()
    config = gateway.folder / "gateway.toml"
    data = bytearray(gateway.bundle.read_bytes())
    data[len(data) // 2] ^= 1
    (gateway.folder / "damaged.vdt").write_bytes(data)
    golden_bundle = bundles.read(gateway.bundle)
    golden = replace(golden_bundle.golden, outputs=golden_bundle.golden.outputs + 1)
    other = bundles.pack(golden_bundle.manifest, golden_bundle.model_bytes, golden)
    (gateway.folder / "other.vdt").write_bytes(other)
    bad = {
        "not valid TOML": good + "\n[[stream",
        "cannot be read": good.replace(str(gateway.bundle), "none.vdt"),
        "damaged": good.replace(str(gateway.bundle), "damaged.vdt"),
        "golden outputs differ": good.replace(str(gateway.bundle), "other.vdt"),
        "has no channel": good.replace('pump1/raw"', 'pump1/raw", units = { nothing = "mm" }'),
        "unknown key": good.replace("[outbox]", "[outbox]\nsize = 3"),
        "[outbox] path cannot change": good.replace("outbox.db", "other.db"),
    }
    for number, (reason, text) in enumerate(bad.items()):
        config.write_text(text)
        hang_up(gateway, "reload failed")
        wait_for(lambda: last_status(consumer)["state"] == "degraded", "degraded")
        wait_for(lambda reason=reason: reason in last_status(consumer)["reasons"][0], f"the reason: {reason}")
        assert last_status(consumer)["reasons"][0].startswith("reload failed: ")
        send(consumer, "plant/pump1/raw", incident(1000.0 + 100 * number))
        wait_for(lambda number=number: len(consumer.events) == 2 * number + 2, "an alert as before")
    config.write_text(good)
    hang_up(gateway, "unchanged: 1, changed: 0, removed: 0, new: 0")
    wait_for(lambda: last_status(consumer)["state"] == "online", "online again")
    assert "Traceback" not in gateway.log.read_text()


@pytest.mark.slow
def test_reloads_under_load_lose_no_sample_of_an_unchanged_stream(
    gateway: Gateway, mosquitto: Mosquitto, consume: Consume, tmp_path: Path
) -> None:
    (tmp_path / "second.vdt").write_bytes(tiny_bundle_bytes(version="2"))
    config = gateway.configure(S1)
    one = config.read_text()
    two = one + f'[[stream]]\nname = "s2"\nbundle = "second.vdt"\nsource = {S2}\n'
    consumer = consume("vedette/#")
    gateway.start()
    assert gateway.process is not None
    consumer.wait_online()
    count, done = 4000, threading.Event()

    def publish() -> None:
        for number in range(count):
            consumer._client.publish("plant/pump1/raw", payload(1000.0 + number, 1.0), qos=0)
            time.sleep(0.001)
        done.set()

    threading.Thread(target=publish, daemon=True).start()
    reloads = 0
    while not done.is_set():
        config.write_text(two if reloads % 2 == 0 else one)
        gateway.process.send_signal(signal.SIGHUP)
        reloads += 1
        # Not by the log, which cuts a flood of one kind of line.
        wait_for(lambda wanted=reloads: ask(places(config))["reloads"] == wanted, "the reload")
    assert reloads >= 2

    def samples() -> int:
        entries = last_status(consumer).get("streams", [])
        return next((entry["samples"] for entry in entries if entry["name"] == "s1"), 0)

    wait_for(lambda: samples() == count, "every sample")
    assert last_status(consumer)["counters"]["rejected"] == 0


@pytest.mark.slow
def test_other_broker_settings_reconnect_and_nothing_of_the_streams_is_lost(
    gateway: Gateway, mosquitto: Mosquitto, consume: Consume
) -> None:
    gateway.configure(S1)
    consumer = consume("vedette/#")
    gateway.start()
    consumer.wait_online()
    lines = incident(1000.0)
    send(consumer, "plant/pump1/raw", lines[:8])
    wait_for(lambda: phases(consumer, "/gw7/s1") == ["new"], "new")
    gateway.configure(S1, mqtt='client_id = "another"')
    hang_up(gateway, "reloaded: ")
    gateway.wait_connected(2)
    consumer.wait_online()
    assert "the broker's settings change" in [r for status in consumer.statuses() for r in status["reasons"]]
    send(consumer, "plant/pump1/raw", lines[8:])
    wait_for(lambda: "end" in phases(consumer, "/gw7/s1"), "end")
    # The broker does not know the new client, so what it had confirmed to the old one was sent again, with the same id.
    steps = {event["id"]: (event["data"]["alert_id"], event["data"]["phase"]) for event in consumer.events}
    assert sorted(phase for _, phase in steps.values()) == ["end", "new"]
    assert len({alert_id for alert_id, _ in steps.values()}) == 1
    assert gateway.stop() == 0


@pytest.mark.slow
def test_standard_input_goes_on_over_a_reload(gateway: Gateway, mosquitto: Mosquitto, consume: Consume) -> None:
    gateway.configure("{ stdin = true }")
    consumer = consume("vedette/#")
    lines = incident(1000.0)
    gateway.start("\n".join(lines[:8]).encode() + b"\n", keep_open=True)
    wait_for(lambda: phases(consumer, "/gw7/s1") == ["new"], "new")
    gateway.configure("{ stdin = true }", stream="alert = { min_windows = 1 }")
    hang_up(gateway, "changed: 1")
    assert gateway.process is not None and gateway.process.stdin is not None
    gateway.process.stdin.write("\n".join(incident(2000.0)).encode())
    gateway.process.stdin.close()
    assert gateway.wait() == 0
    wait_for(lambda: phases(consumer, "/gw7/s1") == ["new", "end", "new", "end"], "both incidents")
    # Counted over both entries, and none read twice or by nobody.
    assert json.loads(gateway.log.read_text().rpartition("stopped: ")[2])["samples"] == 8 + 15


def write(folder: Path, bundle: Path, text: str = "", streams: tuple[str, ...] = ("a",)) -> Path:
    path = folder / "gateway.toml"
    tables = "".join(
        f'[[stream]]\nname = "{name}"\nbundle = "{bundle}"\nsource = {{ mqtt = "{name}" }}\n' for name in streams
    )
    path.write_text(f'gateway = "gw7"\n[mqtt]\nhost = "localhost"\ntls = false\n{text}\n{tables}')
    return path


def test_what_a_running_gateway_cannot_change_is_named(tmp_path: Path, tiny_bundle: Path) -> None:
    old = load_gateway(write(tmp_path, tiny_bundle), environ={})
    new = load_gateway(write(tmp_path, tiny_bundle, "[outbox]\nmax_mb = 5\n[input]\nmax_queued = 7"), environ={})
    with pytest.raises(ConfigError, match=r"\[outbox\] max_mb, \[input\] max_queued cannot change.*restart"):
        check_changes(old, new)
    check_changes(old, load_gateway(write(tmp_path, tiny_bundle, 'client_id = "x"'), environ={}))


def test_entries_are_matched_by_name_bundle_and_source(tmp_path: Path, tiny_bundle: Path) -> None:
    bundle = bundles.read(tiny_bundle)
    newer = bundles.unpack(tiny_bundle_bytes(version="2"))
    streams = load_gateway(write(tmp_path, tiny_bundle, streams=("a", "b", "c", "d")), environ={}).streams
    running = {7 + place: Running(stream, bundle) for place, stream in enumerate(streams)}
    moved = replace(streams[2], source=streams[3].source)
    found = plan(
        running,
        [
            Running(streams[1], newer),
            Running(streams[0], bundle),
            Running(moved, bundle),
            Running(replace(moved, name="e"), bundle),
        ],
    )
    assert found.kept == {7}
    assert found.replaced == {8: 0}
    assert found.removed == {9: "stream changed", 10: "stream removed"}
    assert found.added == (2, 3)
