"""MQTT messages as fast as a broker takes them, and a bare subscriber to compare with.

Run as ``python -m vedette.benchmarks.mqtt_flood PORT``, this is the subscriber: paho-mqtt as its documentation shows
it, which does nothing but ``json.loads``. It answers a message on ``done`` with one on ``bare/done``.
"""

from __future__ import annotations

import json
import socket
import struct
import sys
from collections.abc import Iterable

HOST = "127.0.0.1"
TOPIC, DONE, BARE_DONE = "plant/{}/raw", "done", "bare/done"


def publish_packet(topic: str, payload: bytes) -> bytes:
    """A PUBLISH with QoS 0, as MQTT 3.1.1 writes it."""
    return _packet(0x30, _text(topic) + payload)


class Flood:
    """A publisher that writes prepared packets to a socket."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection((HOST, port))
        self._socket.sendall(_packet(0x10, _text("MQTT") + struct.pack("!BBH", 4, 2, 0) + _text("flood")))
        if self._socket.recv(4) != b"\x20\x02\x00\x00":
            raise OSError("the broker refuses the connection")

    def send(self, packets: Iterable[bytes]) -> None:
        """Publish; returns when the broker's host has taken all of it."""
        self._socket.sendall(b"".join(packets))

    def close(self) -> None:
        """Leave."""
        self._socket.sendall(b"\xe0\x00")
        self._socket.close()


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("!H", len(data)) + data


def _packet(kind: int, body: bytes) -> bytes:
    length, rest = b"", len(body)
    while True:
        rest, low = divmod(rest, 128)
        length += bytes([low | (0x80 if rest else 0)])
        if not rest:
            return bytes([kind]) + length + body


def main(port: int) -> None:
    """Subscribe, decode, and say when it is over."""
    import paho.mqtt.client as mqtt
    from paho.mqtt.enums import CallbackAPIVersion

    def subscribe(client: mqtt.Client, *_: object) -> None:
        client.subscribe([(TOPIC.format("+"), 0), (DONE, 0)])

    def decode(client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        json.loads(message.payload)
        if message.topic == DONE:
            client.publish(BARE_DONE, message.payload, qos=1)

    def ready(client: mqtt.Client, *_: object) -> None:
        client.publish(BARE_DONE, b"ready", qos=1)

    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    client.on_connect, client.on_message, client.on_subscribe = subscribe, decode, ready
    client.connect(HOST, port)
    client.loop_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]))
