"""A microcontroller, the gateway daemon and a broker."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest
from conftest import Consumer, Gateway, Mosquitto, wait_for
from emulated_device import PERIOD_MS, EmulatedDevice
from tiny import CHANNELS

from vedette.firmware_bridge.link.messages import AlertStep, Error, Log, Score, Share
from vedette.runtime.bundles import bundle as bundles

pytestmark = pytest.mark.slow
Consume = Callable[..., Consumer]
# 6 normal rows, 3 anomalous, 6 normal: one incident.
INCIDENT = [[value] * len(CHANNELS) for value in [1.0] * 6 + [5.0] * 3 + [1.0] * 6]
SHARES = (Share(1, 0.75, 9.5, 1.0),)


@pytest.fixture
def device(tmp_path: Path) -> Iterator[EmulatedDevice]:
    """A device with the bundle's channels, its counter shortly before the wrap."""
    found = EmulatedDevice(tmp_path / "ttyACM0", [(name, "") for name in CHANNELS], start_ms=2**32 - 4000)
    found.plug()
    yield found
    found.unplug()


@pytest.fixture
def scoring(tmp_path: Path, tiny_bundle: Path) -> Iterator[EmulatedDevice]:
    """A device that scores with the bundle's model."""
    manifest = bundles.read(tiny_bundle).manifest
    model = (manifest.name, manifest.version, manifest.sequence)
    found = EmulatedDevice(tmp_path / "ttyACM1", [(name, "") for name in CHANNELS], scores=True, model=model)
    found.plug()
    yield found
    found.unplug()


def start(gateway: Gateway, consume: Consume, source: str, *, top: str = "") -> Consumer:
    consumer = consume("vedette/#")
    gateway.configure(source, top=top)
    gateway.start()
    consumer.wait_online()
    return consumer


def wait_synced(device: EmulatedDevice) -> None:
    """Until the gateway has measured the clock."""
    wait_for(lambda: sum(type(message).__name__ == "TimeRequest" for message in device.received) >= 8, "time requests")
    time.sleep(0.1)


def step(number: int, phase: str, ms: int, *, incident: int = 1, score: float = 5.0) -> AlertStep:
    before = (ms - 500) % 2**32
    return AlertStep(incident, number, phase, ms, before, before, score, 2.0, score, SHARES)


def phases(consumer: Consumer) -> list[tuple[str, int]]:
    return [(event["data"]["phase"], event["data"]["seq"]) for event in consumer.events]


def test_rows_from_a_port_are_scored_over_the_wrap_of_its_counter_and_through_noise(
    mosquitto: Mosquitto, gateway: Gateway, consume: Consume, device: EmulatedDevice
) -> None:
    consumer = start(gateway, consume, f'{{ serial = "{device.path}" }}')
    wait_synced(device)
    began, ms = time.time(), device.ms
    for number, row in enumerate(INCIDENT):
        device.raw(b"\x13\x37" * 40 + b"\0")
        device.rows(ms + number * PERIOD_MS, [row])
    device.send(Log(5, 30, "battery at 12%"))
    wait_for(lambda: phases(consumer) == [("new", 1), ("end", 2)], "the alert")
    alert = consumer.events[0]["data"]
    assert alert["channels"][0]["name"] in CHANNELS
    told = datetime.fromisoformat(alert["start"].replace("Z", "+00:00")).timestamp()
    assert abs(told - (began + 6)) < 1.5
    wait_for(lambda: gateway.logged("battery at 12%"), "the device's log")
    wait_for(lambda: gateway.logged("damaged: "), "the damaged frames")
    assert gateway.stop() == 0
    assert consumer.statuses()[-1]["counters"]["samples"] == len(INCIDENT)


def test_an_unplugged_device_goes_on_when_it_is_plugged_in_again(
    mosquitto: Mosquitto, gateway: Gateway, consume: Consume, device: EmulatedDevice
) -> None:
    device.unplug()
    consumer = start(gateway, consume, f'{{ serial = "{device.path}" }}')
    wait_for(lambda: gateway.logged("it is tried again"), "the missing port")
    for turn in range(2):
        device.plug()
        device.received.clear()
        wait_synced(device)
        device.rows(device.ms + turn * 100_000, INCIDENT)
        wait_for(lambda turn=turn: len(consumer.events) == 2 * turn + 2, "the alert")
        device.unplug()
    assert [phase for phase, _ in phases(consumer)] == ["new", "end"] * 2
    assert gateway.stop() == 0


def test_a_device_of_another_version_is_told_so_and_so_is_the_operator(
    mosquitto: Mosquitto, gateway: Gateway, consume: Consume, device: EmulatedDevice
) -> None:
    device.version = 2
    start(gateway, consume, f'{{ serial = "{device.path}" }}')
    wait_for(lambda: any(isinstance(message, Error) for message in device.received), "the answer")
    wait_for(
        lambda: gateway.logged("speaks version 2 of the link, this gateway speaks version 1"), "the log line"
    )  # fmt: skip
    assert gateway.stop() == 0


def test_a_device_with_other_channels_or_units_is_refused(
    mosquitto: Mosquitto, gateway: Gateway, consume: Consume, tmp_path: Path
) -> None:
    device = EmulatedDevice(tmp_path / "ttyACM2", [("pressure", "bar")])
    device.plug()
    consumer = start(gateway, consume, f'{{ serial = "{device.path}" }}')
    wait_synced(device)
    device.rows(device.ms, [[1.0]])
    wait_for(lambda: gateway.logged("none of the bundle's channels is in the device's hello"), "the refusal")
    assert gateway.stop() == 0
    assert consumer.statuses()[-1]["counters"]["samples"] == 0
    device.unplug()


def test_relayed_alerts_go_out_as_the_gateways_own_and_are_acknowledged_once_stored(
    mosquitto: Mosquitto, gateway: Gateway, consume: Consume, scoring: EmulatedDevice
) -> None:
    consumer = start(gateway, consume, f'{{ serial = "{scoring.path}", relay = true }}')
    wait_synced(scoring)
    ms = scoring.ms
    scoring.send(Score(ms, 0.5, 2.0))
    scoring.send(step(1, "new", ms))
    scoring.send(step(1, "new", ms))  # it has not heard of its acknowledgement yet
    wait_for(lambda: scoring.acks, "the acknowledgement")
    scoring.send(step(2, "update", ms + 1000, score=9.0))
    wait_for(lambda: (1, 2) in scoring.acks, "the acknowledgement")
    scoring.send(step(2, "update", ms + 1000, score=9.0))  # the acknowledgement was lost on the way
    wait_for(lambda: scoring.acks.count((1, 2)) == 2, "the acknowledgement")
    scoring.send(step(3, "end", ms + 2000))
    wait_for(lambda: phases(consumer) == [("new", 1), ("update", 2), ("end", 3)], "the alert")
    new, _, end = (event["data"] for event in consumer.events)
    assert len({event["data"]["alert_id"] for event in consumer.events}) == 1
    assert (new["score"], new["threshold"], new["severity"], new["peak"]) == (5.0, 2.0, 2.5, 5.0)
    assert new["channels"] == [{"name": CHANNELS[1], "share": 0.75, "observed": 9.5, "expected": 1.0}]
    bundle = bundles.read(gateway.bundle)
    assert new["model"] == {
        "name": bundle.manifest.name, "version": bundle.manifest.version, "sequence": bundle.manifest.sequence,
        "sha256": bundle.sha256,
    }  # fmt: skip
    assert end["end"] is not None
    assert gateway.stop() == 0


def test_an_open_incident_ends_when_the_device_starts_anew(
    mosquitto: Mosquitto, gateway: Gateway, consume: Consume, scoring: EmulatedDevice
) -> None:
    consumer = start(gateway, consume, f'{{ serial = "{scoring.path}", relay = true }}')
    wait_synced(scoring)
    scoring.send(step(1, "new", scoring.ms))
    wait_for(lambda: scoring.acks, "the acknowledgement")
    scoring.received.clear()
    scoring.restart()
    wait_for(lambda: [phase for phase, _ in phases(consumer)] == ["new", "end"], "the end")
    assert consumer.events[-1]["data"]["reason"] == "device restarted"
    wait_synced(scoring)
    scoring.send(step(1, "new", scoring.ms))  # its first incident again, of this start
    wait_for(lambda: len(consumer.events) == 3, "the next incident")
    assert gateway.stop() == 0


def test_what_the_device_has_not_heard_to_be_stored_survives_a_gateway_that_is_killed(
    mosquitto: Mosquitto, gateway: Gateway, consume: Consume, scoring: EmulatedDevice
) -> None:
    consumer = start(gateway, consume, f'{{ serial = "{scoring.path}", relay = true }}')
    wait_synced(scoring)
    gateway.kill()
    scoring.received.clear()
    gateway.start()
    wait_synced(scoring)
    scoring.send(step(7, "update", scoring.ms))  # of an incident that this gateway has not seen
    wait_for(lambda: (1, 7) in scoring.acks, "the acknowledgement")
    scoring.send(step(8, "end", scoring.ms))
    wait_for(lambda: phases(consumer) == [("new", 1), ("end", 2)], "the alert")
    assert gateway.stop() == 0


def test_an_alert_that_cannot_be_stored_is_not_acknowledged(
    mosquitto: Mosquitto, gateway: Gateway, consume: Consume, scoring: EmulatedDevice
) -> None:
    from vedette.runtime.delivery.delivery import Delivery
    from vedette.runtime.delivery.outbox import Outbox, OutgoingAlert, StorageError

    class FullDisk(Outbox):
        full = True

        def add(self, alerts: object, *, lost: int = 0) -> None:
            if self.full:
                raise StorageError("no space left")

    class NoLink:
        online = False
        window = 0

    outbox = FullDisk(gateway.folder / "full.db", max_bytes=4 * 2**20)
    delivery = Delivery(outbox, NoLink())  # type: ignore[arg-type]
    stored: list[int] = []
    delivery.accept(OutgoingAlert("id", "topic", 1.0, 0.0, b"{}"))
    delivery.when_stored(lambda: stored.append(1))
    delivery.step(retry_now=True)
    assert stored == []
    outbox.full = False
    delivery.step(retry_now=True)
    assert stored == [1]
    delivery.step(retry_now=True)
    assert stored == [1]
    outbox.close()


def test_a_device_that_does_not_score_is_refused_as_a_relay(
    mosquitto: Mosquitto, gateway: Gateway, consume: Consume, device: EmulatedDevice
) -> None:
    start(gateway, consume, f'{{ serial = "{device.path}", relay = true }}')
    wait_for(lambda: gateway.logged("does not score by itself"), "the refusal")
    assert gateway.stop() == 0


def test_another_model_than_the_bundles_is_told_and_named_in_the_alerts(
    mosquitto: Mosquitto, gateway: Gateway, consume: Consume, tmp_path: Path
) -> None:
    device = EmulatedDevice(tmp_path / "ttyACM3", [("q", "bar"), ("r", "")], scores=True, model=("other", "9", 4))
    device.plug()
    consumer = start(gateway, consume, f'{{ serial = "{device.path}", relay = true }}')
    wait_synced(device)
    device.send(step(1, "new", device.ms))
    wait_for(lambda: consumer.events, "the alert")
    alert = consumer.events[0]["data"]
    assert alert["model"] == {"name": "other", "version": "9", "sequence": 4, "sha256": None}
    assert alert["channels"][0]["name"] == "r"
    assert gateway.logged("the firmware scores with other 9 (sequence 4), but the bundle here is")
    assert gateway.stop() == 0
    device.unplug()
