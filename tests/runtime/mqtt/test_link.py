"""The link with brokers of several kinds: TLS, MQTT 3.1.1 only, silent, refusing."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Mosquitto, wait_for
from pki import Certificates

from vedette.runtime.mqtt import link as links
from vedette.runtime.mqtt.connection import MqttConfig, TlsConfig
from vedette.runtime.mqtt.link import Link, LinkEvent

pytestmark = pytest.mark.slow


class Driver:
    """Runs a link as the daemon does."""

    def __init__(self, config: MqttConfig) -> None:
        self.events: queue.SimpleQueue[LinkEvent] = queue.SimpleQueue()
        self.link = Link(config, post=self.events.put)

    def step(self) -> Link:
        self.link.step()
        with contextlib.suppress(queue.Empty):
            self.link.handle(self.events.get(timeout=0.05))
        return self.link


def plain(host: str, port: int) -> MqttConfig:
    return MqttConfig(host, port, None, "tester", keepalive_s=5)


def publish(driver: Driver, topic: str) -> int | None:
    """The PUBACK's reason code."""
    codes: list[int | None] = []
    assert driver.link.publish(topic, b"x", codes.append)
    wait_for(lambda: driver.step() and codes, "the PUBACK")
    return codes[0]


def test_mqtt_5_says_that_nobody_listens(mosquitto: Mosquitto) -> None:
    driver = Driver(plain(mosquitto.host, mosquitto.port))
    wait_for(lambda: driver.step().online, "the connection")
    assert driver.link.version == "5"
    assert publish(driver, "a/b") == links.NO_SUBSCRIBERS
    driver.link.close()


def test_what_was_not_confirmed_when_the_connection_ends_counts_as_not_delivered(mosquitto: Mosquitto) -> None:
    driver = Driver(plain(mosquitto.host, mosquitto.port))
    wait_for(lambda: driver.step().online, "the connection")
    codes: list[int | None] = []
    mosquitto.kill()
    driver.link.publish("a/b", b"x", codes.append)
    wait_for(lambda: not driver.step().online, "the end")
    assert codes in ([None], [])
    assert driver.link.unconfirmed == 0
    assert not driver.link.publish("a/b", b"x")
    driver.link.close()


def test_many_connections_leave_no_threads_and_no_files_behind(
    stopped_mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "LAST_RETRY_S", 0.01)
    driver = Driver(plain(stopped_mosquitto.host, stopped_mosquitto.port))
    wait_for(lambda: driver.step()._attempt >= 2, "the first attempts")
    files, threads = len(list(Path("/proc/self/fd").iterdir())), threading.active_count()
    wait_for(lambda: driver.step()._attempt >= 40, "many attempts")
    driver.link.close()
    wait_for(lambda: threading.active_count() <= threads, "the threads to end")
    assert len(list(Path("/proc/self/fd").iterdir())) <= files + 4


def test_a_broker_of_3_1_1_only_is_used_and_what_it_cannot_say_is_told(
    amqtt_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    driver = Driver(plain("127.0.0.1", amqtt_port))
    wait_for(lambda: driver.step().online, "the connection")
    assert driver.link.version == "3.1.1"
    assert "does not say when the broker refuses" in caplog.text
    assert publish(driver, "a/b") == 0
    driver.link.close()


def test_the_version_can_be_given(amqtt_port: int) -> None:
    start = time.monotonic()
    driver = Driver(MqttConfig("127.0.0.1", amqtt_port, None, "tester", version="3.1.1"))
    wait_for(lambda: driver.step().online, "the connection")
    assert time.monotonic() - start < links.CONNACK_TIMEOUT_S
    driver.link.close()


def test_a_peer_that_never_answers_is_given_up(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(links, "CONNACK_TIMEOUT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        driver = Driver(plain("127.0.0.1", server.getsockname()[1]))
        wait_for(lambda: driver.step() and "no answer to CONNECT" in caplog.text, "the link to give up")
        assert not driver.link.online
        driver.link.close()


def test_a_peer_that_talks_nonsense_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for _ in range(2):
                connection, _ = server.accept()
                connection.sendall(b"\x20\xff\xff\xff\xff\xff\xffHTTP/1.1 400 Bad Request\r\n\r\n")
                connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        driver = Driver(plain("127.0.0.1", server.getsockname()[1]))
        wait_for(lambda: driver.step() and "no connection" in caplog.text, "the link to give up")
        thread.join(10)
        driver.link.close()


# paho leaves a socket whose handshake failed to the garbage collector.
@pytest.mark.filterwarnings("ignore:.*SSLSocket:pytest.PytestUnraisableExceptionWarning")
def test_tls_needs_the_right_ca_and_client_certificate(tmp_path: Path, mosquitto: Mosquitto) -> None:
    mosquitto.kill()
    certificates = Certificates(tmp_path)
    ca, stranger = certificates.ca("ca"), certificates.ca("stranger")
    certificates.leaf("broker", ca)
    certificates.leaf("client", ca)
    mosquitto.write_config(
        f"allow_anonymous true\ncafile {tmp_path}/ca.pem\ncertfile {tmp_path}/broker.pem\n"
        f"keyfile {tmp_path}/broker.key\nrequire_certificate true"
    )
    mosquitto.start()
    client = {"cert": tmp_path / "client.pem", "key": tmp_path / "client.key"}
    good = TlsConfig(tmp_path / "ca.pem", **client)
    driver = Driver(MqttConfig(mosquitto.host, mosquitto.port, good, "good"))
    wait_for(lambda: driver.step().online, "the connection")
    driver.link.close()
    for bad in (TlsConfig(tmp_path / "stranger.pem", **client), TlsConfig(tmp_path / "ca.pem"), None):
        driver = Driver(MqttConfig(mosquitto.host, mosquitto.port, bad, "bad"))
        wait_for(lambda driver=driver: driver.step()._attempt >= 2, "a failed attempt")
        assert driver.link.connections == 0
        driver.link.close()
    assert stranger is not ca


@pytest.fixture
def amqtt_port() -> Iterator[int]:
    """A broker that knows MQTT 3.1.1 only, in a thread of its own."""
    from amqtt.broker import Broker

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    loop = asyncio.new_event_loop()
    config = {
        "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
        "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
    }
    started, stop = threading.Event(), asyncio.Event()

    async def serve() -> None:
        broker = Broker(config)
        await broker.start()
        started.set()
        await stop.wait()
        await broker.shutdown()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert started.wait(20)
    yield port
    loop.call_soon_threadsafe(stop.set)
    thread.join(20)
    loop.close()
