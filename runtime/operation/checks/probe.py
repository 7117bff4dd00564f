"""One connection to the broker, step by step, to see how far it gets."""

from __future__ import annotations

import queue
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any

from paho.mqtt.enums import MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from vedette.errors import BrokerError
from vedette.runtime.mqtt.connection import FIRST_FAILURE, Client, MqttConfig
from vedette.runtime.mqtt.tls_errors import explain

TIMEOUT_S = 5.0
# How long a broker may take to refuse our certificate after its own part of a TLS 1.3 handshake.
_AFTER_HANDSHAKE_S = 0.5


def open_socket(config: MqttConfig) -> None:
    """Connect by TCP and close again. Raises :class:`BrokerError`."""
    try:
        socket.create_connection((config.host, config.port), TIMEOUT_S).close()
    except OSError as error:
        raise BrokerError(f"{config.host} port {config.port}: {explain(error)}") from None


def shake_hands(config: MqttConfig) -> str:
    """Do the TLS handshake and return the protocol's version. Raises :class:`BrokerError` or :class:`ConfigError`."""
    context = config.tls_context()
    assert context is not None
    try:
        with (
            socket.create_connection((config.host, config.port), TIMEOUT_S) as plain,
            context.wrap_socket(plain, server_hostname=config.host) as secure,
        ):
            secure.settimeout(_AFTER_HANDSHAKE_S)
            try:
                if not secure.recv(1):
                    raise ConnectionResetError
            except TimeoutError:
                return secure.version() or "TLS"
            raise BrokerError(f"{config.address}: the broker talks first, which no MQTT broker does")
    except ssl.SSLError as error:
        raise BrokerError(f"{config.address}: {explain(error)}") from None
    except OSError as error:
        raise BrokerError(f"{config.address}: {explain(error)}") from None


class Probe:
    """A connected MQTT client that gives the broker's answers. Use it with ``with``."""

    def __init__(self, config: MqttConfig) -> None:
        """Connect, with MQTT 5 first where the configuration leaves that open.

        Raises :class:`BrokerError` with the broker's reason, and :class:`ConfigError`.
        """
        self.config = config
        self._answers: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self.messages: queue.SimpleQueue[str] = queue.SimpleQueue()
        if config.version != "3.1.1":
            try:
                self.version = "5"
                self._client = self._connect(MQTTProtocolVersion.MQTTv5)
                return
            except _ProtocolError:
                if config.version == "5":
                    raise
        self.version = "3.1.1"
        self._client = self._connect(MQTTProtocolVersion.MQTTv311)

    def __enter__(self) -> Probe:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.ended.wait(1.0)

    def subscribe(self, topic_filter: str) -> int:
        """The SUBACK's reason code."""
        return self._answer("suback", lambda: self._client.subscribe(topic_filter, qos=1))

    def publish(self, topic: str, payload: bytes, *, expiry_s: int) -> int:
        """The PUBACK's reason code; an MQTT 5 broker forgets the message after ``expiry_s`` seconds."""
        properties = None
        if self.version == "5":
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.MessageExpiryInterval = expiry_s

        def send() -> tuple[MQTTErrorCode, int | None]:
            info = self._client.publish(topic, payload, qos=1, properties=properties)
            return info.rc, info.mid

        return self._answer("puback", send)

    def _connect(self, protocol: MQTTProtocolVersion) -> Client:
        client = Client(self.config, protocol, clean_session=True)
        answers = self._answers = queue.SimpleQueue()
        client.on_connect = lambda _c, _u, _f, code, _p: answers.put(("connack", (code.value, str(code))))
        client.on_subscribe = lambda _c, _u, mid, codes, _p: answers.put(("suback", (mid, max(c.value for c in codes))))
        client.on_publish = lambda _c, _u, mid, code, _p: answers.put(("puback", (mid, code.value)))
        client.on_message = lambda _c, _u, message: self.messages.put(message.topic)
        client.on_end = lambda reason: answers.put(("end", reason))
        client.connect_timeout = TIMEOUT_S
        client.connect_async(self.config.host, self.config.port, self.config.keepalive_s)
        client.loop_start()
        try:
            kind, answer = answers.get(timeout=TIMEOUT_S * 2)
        except queue.Empty:
            client.disconnect()
            raise _ProtocolError(f"{self.config.address}: no answer to CONNECT within {TIMEOUT_S * 2:g} s") from None
        if kind == "connack" and answer[0] < FIRST_FAILURE:
            return client
        client.disconnect()
        reason = answer[1] if kind == "connack" else answer
        unsupported = kind == "end" or reason.lower().startswith("unsupported protocol")
        raise (_ProtocolError if unsupported else _RefusedError)(f"{self.config.address}: {reason}")

    def _answer(self, kind: str, send: Callable[[], tuple[MQTTErrorCode, int | None]]) -> int:
        code, mid = send()
        if code != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise BrokerError(f"{self.config.address}: connection lost")
        deadline = time.monotonic() + TIMEOUT_S
        while (left := deadline - time.monotonic()) > 0:
            try:
                found, answer = self._answers.get(timeout=left)
            except queue.Empty:
                break
            if found == "end":
                raise BrokerError(f"{self.config.address}: {answer}")
            if found == kind and answer[0] == mid:
                return int(answer[1])
        raise BrokerError(f"{self.config.address}: no answer within {TIMEOUT_S:g} s")


class _RefusedError(BrokerError):
    """The broker has said no to CONNECT."""


class _ProtocolError(BrokerError):
    """No answer that this version of MQTT knows: an older one may get further."""
