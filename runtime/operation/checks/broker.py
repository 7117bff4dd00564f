"""The broker: can it be reached, does it know us, and may we do there what a gateway does?"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace

from paho.mqtt.client import topic_matches_sub

from vedette.errors import BrokerError, ConfigError, VedetteError
from vedette.runtime.config.gateway import GatewayConfig
from vedette.runtime.delivery.cloudevents import TYPE_CHECK
from vedette.runtime.ingest.sources.mqtt import MqttSourceConfig
from vedette.runtime.mqtt.connection import FIRST_FAILURE, MqttConfig
from vedette.runtime.mqtt.link import NO_SUBSCRIBERS
from vedette.runtime.operation.checks.findings import Finding, fail, ok, warn
from vedette.runtime.operation.checks.probe import Probe, open_socket, shake_hands
from vedette.runtime.times import iso_time

# Topics of alerts that are tried; a gateway with more streams has the same rights for all, as a rule.
MAX_TOPICS = 20
# How long a sample may take to arrive. Brokers with an ACL file accept a subscription and then withhold its messages.
SAMPLE_S = 2.0
# The broker forgets the check's own messages after this.
EXPIRY_S = 1


def check_broker(config: GatewayConfig, *, publish: bool) -> Iterator[Finding]:
    """Network, TLS, CONNECT, then the rights; ends where there is no going on.

    The connection has a client id of its own, so a running gateway keeps its session. With ``publish``, one event of
    type ``io.vedette.check`` goes to the alert topic of each stream: consumers take alerts by their type and leave it.
    """
    mqtt = config.mqtt
    try:
        open_socket(mqtt)
    except BrokerError as error:
        yield fail("broker", str(error), "look at [mqtt] host and port, the network, and whether the broker runs")
        return
    yield from _encryption(mqtt)
    try:
        if mqtt.tls is not None:
            yield ok("broker", f"{mqtt.address}: {shake_hands(mqtt)}, the certificates are good")
        probe = Probe(replace(mqtt, client_id=f"{mqtt.client_id}-check"))
    except ConfigError as error:
        yield fail("broker", str(error), "look at the files of [mqtt]: readable, and cert and key of a pair")
        return
    except BrokerError as error:
        yield fail("broker", str(error), _remedy(str(error), mqtt))
        return
    with probe:
        try:
            yield _connected(probe)
            yield from _subscriptions(probe, config)
            yield from _publications(probe, config) if publish else ()
        except VedetteError as error:
            yield fail("broker", str(error), "look into the broker's log")


def _encryption(mqtt: MqttConfig) -> Iterator[Finding]:
    if mqtt.tls is None:
        yield warn("broker", f"{mqtt.address}: plaintext: no TLS", "TLS, unless the broker is on this machine")
    elif mqtt.tls.cert is None and mqtt.username is None:
        yield warn("broker", f"{mqtt.address}: we show neither certificate nor password", "cert and key in [mqtt] tls")


def _connected(probe: Probe) -> Finding:
    told = f"{probe.config.address}: connected with MQTT {probe.version}"
    if probe.version == "5":
        return ok("broker", told)
    return warn("broker", f"{told}, which hides refused alerts and missing subscribers", "a broker with MQTT 5")


def _subscriptions(probe: Probe, config: GatewayConfig) -> Iterator[Finding]:
    ack = f"vedette/{config.gateway}/ack"
    accepted = []
    for topic in (ack, *config.source_topics):
        code = probe.subscribe(topic)
        if code >= FIRST_FAILURE:
            yield fail("rights", f"may not subscribe to {topic} (0x{code:02x})", _ACL)
        else:
            accepted.append(topic)
    if ack in accepted:
        yield ok("rights", f"may subscribe to {ack}")
    topics = [topic for topic in accepted if topic != ack]
    arrived = _arrivals(probe, topics)
    for topic in topics:
        if topic in arrived:
            yield ok("rights", f"samples arrive on {topic}")
        else:
            yield warn(
                "rights",
                f"subscribed to {topic}, but no sample came in {SAMPLE_S:g} s",
                "see that the device sends; a broker with an ACL file accepts a subscription and sends nothing",
            )


def _arrivals(probe: Probe, filters: list[str]) -> set[str]:
    """The filters for which a message came within the time."""
    arrived: set[str] = set()
    deadline = time.monotonic() + SAMPLE_S
    while len(arrived) < len(filters) and time.monotonic() < deadline:
        while not probe.messages.empty():
            topic = probe.messages.get()
            arrived.update(found for found in filters if topic_matches_sub(found, topic))
        time.sleep(0.02)
    return arrived


def _publications(probe: Probe, config: GatewayConfig) -> Iterator[Finding]:
    topics = []
    for stream in config.streams[:MAX_TOPICS]:
        many = isinstance(stream.source, MqttSourceConfig) and stream.source.device_level is not None
        topics.append(f"vedette/{config.gateway}/alert/{stream.name}" + ("/check" if many else ""))
    for topic in topics:
        code = probe.publish(topic, check_event(config.gateway), expiry_s=EXPIRY_S)
        if code >= FIRST_FAILURE:
            yield fail("rights", f"may not publish to {topic} (0x{code:02x})", _ACL)
        elif code == NO_SUBSCRIBERS:
            remedy = "start a consumer, for example: vedette listen"
            yield warn("rights", f"may publish to {topic}, but nobody has subscribed to it: alerts stay here", remedy)
        elif probe.version == "5":
            yield ok("rights", f"may publish to {topic}, and somebody listens")


def check_event(gateway: str) -> bytes:
    """What is sent instead of an alert: a CloudEvent of a type of its own."""
    event = {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "source": f"/{gateway}",
        "type": TYPE_CHECK,
        "time": iso_time(time.time()),
    }
    return json.dumps(event).encode()


_ACL = "vedette broker-acl prints the rights that a gateway needs"


def _remedy(text: str, mqtt: MqttConfig) -> str:
    """What to do about a broker that said no."""
    if "not authorized" in text.lower() or "bad user name" in text.lower():
        if mqtt.username is None and (mqtt.tls is None or mqtt.tls.cert is None):
            return "username and password_file, or cert and key, in [mqtt]: the broker lets nobody in without"
        return "look at username and password_file (or the certificate's name): the broker does not know them"
    if "plaintext" in text or "TLS" in text or "certificate" in text:
        return "look at [mqtt] tls and port, and the certificates"
    return "look into the broker's log"
