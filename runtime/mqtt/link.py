"""The link to the broker: connects, reconnects with back-off, and says for each message whether it was delivered.

paho's network thread only posts events; everything is decided on the thread that calls :meth:`Link.step` and
:meth:`Link.handle`. Each connection attempt is a new client, so nothing of an old one (message ids, queued messages)
can leak into the next.

MQTT 5 is tried first. A broker that refuses it, or does not answer (amqtt waits for ever for the rest of a packet that
it cannot read), is tried again with MQTT 3.1.1, which cannot say that a message was denied or had no subscriber.
"""

from __future__ import annotations

import itertools
import logging
import random
import time
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

import paho.mqtt.client as mqtt
from paho.mqtt.enums import MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.matcher import MQTTMatcher
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from vedette.errors import ConfigError
from vedette.runtime.events import Event, about
from vedette.runtime.mqtt.connection import FIRST_FAILURE, Client, MqttConfig
from vedette.runtime.watchdog import Sign

log = logging.getLogger(__name__)
# Of all links of this process, so that an event of one that is closed means nothing to the next.
_attempts = itertools.count(1)

FIRST_RETRY_S, LAST_RETRY_S = 1.0, 60.0
# The back-off starts afresh after a connection that lasted this long.
STABLE_S = 10.0
CONNACK_TIMEOUT_S = 5.0
# A network thread that has not gone round for so long hangs in a callback; it goes round every second otherwise.
STUCK_S = 30.0
# The end of a network thread is in the queue of events; if it is not, this is how long it is waited for.
LAST_WORD_S = 2.0
# How long the end waits until the broker has our goodbye.
GOODBYE_S = 1.0
# More than any payload cap: larger messages are withheld by an MQTT 5 broker.
MAX_PACKET_BYTES = 16 * 1024 * 1024
# Messages on their way at one time where the broker does not ask for fewer; it may (mosquitto: 20).
WINDOW = 16
# Topics whose handlers are remembered.
MAX_ROUTED = 10_000
# A PUBACK's reason code (MQTT 5, table 3-4).
NO_SUBSCRIBERS = 0x10
_UNSUPPORTED_PROTOCOL = 0x84
_VERSIONS = {MQTTProtocolVersion.MQTTv5: "5", MQTTProtocolVersion.MQTTv311: "3.1.1"}
BLIND_311 = "MQTT 3.1.1 does not say when the broker refuses an alert or has no subscriber for it"

# Says whether the message was received; otherwise the broker keeps it for the session.
Handler = Callable[[mqtt.MQTTMessage], bool]
# Called with the PUBACK's reason code, or None where the connection ended first.
Result = Callable[[int | None], None]


class LinkEvent(NamedTuple):
    """What the network thread saw, of the connection attempt ``attempt``."""

    attempt: int
    kind: Literal["open", "connack", "puback", "suback", "end"]
    data: Any


class Link:
    """One client of the broker, for as long as the process lives."""

    def __init__(
        self,
        config: MqttConfig,
        *,
        post: Callable[[LinkEvent], None],
        will: tuple[str, bytes] | None = None,
        session_expiry_s: int = 0,
    ) -> None:
        """``post`` is called from the network thread with events that must come back through :meth:`handle`.

        ``will`` is the retained message that the broker publishes when it loses us. With ``session_expiry_s`` above 0
        the broker keeps subscriptions and messages while we are away.
        """
        self.config = config
        self.online = False
        self.version: str | None = None
        self.connections = 0
        self.window = WINDOW
        self.handler_failures = 0
        self.refused_topics: dict[str, str] = {}
        self.on_online: Callable[[bool], None] = _no_hook
        self._post, self._will, self._session_expiry_s = post, will, session_expiry_s
        self._handlers: dict[str, list[Handler]] = {}
        self._qos: dict[str, int] = {}
        self._routes = _Routes({})
        self._results: dict[int, tuple[Result, float]] = {}
        self._subscribing: dict[int, str] = {}
        self._client: Client | None = None
        self._attempt = 0
        self._protocol = self._first_protocol()
        self._opened = False
        self._refusal: tuple[int, str] | None = None
        self._deadline: float | None = None
        self._retry_at: float | None = 0.0
        self._retry_s = FIRST_RETRY_S
        self._online_since = 0.0

    def subscribe(self, topic_filter: str, handler: Handler, *, qos: int) -> None:
        """Have ``handler`` called, on the network thread, with each message; it must not block. A message is
        acknowledged to the broker when all its handlers have returned True."""
        new = topic_filter not in self._handlers
        self._qos[topic_filter] = max(qos, self._qos.get(topic_filter, 0))
        self._handlers[topic_filter] = [*self._handlers.get(topic_filter, []), handler]
        self._routes = _Routes(self._handlers)
        if new and self.online:
            self._subscribe_at_broker(topic_filter)

    def unsubscribe(self, topic_filter: str, handler: Handler) -> None:
        """Have ``handler`` called no more."""
        left = [found for found in self._handlers.get(topic_filter, []) if found != handler]
        if left:
            self._handlers[topic_filter] = left
        elif self._handlers.pop(topic_filter, None) is not None:
            del self._qos[topic_filter]
            self.refused_topics.pop(topic_filter, None)
            if self._client is not None and self.online:
                self._client.unsubscribe(topic_filter)
        self._routes = _Routes(self._handlers)

    def publish(self, topic: str, payload: bytes, result: Result | None = None, *, retain: bool = False) -> bool:
        """Publish with QoS 1; False where there is no connection. ``result`` is called by :meth:`handle`."""
        if self._client is None or not self.online:
            return False
        info = self._client.publish(topic, payload, qos=1, retain=retain)
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            return False
        self._results[info.mid] = result or _ignore, time.monotonic()
        return True

    @property
    def unconfirmed(self) -> int:
        """Messages that were published and not yet acknowledged."""
        return len(self._results)

    @property
    def sign(self) -> Sign:
        """How the network thread gets on. Connecting is slow: DNS, TCP and TLS have their own time-outs."""
        moved = self._client.last_round if self._client is not None else 0.0
        return Sign("network", (self._attempt, moved), self._client is not None, not self._opened)

    def step(self) -> None:
        """Do what is due: connect, or give up on a broker that does not answer."""
        now = time.monotonic()
        if self._client is not None and (trouble := self._trouble(self._client, now)):
            self._end(trouble)
        if self._deadline is not None and now >= self._deadline:
            self._end(f"no answer to CONNECT within {CONNACK_TIMEOUT_S:g} s")
        if self._retry_at is not None and now >= self._retry_at:
            self._connect()

    def _trouble(self, client: Client, now: float) -> str | None:
        """Why a connection that has not ended must be given up, if so."""
        if client.ended.is_set() and now - client.ended_at >= LAST_WORD_S:
            return "the network thread has ended"
        if self.online and now - client.last_round >= STUCK_S:
            return f"the network thread has not moved for {STUCK_S:g} s"
        oldest = next(iter(self._results.values()), None)
        # paho's own watch sends a ping when nothing comes in, and none while other messages do.
        limit = 2 * self.config.keepalive_s - 1
        if oldest is not None and now - oldest[1] >= limit:
            return f"no confirmation of a message within {limit} s"
        return None

    def handle(self, event: LinkEvent) -> None:
        """Act on an event of the network thread."""
        if event.attempt != self._attempt or self._client is None:
            return
        if event.kind == "open":
            self._opened = True
            self._deadline = time.monotonic() + CONNACK_TIMEOUT_S
        elif event.kind == "connack":
            self._connack(*event.data)
        elif event.kind == "puback":
            mid, code = event.data
            result, _ = self._results.pop(mid, (_ignore, 0.0))
            result(code)
        elif event.kind == "suback":
            self._suback(*event.data)
        elif event.kind == "end":
            self._end(event.data)

    def close(self) -> None:
        """Say goodbye to the broker, which then does not publish the will."""
        client = self._client
        self._retry_at = self._deadline = None
        self._drop()
        if client is not None:
            client.ended.wait(GOODBYE_S)

    def _first_protocol(self) -> MQTTProtocolVersion:
        return MQTTProtocolVersion.MQTTv311 if self.config.version == "3.1.1" else MQTTProtocolVersion.MQTTv5

    def _connect(self) -> None:
        self._retry_at = self._deadline = self._refusal = None
        self._opened = False
        self._attempt = next(_attempts)
        attempt = self._attempt
        keep = self._session_expiry_s > 0

        def post(kind: Literal["open", "connack", "puback", "suback", "end"], data: Any = None) -> None:
            self._post(LinkEvent(attempt, kind, data))

        try:
            client = Client(self.config, self._protocol, clean_session=not keep)
        except ConfigError as error:
            self._schedule_retry(str(error))
            return
        client.on_socket_open = lambda *_: post("open")
        client.on_connect = lambda _c, _u, flags, code, limits: post(
            "connack", (flags.session_present, code.value, str(code), getattr(limits, "ReceiveMaximum", 65535))
        )
        client.on_publish = lambda _c, _u, mid, code, _p: post("puback", (mid, code.value))
        client.on_subscribe = lambda _c, _u, mid, codes, _p: post("suback", (mid, [code.value for code in codes]))
        client.on_message = lambda source, _u, message: self._dispatch(source, message)
        client.on_end = lambda reason: post("end", reason)
        if self._will:
            client.will_set(self._will[0], self._will[1], qos=1, retain=True)
        host, port = self.config.host, self.config.port
        # paho finds a dead connection after two of its keepalives and a second: that must not be more than two of ours.
        keepalive = self.config.keepalive_s - max(self.config.keepalive_s // 10, 1)
        if self._protocol == MQTTProtocolVersion.MQTTv5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.MaximumPacketSize = MAX_PACKET_BYTES
            properties.SessionExpiryInterval = self._session_expiry_s
            client.connect_async(host, port, keepalive, clean_start=not keep, properties=properties)
        else:
            client.connect_async(host, port, keepalive)
        self._client = client
        client.loop_start()

    def _connack(self, session_present: bool, code: int, reason: str, receive_maximum: int) -> None:
        assert self._client is not None
        self._deadline = None
        if code >= FIRST_FAILURE:
            self._refusal = (code, reason)
            return
        self.online = True
        # The status has its place too.
        self.window = max(min(WINDOW, receive_maximum - 2), 1)
        self.version = _VERSIONS[self._protocol]
        self.connections += 1
        self._online_since = time.monotonic()
        self.refused_topics.clear()
        log.info("connected to %s with MQTT %s", self.config.address, self.version, extra=about(Event.CONNECTED))
        if self._protocol == MQTTProtocolVersion.MQTTv311:
            log.warning("%s", BLIND_311, extra=about(Event.OLD_PROTOCOL))
        for topic_filter in self._qos:
            self._subscribe_at_broker(topic_filter)
        self.on_online(session_present)

    def _subscribe_at_broker(self, topic_filter: str) -> None:
        assert self._client is not None
        _, mid = self._client.subscribe(topic_filter, qos=self._qos[topic_filter])
        if mid is not None:
            self._subscribing[mid] = topic_filter

    def _suback(self, mid: int, codes: list[int]) -> None:
        topic_filter = self._subscribing.pop(mid, None)
        if topic_filter is not None and max(codes) >= FIRST_FAILURE:
            self.refused_topics[topic_filter] = f"subscription refused (0x{max(codes):02x})"
            extra = about(Event.SUBSCRIPTION_REFUSED, topic=topic_filter)
            log.error("%s: the broker refuses the subscription to %s", self.config.address, topic_filter, extra=extra)

    def _end(self, reason: str) -> None:
        """The connection, or the attempt, is over."""
        unsupported = self._refusal is None or self._refusal[0] == _UNSUPPORTED_PROTOCOL
        was_online, opened = self.online, self._opened
        self._drop()
        if was_online and time.monotonic() - self._online_since >= STABLE_S:
            self._retry_s = FIRST_RETRY_S
        fall_back = self.config.version == "auto" and self._protocol == MQTTProtocolVersion.MQTTv5 and not was_online
        if fall_back and opened and unsupported:
            log.info("%s does not accept MQTT 5; trying 3.1.1", self.config.address, extra=about(Event.OLD_PROTOCOL))
            self._protocol = MQTTProtocolVersion.MQTTv311
            self._retry_at = 0.0
            return
        self._protocol = self._first_protocol()
        self._schedule_retry(f"refused: {self._refusal[1]}" if self._refusal else reason)

    def _drop(self) -> None:
        """Let go of the client; what it had not confirmed counts as not delivered."""
        client, self._client = self._client, None
        self.online, self.version, self._deadline = False, None, None
        self._subscribing.clear()
        if client is not None:
            client.disconnect()
        results, self._results = self._results, {}
        for result, _ in results.values():
            result(None)

    def _schedule_retry(self, reason: str) -> None:
        delay = self._retry_s * random.uniform(0.8, 1.2)
        self._retry_at = time.monotonic() + delay
        self._retry_s = min(self._retry_s * 2, LAST_RETRY_S)
        told = (self.config.address, reason, delay)
        extra = about(Event.NO_CONNECTION, reason=reason)
        log.warning("no connection to %s: %s; next attempt in %.0f s", *told, extra=extra)

    def _dispatch(self, client: mqtt.Client, message: mqtt.MQTTMessage) -> None:
        """Network thread: hand a message to its handlers. Retained messages are old news and are left out.

        A handler that fails costs its message, which stays with the broker, and not the connection.
        """
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""
        if topic and not message.retain:
            received = [self._received(handler, message) for handler in self._routes.handlers(topic)]
            if not all(received):
                return
        if message.qos:
            client.ack(message.mid, message.qos)

    def _received(self, handler: Handler, message: mqtt.MQTTMessage) -> bool:
        try:
            return handler(message)
        except Exception as error:
            self.handler_failures += 1
            if self.handler_failures.bit_count() == 1:  # the 1st, 2nd, 4th, 8th ...
                told = (message.topic, type(error).__name__, error, self.handler_failures)
                extra = about(Event.MESSAGE_FAILED, topic=message.topic)
                log.error("a message on %s could not be handled: %s: %s (%d so far)", *told, extra=extra)
            return False


class _Routes:
    """Which handlers a message goes to. Made anew for each change, at one stroke: the network thread may be in the
    middle of a message."""

    def __init__(self, handlers: Mapping[str, list[Handler]]) -> None:
        self._matcher = MQTTMatcher()  # type: ignore[no-untyped-call]
        for topic_filter, found in handlers.items():
            self._matcher[topic_filter] = found
        self._found: dict[str, tuple[Handler, ...]] = {}

    def handlers(self, topic: str) -> tuple[Handler, ...]:
        """Network thread: the handlers of a topic, remembered as long as there are not too many."""
        found = self._found.get(topic)
        if found is None:
            matching = self._matcher.iter_match(topic)  # type: ignore[no-untyped-call]
            found = tuple(handler for handlers in matching for handler in handlers)
            if len(self._found) >= MAX_ROUTED:
                self._found.clear()
            self._found[topic] = found
        return found


def _no_hook(session_present: bool) -> None:
    """What happens at a new connection where nobody cares."""


def _ignore(code: int | None) -> None:
    """The result of a message that nobody waits for."""
