"""A recorded file through MQTT as a sensor would send it, only faster, and the gateway's status on the way back."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import paho.mqtt.client as mqtt

from vedette.errors import BrokerError
from vedette.runtime.detection.signal import SignalSpec
from vedette.runtime.ingest.csv_samples import read_csv
from vedette.runtime.mqtt.connection import MqttConfig
from vedette.runtime.mqtt.link import Link, LinkEvent

BATCH = 50
# About half of what the broker that comes with the demo, and a gateway that shares two cores with it, can take.
SAMPLES_PER_S = 6000.0
# Messages that the broker has not confirmed yet.
WINDOW = 8
REACH_S = 5.0
# Long enough for an attempt with MQTT 5 that is not answered, and one with MQTT 3.1.1.
CONNECT_S = 12.0
CONFIRM_S = 20.0


def check_broker(config: MqttConfig) -> None:
    """Raise :class:`BrokerError` where no MQTT broker that takes us is at the address."""
    try:
        socket.create_connection((config.host, config.port), timeout=REACH_S).close()
    except OSError as error:
        raise BrokerError(
            f"expected an MQTT broker at {config.address}, found none ({error.strerror or error}); start one (for "
            "example: mosquitto -p 1883), or leave --broker out to use the one that comes with the demo"
        ) from None
    visit(config, config.client_id)


def batches(path: Path, signal: SignalSpec) -> Iterator[tuple[int, bytes]]:
    """The samples of a CSV file as MQTT payloads: (how many, a JSON array of objects with time and channels)."""
    rows = read_csv(path, signal)
    while batch := list(islice(rows, BATCH)):
        samples = [{"time": row.label, **dict(zip(signal.names, row.values.tolist(), strict=True))} for row in batch]
        yield len(batch), json.dumps(samples).encode()


def visit(config: MqttConfig, *client_ids: str) -> None:
    """Connect as each of these clients, and leave at once: the broker then keeps nothing for them."""
    for client_id in client_ids:
        visitor = Sensor(replace(config, client_id=client_id), topic="", status_topic=f"vedette/{client_id}/none")
        try:
            visitor.connect()
        finally:
            visitor.close()


class Sensor:
    """Publishes payloads with QoS 1, no faster than the broker confirms them, and hears the gateway's status."""

    def __init__(self, config: MqttConfig, *, topic: str, status_topic: str) -> None:
        """``status`` is the newest status message of the gateway, empty before the first."""
        self.status: dict[str, Any] = {}
        self._topic = topic
        self._events: SimpleQueue[LinkEvent] = SimpleQueue()
        self._link = Link(config, post=self._events.put)
        self._link.subscribe(status_topic, self._heard, qos=0)
        self._unconfirmed = 0
        self._lost = False

    def connect(self) -> str:
        """Connect, and return the MQTT version that the broker speaks. Raises :class:`BrokerError`."""
        deadline = time.monotonic() + CONNECT_S
        while self._link.version is None:
            if time.monotonic() > deadline:
                raise BrokerError(
                    f"{self._link.config.address} answers, but accepts no MQTT connection within {CONNECT_S:g} s; "
                    "is it an MQTT broker that takes anonymous clients?"
                )
            self.step(0.1)
        return self._link.version

    def send(self, payload: bytes) -> None:
        """Publish, after waiting until there is room for one more unconfirmed message. Raises :class:`BrokerError`."""
        self._wait(below=WINDOW)
        self._unconfirmed += 1
        if not self._link.publish(self._topic, payload, self._confirmed):
            raise BrokerError(f"the connection to {self._link.config.address} was lost during the replay; try again")

    def flush(self) -> None:
        """Wait until everything is confirmed. Raises :class:`BrokerError`."""
        self._wait(below=1)

    def forget(self, *topics: str) -> None:
        """Remove the retained messages of these topics from the broker."""
        for topic in topics:
            self._unconfirmed += 1
            self._link.publish(topic, b"", self._confirmed, retain=True)
        self.flush()

    def step(self, timeout: float) -> None:
        """Take in what the network brings, waiting at most ``timeout`` seconds for it."""
        self._link.step()
        try:
            self._link.handle(self._events.get(timeout=timeout))
            while True:
                self._link.handle(self._events.get_nowait())
        except Empty:
            return

    def close(self) -> None:
        """Say goodbye to the broker."""
        self._link.close()

    def _wait(self, *, below: int) -> None:
        deadline = time.monotonic() + CONFIRM_S
        while self._unconfirmed >= below:
            if self._lost or time.monotonic() > deadline:
                raise BrokerError(f"{self._link.config.address} does not confirm what is published; is it overloaded?")
            self.step(0.05)

    def _confirmed(self, code: int | None) -> None:
        self._unconfirmed -= 1
        self._lost = self._lost or code is None or code >= 0x80

    def _heard(self, message: mqtt.MQTTMessage) -> bool:
        """Network thread."""
        if message.payload:
            self.status = json.loads(message.payload)
        return True
