"""Real parts for the tests: a bundle, a mosquitto, a gateway daemon, a consumer."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from hypothesis import settings
from paho.mqtt.properties import Properties
from required import missing
from tiny import CHANNELS, tiny_bundle_bytes

pytest_plugins = ["command", "trained", "small"]
# A busy machine is no failure, and a build either passes or not.
settings.register_profile("vedette", deadline=None, derandomize=os.environ.get("CI") == "true")
settings.load_profile("vedette")
MOSQUITTO = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
PATIENCE_S = 30.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the fast tests first: what they find is known soonest."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None)


def wait_for(condition: Callable[[], Any], what: str, *, patience_s: float = PATIENCE_S) -> Any:
    """The first true value of ``condition``."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError(f"waited {patience_s:g} s for {what}")


class Mosquitto:
    """A broker of its own on a free loopback port; the port stays the same over restarts."""

    def __init__(self, folder: Path) -> None:
        self.host = "127.0.0.1"
        with socket.socket() as probe:
            probe.bind((self.host, 0))
            self.port: int = probe.getsockname()[1]
        self._config = folder / "mosquitto.conf"
        self._process: subprocess.Popen[bytes] | None = None
        self.write_config("allow_anonymous true")

    def write_config(self, text: str) -> None:
        """What the next start reads, beside the listener."""
        self._config.write_text(f"listener {self.port} {self.host}\nuser root\npersistence false\n{text}\n")

    def start(self) -> None:
        self._process = subprocess.Popen(
            [MOSQUITTO, "-c", self._config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_for(self._answers, "mosquitto to start")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((self.host, self.port)) == 0


class Consumer:
    """A subscriber with QoS 1 that keeps everything; ``seen`` are (topic, payload)."""

    def __init__(self, broker: Mosquitto, *topics: str, client_id: str = "", username: str | None = None) -> None:
        self.seen: list[tuple[str, bytes]] = []
        self._topics = topics
        self._ready = False
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=client_id, protocol=mqtt.MQTTv5)
        if username:
            self._client.username_pw_set(username)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = self._subscribe
        self._client.on_subscribe = self._subscribed
        self._client.on_message = lambda _c, _u, message: self.seen.append((message.topic, bytes(message.payload)))
        properties = Properties(mqtt.PacketTypes.CONNECT)
        properties.SessionExpiryInterval = 3600 if client_id else 0
        self._client.connect_async(broker.host, broker.port, clean_start=not client_id, properties=properties)
        self._client.loop_start()
        wait_for(lambda: self._ready, "the consumer to subscribe")

    def publish(self, topic: str, payload: bytes | str) -> None:
        info = self._client.publish(topic, payload, qos=1)
        info.wait_for_publish(PATIENCE_S)

    @property
    def events(self) -> list[dict[str, Any]]:
        """The alert events, in the order of arrival, duplicates included."""
        return [json.loads(payload) for topic, payload in list(self.seen) if "/alert/" in topic]

    def statuses(self, gateway: str = "gw7") -> list[dict[str, Any]]:
        return [json.loads(payload) for topic, payload in list(self.seen) if topic == f"vedette/{gateway}/status"]

    def wait_online(self, gateway: str = "gw7", *, streams: int = 1) -> None:
        """Until the gateway says that it is up, with so many streams: then it has subscribed to their topics."""

        def online() -> bool:
            status = (self.statuses(gateway) or [{}])[-1]
            return status.get("state") == "online" and len(status["streams"]) == streams

        wait_for(online, "the gateway to be online")

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _subscribe(self, *_: object) -> None:
        self._client.subscribe([(topic, mqtt.SubscribeOptions(qos=1)) for topic in self._topics])

    def _subscribed(self, *_: object) -> None:
        self._ready = True


class Gateway:
    """``vedette run`` as a process of its own, with the configuration ``gateway.toml`` in its folder."""

    def __init__(self, folder: Path, bundle: Path, broker_port: int) -> None:
        self.folder = folder
        self.bundle = bundle
        self.broker_port = broker_port
        self.log = folder / "gateway.log"
        self.process: subprocess.Popen[bytes] | None = None

    def configure(self, *sources: str, mqtt: str = "", stream: str = "", top: str = "") -> Path:
        """Write the configuration: one stream s1, s2 … for each ``source`` table."""
        text = f'gateway = "gw7"\n{top}\n[mqtt]\nhost = "127.0.0.1"\nport = {self.broker_port}\ntls = false\n{mqtt}\n'
        text += '[outbox]\npath = "outbox.db"\n'
        for number, source in enumerate(sources, start=1):
            text += f'[[stream]]\nname = "s{number}"\nbundle = "{self.bundle}"\nsource = {source}\n{stream}\n'
        path = self.folder / "gateway.toml"
        path.write_text(text)
        return path

    def start(self, stdin: bytes | None = None, *, keep_open: bool = False) -> None:
        """Start it; ``stdin`` is what it reads, followed by the end, unless it is kept open."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "vedette", "run", self.folder / "gateway.toml"],
                stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
                stderr=log,
            )
        if stdin is not None:
            assert self.process.stdin is not None
            self.process.stdin.write(stdin)
            self.process.stdin.flush()
            if not keep_open:
                self.process.stdin.close()

    def wait(self) -> int:
        assert self.process is not None
        return self.process.wait(PATIENCE_S)

    def stop(self) -> int:
        assert self.process is not None
        self.process.terminate()
        return self.wait()

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            if self.process.stdin is not None:
                self.process.stdin.close()

    def logged(self, text: str) -> bool:
        return text in self.log.read_text()

    def wait_connected(self, times: int = 1) -> None:
        wait_for(lambda: self.log.read_text().count("connected to") >= times, "the gateway to connect")


def payload(time_s: float | None, value: object) -> str:
    """A sample whose channels all have that value."""
    time_part = {} if time_s is None else {"time": time_s}
    return json.dumps({**time_part, **dict.fromkeys(CHANNELS, value)})


def incident(start_s: float, *, value: float = 5.0) -> list[str]:
    """Samples that open one alert and close it: 6 normal, 3 anomalous, 6 normal."""
    values = [1.0] * 6 + [value] * 3 + [1.0] * 6
    return [payload(start_s + number, value) for number, value in enumerate(values)]


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The path of a small int8 bundle, see ``tiny.py``."""
    path = tmp_path_factory.mktemp("tiny") / "tiny-1-x86-64.vdt"
    path.write_bytes(tiny_bundle_bytes())
    return path


@pytest.fixture
def stopped_mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """A broker that is not running yet."""
    if not Path(MOSQUITTO).exists():
        missing("mosquitto is not installed", "make system-packages")
    broker = Mosquitto(tmp_path)
    yield broker
    broker.kill()


@pytest.fixture
def mosquitto(stopped_mosquitto: Mosquitto) -> Mosquitto:
    """A broker that runs: ``host``, ``port``, ``kill()`` and ``start()``."""
    stopped_mosquitto.start()
    return stopped_mosquitto


@pytest.fixture
def gateway(tmp_path: Path, tiny_bundle: Path, stopped_mosquitto: Mosquitto) -> Iterator[Gateway]:
    """A gateway for the broker of the same test; ``configure(...)`` and ``start()`` it."""
    found = Gateway(tmp_path, tiny_bundle, stopped_mosquitto.port)
    yield found
    found.kill()


@pytest.fixture
def consume(stopped_mosquitto: Mosquitto) -> Iterator[Callable[..., Consumer]]:
    """Makes consumers, ``consume("vedette/#")``, and closes them at the end."""
    consumers: list[Consumer] = []

    def make(*topics: str, **options: Any) -> Consumer:
        consumers.append(Consumer(stopped_mosquitto, *topics, **options))
        return consumers[-1]

    yield make
    for consumer in consumers:
        consumer.close()
