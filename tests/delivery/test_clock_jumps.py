"""The wall clock jumps, or stands still: no false alert, no timer that hangs, the order kept."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import PATIENCE_S, Consumer, Gateway, Mosquitto, incident, payload, wait_for
from required import missing

pytestmark = pytest.mark.slow
Consume = Callable[..., Consumer]

HOUR_S, TEN_YEARS_S = 3600, 10 * 365 * 86_400
LIBRARIES = sorted(Path("/usr/lib").glob("**/faketime/libfaketimeMT.so.1"))


def last_state(consumer: Consumer) -> str:
    return str(consumer.statuses()[-1]["state"]) if consumer.statuses() else ""


class FakeClock:
    """What the gateway's processes take for the wall clock. Their monotonic clock is the real one, as it is in life."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._file = folder / "faketime"
        self.jump(0)
        monkeypatch.setenv("LD_PRELOAD", str(LIBRARIES[0]))
        monkeypatch.setenv("FAKETIME_TIMESTAMP_FILE", str(self._file))
        monkeypatch.setenv("FAKETIME_NO_CACHE", "1")
        monkeypatch.setenv("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        monkeypatch.setenv("DONT_FAKE_MONOTONIC", "1")

    def jump(self, seconds: int) -> None:
        """Set the clock off by that much."""
        self._write(f"{seconds:+d}s")

    def freeze(self) -> None:
        """Let it stand still."""
        self._write(time.strftime("%Y-%m-%d %H:%M:%S", time.localtime()))

    def _write(self, text: str) -> None:
        new = self._file.with_suffix(".new")
        new.write_text(text + "\n")
        new.replace(self._file)


@pytest.fixture
def clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    if not LIBRARIES:
        missing("libfaketime is not installed", "make system-packages")
    return FakeClock(tmp_path, monkeypatch)


@pytest.fixture
def started(
    gateway: Gateway, mosquitto: Mosquitto, consume: Consume, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> Gateway:
    """A gateway that runs; only it lives with the fake clock."""
    gateway.configure('{ mqtt = "plant/pump1/raw" }', mqtt="keepalive_s = 5")
    gateway.start()
    watcher = consume("vedette/gw7/status")
    # The status is told after the subscription to the samples.
    wait_for(lambda: last_state(watcher) == "online", "the status")
    monkeypatch.delenv("LD_PRELOAD")
    return gateway


JUMPS = [HOUR_S, -HOUR_S, TEN_YEARS_S, -TEN_YEARS_S, None]


@pytest.mark.parametrize("jump", JUMPS, ids=["+1h", "-1h", "+10y", "-10y", "frozen"])
def test_a_jump_raises_nothing_hangs_nothing_and_keeps_the_order(
    started: Gateway, mosquitto: Mosquitto, consume: Consume, clock: FakeClock, jump: int | None
) -> None:
    consumer = consume("vedette/#")
    send = [payload(1000.0 + number, 1.0) for number in range(10)] + incident(1010.0) + incident(1030.0)
    for number, text in enumerate(send):
        consumer.publish("plant/pump1/raw", text)
        if number == 20:  # within the first incident
            clock.freeze() if jump is None else clock.jump(jump)
    wait_for(lambda: len(consumer.events) == 4, "two incidents")
    assert [event["data"]["phase"] for event in consumer.events] == ["new", "end", "new", "end"]
    assert [int(event["sequence"]) for event in consumer.events] == [1, 2, 3, 4]
    # The timers run on: the broker comes back, the link notices, the status is told again.
    told = len(consumer.statuses())
    mosquitto.kill()
    mosquitto.start()
    started.wait_connected(2)
    wait_for(lambda: len(consumer.statuses()) > told and last_state(consumer) != "offline", "the status")
    assert len({event["id"] for event in consumer.events}) == 4
    assert started.stop() == 0


def test_what_was_published_survives_a_jump_and_is_sent_again_when_the_broker_forgets(
    started: Gateway, mosquitto: Mosquitto, consume: Consume, clock: FakeClock
) -> None:
    consumer = consume("vedette/#")
    for number, jump in enumerate((0, TEN_YEARS_S, -TEN_YEARS_S)):
        clock.jump(jump)
        for text in incident(1000.0 + 20 * number):
            consumer.publish("plant/pump1/raw", text)
        wait_for(lambda expected=2 * number + 2: len(consumer.events) == expected, "the incident")
    mosquitto.kill()
    mosquitto.start()
    wait_for(lambda: len(consumer.events) == 12, "all of them again")
    assert len({event["id"] for event in consumer.events}) == 6
    assert started.stop() == 0


@pytest.mark.parametrize("jump", JUMPS, ids=["+1h", "-1h", "+10y", "-10y", "frozen"])
def test_samples_without_a_time_are_scored_through_a_jump(
    started: Gateway, mosquitto: Mosquitto, consume: Consume, clock: FakeClock, jump: int | None
) -> None:
    consumer = consume("vedette/#")

    def send(value: float, count: int) -> None:
        for _ in range(count):
            consumer.publish("plant/pump1/raw", payload(None, value))
            time.sleep(0.05)

    send(1.0, 6)
    clock.freeze() if jump is None else clock.jump(jump)
    send(1.0, 20)
    assert consumer.events == []
    send(5.0, 6)
    wait_for(lambda: len(consumer.events) == 1, "new")
    deadline = time.monotonic() + PATIENCE_S
    while len(consumer.events) < 2 and time.monotonic() < deadline:
        send(1.0, 10)
    assert [event["data"]["phase"] for event in consumer.events] == ["new", "end"]
    assert started.stop() == 0
