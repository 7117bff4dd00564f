"""Samples from MQTT topics: ``source = { mqtt = "plant/pump1/raw" }``; a level ``+`` is the device."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import paho.mqtt.client as mqtt

from vedette.errors import ConfigError
from vedette.runtime.detection.detector import SampleRejectedError
from vedette.runtime.ingest.clock import SteadyClock
from vedette.runtime.ingest.layout import LAYOUT_KEYS, MAX_DEVICE_CHARS, Layout
from vedette.runtime.ingest.sources.base import Arrival, Source, SourceConfig, SourceContext
from vedette.runtime.ingest.stream_checks import read_units
from vedette.runtime.json_keys import Keys
from vedette.runtime.mqtt.link import MAX_ROUTED


@dataclass(frozen=True)
class MqttSourceConfig(SourceConfig):
    """``topic`` is a topic, or a filter in which one whole level is ``+``, the device."""

    topic: str
    keys = ("format", "units", *LAYOUT_KEYS)

    @classmethod
    def from_keys(cls, keys: Keys, folder: Path) -> MqttSourceConfig:
        """Read the table. Raises :class:`ConfigError`."""
        topic = keys.text("mqtt")
        levels = topic.split("/")
        if not topic or topic.startswith("$") or any(not char.isprintable() for char in topic) or len(topic) > 512:
            raise ConfigError(f"{keys.where}: mqtt: expected a topic of 1 to 512 characters, found {topic[:60]!r}")
        if "#" in topic or any("+" in level and level != "+" for level in levels) or levels.count("+") > 1:
            raise ConfigError(
                f"{keys.where}: mqtt: expected a topic, or one with a single whole level + for the device; "
                f"found {topic!r}"
            )
        form = keys.optional("format", keys.text) or "json"
        if form != "json":
            raise ConfigError(f'{keys.where}: format: expected "json", found "{form}"')
        layout = Layout.from_keys(keys)
        if layout is not None and layout.device is not None and "+" in levels:
            raise ConfigError(f"{keys.where}: device: the level + of the topic is the device already; use one of them")
        return cls(topic, layout=layout, units=read_units(keys))

    @property
    def current(self) -> bool:
        """Samples come when they are measured."""
        return True

    @property
    def device_level(self) -> int | None:
        """Which level of the topic names the device."""
        levels = self.topic.split("/")
        return levels.index("+") if "+" in levels else None

    @property
    def single(self) -> bool:
        """Of many devices, none is expected before it has come."""
        return self.device_level is None and super().single

    def overlaps(self, other: MqttSourceConfig) -> bool:
        """Whether some topic matches both filters."""
        mine, theirs = self.topic.split("/"), other.topic.split("/")
        return len(mine) == len(theirs) and all(
            a == b or "+" in (a, b) for a, b in zip(mine, theirs, strict=True)
        )  # fmt: skip


class MqttSource(Source):
    """Subscribes on the daemon's own connection; what does not fit into the inbox is counted and lost.

    With QoS 0: samples of the time when the gateway was away are of no use to a live stream, so the broker keeps none.
    """

    finite = False

    def __init__(self, config: SourceConfig, context: SourceContext) -> None:
        assert isinstance(config, MqttSourceConfig)
        self._level = config.device_level
        self._devices: dict[str, str | None] = {}
        self._context = context
        self._stopped = False
        self._topic = config.topic
        self._now = SteadyClock().now
        context.link.subscribe(config.topic, self._receive, qos=0)

    def start(self) -> None:
        """Nothing to do: messages come with the connection."""

    def stop(self) -> None:
        """Take no further messages."""
        self._stopped = True
        self._context.link.unsubscribe(self._topic, self._receive)

    def _receive(self, message: mqtt.MQTTMessage) -> bool:
        """Network thread: hand the payload on. One that is too large is not kept."""
        if self._stopped:
            return True
        context = self._context
        topic = message.topic
        device = self._devices[topic] if topic in self._devices else self._device(topic)
        content: bytes | SampleRejectedError = bytes(message.payload)
        size = len(message.payload)
        if size > context.max_payload_bytes:
            content = SampleRejectedError(f"payload: {size:,} bytes; at most {context.max_payload_bytes:,} are read")
            size = 0
        if device is not None and not 1 <= len(device) <= MAX_DEVICE_CHARS:
            content = SampleRejectedError(f"device: expected 1 to {MAX_DEVICE_CHARS} characters, found {len(device)}")
            device = None
        context.inbox.offer(Arrival(context.entry, device, content, self._now()), size)
        return True

    def _device(self, topic: str) -> str | None:
        """Network thread: the device of a topic, remembered as long as there are not too many."""
        device = None if self._level is None else topic.split("/")[self._level]
        if len(self._devices) >= MAX_ROUTED:
            self._devices.clear()
        self._devices[topic] = device
        return device
