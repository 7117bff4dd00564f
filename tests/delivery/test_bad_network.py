"""The link through a network that delays, cuts and swallows, and through callbacks that fail."""

from __future__ import annotations

import contextlib
import queue
import threading
import time

import pytest
from conftest import Consumer, Mosquitto, wait_for
from tcp_proxy import TcpProxy

from vedette.runtime.mqtt import link as links
from vedette.runtime.mqtt.connection import Client, MqttConfig
from vedette.runtime.mqtt.link import Link, LinkEvent

pytestmark = pytest.mark.slow

KEEPALIVE_S = 5


class Driver:
    """Runs a link as the daemon does; ``deaf`` drops the events of the network thread."""

    def __init__(self, port: int, *, version: str = "auto") -> None:
        self.events: queue.SimpleQueue[LinkEvent] = queue.SimpleQueue()
        config = MqttConfig("127.0.0.1", port, None, "tester", keepalive_s=KEEPALIVE_S, version=version)
        self.link = Link(config, post=self.post)
        self.deaf = False
        self.codes: list[int | None] = []

    def post(self, event: LinkEvent) -> None:
        if self.deaf:
            raise RuntimeError("the queue is gone")
        self.events.put(event)

    def step(self) -> Link:
        self.link.step()
        with contextlib.suppress(queue.Empty):
            self.link.handle(self.events.get(timeout=0.02))
        return self.link

    def connect(self, times: int = 1) -> None:
        wait_for(lambda: self.step().connections >= times and self.link.online, "the connection")


@pytest.mark.parametrize("direction", ["up", "down", "both"])
@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_a_half_open_connection_is_found_within_two_keepalives(
    mosquitto: Mosquitto, direction: str, version: str
) -> None:
    with TcpProxy((mosquitto.host, mosquitto.port)) as proxy:
        driver = Driver(proxy.port, version=version)
        driver.connect()
        proxy.swallow = {"up", "down"} if direction == "both" else {direction}
        start = time.monotonic()
        driver.link.publish("a/b", b"x", driver.codes.append)
        wait_for(lambda: not driver.step().online, "the link to notice")
        assert time.monotonic() - start <= 2 * KEEPALIVE_S
        assert driver.codes == [None]
        proxy.swallow = set()
        driver.connect(2)
        driver.link.close()


def test_a_link_whose_messages_go_nowhere_is_given_up_though_others_come_in(mosquitto: Mosquitto) -> None:
    with TcpProxy((mosquitto.host, mosquitto.port)) as proxy:
        driver = Driver(proxy.port)
        driver.link.subscribe("noise", lambda _: True, qos=0)
        driver.connect()
        noise = Consumer(mosquitto, "vedette/none")
        # The broker ends the connection after 1.5 keepalives, and that must not come through either.
        proxy.swallow, proxy.hold_ends = {"up"}, True
        start = time.monotonic()
        driver.link.publish("a/b", b"x", driver.codes.append)
        while driver.step().online:
            noise.publish("noise", "x")
            assert time.monotonic() - start <= 2 * KEEPALIVE_S
        assert driver.codes == [None]
        noise.close()
        driver.link.close()


def test_a_slow_network_loses_no_confirmation(mosquitto: Mosquitto) -> None:
    with TcpProxy((mosquitto.host, mosquitto.port)) as proxy:
        proxy.delay_s = 0.5
        driver = Driver(proxy.port)
        driver.connect()
        for _ in range(10):
            driver.link.publish("a/b", b"x", driver.codes.append)
        wait_for(lambda: driver.step() and len(driver.codes) == 10, "the confirmations")
        assert set(driver.codes) == {links.NO_SUBSCRIBERS}
        assert driver.link.connections == 1
        driver.link.close()


def test_a_cut_connection_comes_back(mosquitto: Mosquitto) -> None:
    with TcpProxy((mosquitto.host, mosquitto.port)) as proxy:
        driver = Driver(proxy.port)
        for times in (1, 2, 3):
            driver.connect(times)
            proxy.cut()
            wait_for(lambda: not driver.step().online, "the end")
        driver.link.close()


def test_a_handler_that_fails_costs_its_message_and_not_the_connection(
    mosquitto: Mosquitto, caplog: pytest.LogCaptureFixture
) -> None:
    driver = Driver(mosquitto.port)
    received: list[bytes] = []

    def fragile(message: object) -> bool:
        payload = bytes(message.payload)  # type: ignore[attr-defined]
        if payload != b"good":
            raise RecursionError(payload)
        received.append(payload)
        return True

    driver.link.subscribe("in", fragile, qos=0)
    driver.connect()
    sender = Consumer(mosquitto, "vedette/none")
    for payload in ("bad", "good", "bad", "bad", "good"):
        sender.publish("in", payload)
    wait_for(lambda: driver.step() and len(received) == 2, "the good messages")
    assert driver.link.handler_failures == 3
    assert driver.link.connections == 1
    assert caplog.text.count("could not be handled") == 2  # the first and the second
    sender.close()
    driver.link.close()


@pytest.mark.parametrize("callback", ["on_publish", "on_subscribe", "on_message", "on_socket_open", "on_connect"])
def test_an_exception_in_any_callback_ends_the_connection_and_the_next_one_works(
    mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch, callback: str
) -> None:
    failing = threading.Event()
    failing.set()
    begin = Client.loop_start

    def sabotaged(client: Client) -> object:
        good = getattr(client, callback)

        def fail_once(*arguments: object) -> object:
            if failing.is_set():
                failing.clear()
                raise ZeroDivisionError(callback)
            return good(*arguments)

        setattr(client, callback, fail_once)
        return begin(client)

    monkeypatch.setattr(Client, "loop_start", sabotaged)
    driver = Driver(mosquitto.port)
    driver.link.subscribe("in", lambda _: True, qos=0)
    sender = Consumer(mosquitto, "vedette/none")

    def stir() -> bool:
        driver.step()
        driver.link.publish("a/b", b"x")
        sender.publish("in", "x")
        return not failing.is_set()

    wait_for(stir, "the callback to fail")
    wait_for(lambda: driver.step()._attempt >= 2 and driver.link.online, "the next connection")
    driver.link.publish("a/b", b"x", driver.codes.append)
    wait_for(lambda: driver.step() and driver.codes, "a confirmation")
    sender.close()
    driver.link.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_network_thread_that_cannot_tell_its_end_is_missed(
    mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(links, "LAST_WORD_S", 0.2)
    driver = Driver(mosquitto.port)
    driver.connect()
    driver.deaf = True
    mosquitto.kill()
    wait_for(lambda: not driver.step().online, "the link to notice")
    assert "the network thread has ended" in caplog.text
    driver.deaf = False
    mosquitto.start()
    driver.connect(2)
    driver.link.close()


def test_a_callback_that_hangs_does_not_hold_up_the_link(
    mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(links, "STUCK_S", 2.0)
    driver = Driver(mosquitto.port)
    go_on = threading.Event()
    driver.link.subscribe("in", lambda _: go_on.wait(30), qos=0)
    driver.connect()
    sender = Consumer(mosquitto, "vedette/none")
    sender.publish("in", "x")
    wait_for(lambda: not driver.step().online, "the link to notice")
    assert "has not moved" in caplog.text
    go_on.set()
    driver.connect(2)
    sender.close()
    driver.link.close()


def test_a_publish_that_the_acl_denies_is_not_delivered(mosquitto: Mosquitto) -> None:
    mosquitto.kill()
    acl = mosquitto._config.with_name("acl")
    acl.write_text("topic readwrite allowed/#\n")
    acl.chmod(0o600)
    mosquitto.write_config(f"allow_anonymous true\nacl_file {acl}")
    mosquitto.start()
    driver = Driver(mosquitto.port)
    driver.link.subscribe("allowed/#", lambda _: True, qos=1)
    driver.connect()
    for topic in ("allowed/x", "vedette/gw7/alert/s1"):
        driver.link.publish(topic, b"x", driver.codes.append)
    wait_for(lambda: driver.step() and len(driver.codes) == 2, "the answers")
    assert sorted(driver.codes, key=str) == [0, 0x87]
    driver.link.close()
