"""One MQTT connection, for one attempt: paho's client with TLS and credentials, whose end is always reported."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, LogLevel, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from vedette.errors import ConfigError
from vedette.runtime.mqtt.buffered_reads import BufferedReads
from vedette.runtime.mqtt.tls_errors import explain

# Reason codes from here on are refusals (MQTT 5, tables 3-1, 3-4 and 3-8); paho translates those of 3.1.1.
FIRST_FAILURE = 0x80


@dataclass(frozen=True)
class TlsConfig:
    """Certificates as PEM files. ``ca`` defaults to the system's; ``cert`` and ``key`` are the client's own."""

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None


@dataclass(frozen=True)
class MqttConfig:
    """How to reach the broker. ``tls`` is None for plaintext; ``version`` is auto, 5 or 3.1.1."""

    host: str
    port: int
    tls: TlsConfig | None
    client_id: str
    username: str | None = None
    password_file: Path | None = None
    keepalive_s: int = 30
    version: str = "auto"

    @property
    def address(self) -> str:
        """Host and port as shown to people."""
        return f"{self.host}:{self.port}" + (" (TLS)" if self.tls else "")

    def password(self) -> str | None:
        """The password from its file, read anew each time. Raises :class:`ConfigError`."""
        if self.password_file is None:
            return None
        try:
            return self.password_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{self.password_file}: the password cannot be read: {error}") from None

    def tls_context(self) -> ssl.SSLContext | None:
        """The TLS settings with the certificates read anew. Raises :class:`ConfigError`."""
        if self.tls is None:
            return None
        try:
            context = ssl.create_default_context(cafile=self.tls.ca)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            if self.tls.cert:
                context.load_cert_chain(self.tls.cert, self.tls.key)
        except (OSError, ValueError) as error:
            files = ", ".join(str(file) for file in (self.tls.ca, self.tls.cert, self.tls.key) if file)
            raise ConfigError(f"the TLS files cannot be used ({files}): {error}") from None
        return context


class Client(BufferedReads):
    """paho's client for a single connection attempt: no reconnecting by itself, and no silent end of its thread."""

    def __init__(self, config: MqttConfig, protocol: MQTTProtocolVersion, *, clean_session: bool) -> None:
        """Raises :class:`ConfigError` where the configuration's files cannot be used."""
        super().__init__(
            CallbackAPIVersion.VERSION2,
            client_id=config.client_id,
            clean_session=None if protocol == MQTTProtocolVersion.MQTTv5 else clean_session,
            protocol=protocol,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        self.on_end: Callable[[str], None] | None = None
        self.ended = threading.Event()
        self.goodbye: str | None = None
        self.last_round = self.ended_at = time.monotonic()
        self.on_disconnect = _keep_goodbye
        if config.username is not None:
            self.username_pw_set(config.username, config.password())
        context = config.tls_context()
        if context is not None:
            self.tls_set_context(context)

    def loop_misc(self) -> MQTTErrorCode:
        """Called by paho's network thread in each of its rounds, at least once a second."""
        self.last_round = time.monotonic()
        return super().loop_misc()

    def loop_forever(self, timeout: float = 1.0, retry_first_connection: bool = False) -> MQTTErrorCode:
        """What paho's network thread runs: connect once, serve until the connection ends, report the reason.

        Whatever a callback raises ends this connection, and its end is told like any other.
        """
        reason = "connection lost"
        self.last_round = time.monotonic()
        try:
            code = super().loop_forever(timeout, retry_first_connection=False)
            reason = self.goodbye or reason
            return code
        except OSError as error:
            reason = explain(error)
        except Exception as error:  # the peer sent what paho cannot parse, or a callback failed
            reason = f"{type(error).__name__}: {error}"
        finally:
            self.ended_at = time.monotonic()
            try:
                if self.on_end is not None:
                    self.on_end(reason)
            finally:
                self.ended.set()
        return MQTTErrorCode.MQTT_ERR_CONN_LOST

    def _easy_log(self, level: LogLevel, fmt: str, *args: object) -> None:
        """Instead of paho's own log, which nobody reads: keep the error that ends the connection."""
        error = args[0] if args else None
        if level == LogLevel.MQTT_LOG_ERR and isinstance(error, OSError):
            self.goodbye = self.goodbye or explain(error)


def _keep_goodbye(
    client: mqtt.Client, _data: object, flags: mqtt.DisconnectFlags, code: ReasonCode, _properties: object
) -> None:
    """Keep what an MQTT 5 broker says when it ends the connection, for example "Session taken over".

    Not a method: a client that refers to itself would keep its sockets open until the garbage collector comes.
    """
    if isinstance(client, Client) and flags.is_disconnect_packet_from_server:
        client.goodbye = f"the broker says: {code}"
