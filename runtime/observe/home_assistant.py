"""Home Assistant's MQTT discovery, only where the configuration asks for it.

The gateway and each stream become a device of two entities: a problem (on while an alert is open, or while the gateway
is degraded) and a number (the stream's severity, or the alerts that wait). Their retained messages outlive the daemon,
so what was announced is noted in a small file beside the outbox, and taken back when it is switched off or the stream
is gone, also by a later run.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Any

from vedette import __version__
from vedette.runtime.delivery.cloudevents import encode
from vedette.runtime.events import Event, about
from vedette.runtime.mqtt.link import Link
from vedette.runtime.observe.document import number
from vedette.runtime.observe.snapshot import StreamView
from vedette.runtime.times import iso_time

log = logging.getLogger(__name__)

# A changed severity is told no more often; an alert that opens or ends is told at once.
STATE_EVERY_S = 10.0
LOOK_EVERY_S = 0.5
# Messages in one look, and on their way: a thousand new streams must not crowd out the alerts.
MAX_BURST, MAX_UNCONFIRMED = 20, 40
# A severity that changed by less than this part is old news.
_NEWS = 0.02
_ORIGIN = {"name": "vedette", "sw": __version__}


class HomeAssistant:
    """Announces, tells states, and takes back. Runs on the scoring thread and publishes only what fits."""

    def __init__(self, gateway: str, memory: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        """``memory`` is the file that notes what was announced."""
        self._gateway, self._memory, self._clock = gateway, memory, clock
        self._noted = _read(memory)  # discovery topic -> state topic, "" for the gateway
        self._announced: dict[str, bytes] = {}
        self._told: dict[str, tuple[bool, float | None, float]] = {}  # state topic -> problem, severity, when
        self._due = 0.0

    def connected(self) -> None:
        """The broker may be another, or have lost what it retained: announce again."""
        self._announced.clear()
        self._told.clear()

    def due(self, prefix: str | None) -> bool:
        """Whether there may be something to do now; ``prefix`` is None where discovery is off."""
        return bool(prefix or self._noted) and self._clock() >= self._due

    def step(self, link: Link, prefix: str | None, views: list[StreamView], entries: set[str]) -> None:
        """Do what is due; ``entries`` are the names of the configured stream entries."""
        now = self._clock()
        self._due = now + LOOK_EVERY_S
        if not link.online:
            return
        views = views if prefix else []
        room = min(MAX_BURST, MAX_UNCONFIRMED - link.unconfirmed)
        wanted: dict[str, tuple[str, bytes]] = {}
        if prefix:
            wanted[self._topic(prefix, None)] = "", self._about_gateway()
            for view in views:
                wanted[self._topic(prefix, view.name)] = self._state_topic(view.name), self._about(view)
        room -= self._take_back(link, prefix, entries, room)
        news = [topic for topic, (_, message) in wanted.items() if self._announced.get(topic) != message][
            : max(room, 0)
        ]
        self._note({**self._noted, **{topic: wanted[topic][0] for topic in news}})
        for topic in news:
            if not link.publish(topic, wanted[topic][1], retain=True):
                return
            self._announced[topic] = wanted[topic][1]
        room -= len(news)
        for view in views:
            if room <= 0:
                return
            room -= self._tell(link, view, now)

    def _take_back(self, link: Link, prefix: str | None, entries: set[str], room: int) -> int:
        """Empty the retained messages of what is no more; returns how many messages that took."""
        kept, used = dict(self._noted), 0
        for topic, state_topic in self._noted.items():
            if used + 2 > room:
                break
            if prefix and topic.startswith(f"{prefix}/device/") and self._expected(state_topic, entries):
                continue
            emptied = [topic, state_topic] if state_topic else [topic]
            if not all(link.publish(name, b"", retain=True) for name in emptied):
                break
            used += len(emptied)
            del kept[topic]
            self._announced.pop(topic, None)
            self._told.pop(state_topic, None)
        self._note(kept)
        return used

    def _expected(self, state_topic: str, entries: set[str]) -> bool:
        """Whether this is the gateway itself, or a stream, perhaps to come, of a configured entry."""
        beginning = self._state_topic("")
        return not state_topic or (
            state_topic.startswith(beginning) and state_topic[len(beginning) :].split("/", maxsplit=1)[0] in entries
        )

    def _tell(self, link: Link, view: StreamView, now: float) -> int:
        """Tell a stream's state where that is news; returns how many messages that took."""
        topic = self._state_topic(view.name)
        problem, severity = view.alert is not None, view.severity
        told = self._told.get(topic)
        if told is not None and told[0] == problem:
            old = told[1]
            same = severity == old or (severity is not None and old is not None and abs(severity - old) <= _NEWS * old)
            if same or now - told[2] < STATE_EVERY_S:
                return 0
        state = {
            "problem": "ON" if problem else "OFF",
            "severity": number(severity),
            "score": number(view.score),
            "threshold": number(view.threshold),
            "time": iso_time(time.time()),
        }
        if not link.publish(topic, encode(state), retain=True):
            return 0
        self._told[topic] = problem, severity, now
        return 1

    def _about_gateway(self) -> bytes:
        topic = f"vedette/{self._gateway}/status"
        problem = {
            "p": "binary_sensor",
            "name": "Degraded",
            "unique_id": f"vedette_{self._gateway}_degraded",
            "device_class": "problem",
            "state_topic": topic,
            "value_template": "{{ 'ON' if value_json.state == 'degraded' else 'OFF' }}",
            "json_attributes_topic": topic,
            "json_attributes_template": "{{ {'reasons': value_json.reasons} | tojson }}",
        }
        pending = {
            "p": "sensor",
            "name": "Alerts pending",
            "unique_id": f"vedette_{self._gateway}_pending",
            "state_class": "measurement",
            "entity_category": "diagnostic",
            "state_topic": topic,
            "value_template": "{{ value_json.counters.alerts_pending if value_json.counters is defined else none }}",
        }
        device = {"ids": [f"vedette_{self._gateway}"], "name": self._gateway, "mf": "vedette", "sw": __version__}
        return self._message(device, {"degraded": problem, "pending": pending})

    def _about(self, view: StreamView) -> bytes:
        topic, key = self._state_topic(view.name), self._id(view.name)
        problem = {
            "p": "binary_sensor",
            "name": "Anomaly",
            "unique_id": f"{key}_anomaly",
            "device_class": "problem",
            "state_topic": topic,
            "value_template": "{{ value_json.problem }}",
        }
        severity = {
            "p": "sensor",
            "name": "Severity",
            "unique_id": f"{key}_severity",
            "state_class": "measurement",
            "state_topic": topic,
            "value_template": "{{ value_json.severity }}",
            "suggested_display_precision": 2,
        }
        device = {
            "ids": [key],
            "name": view.name,
            "mf": "vedette",
            "mdl": view.model,
            "via_device": f"vedette_{self._gateway}",
        }
        return self._message(device, {"anomaly": problem, "severity": severity})

    def _message(self, device: dict[str, Any], components: dict[str, Any]) -> bytes:
        availability = {
            "topic": f"vedette/{self._gateway}/status",
            "value_template": "{{ 'offline' if value_json.state == 'offline' else 'online' }}",
        }
        return encode({"dev": device, "o": _ORIGIN, "avty": [availability], "cmps": components, "qos": 1})

    def _topic(self, prefix: str, stream: str | None) -> str:
        return f"{prefix}/device/{self._id(stream)}/config"

    def _id(self, stream: str | None) -> str:
        """Letters, digits, _ and - only, which is what Home Assistant allows there; the hash keeps names apart."""
        name = self._gateway if stream is None else f"{self._gateway}_{stream}"
        plain = re.sub(r"[^A-Za-z0-9_-]", "_", name)[:100]
        return f"vedette_{plain}_{blake2b(name.encode(), digest_size=4).hexdigest()}"

    def _state_topic(self, stream: str) -> str:
        return f"vedette/{self._gateway}/state/{stream}"

    def _note(self, noted: dict[str, str]) -> None:
        """Remember what was announced, before it is, so that nothing stays at the broker unseen."""
        if noted == self._noted:
            return
        self._noted = noted
        try:
            if noted:
                temporary = self._memory.with_name(self._memory.name + ".new")
                temporary.write_text(json.dumps(noted, indent=0), encoding="utf-8")
                temporary.replace(self._memory)
            else:
                self._memory.unlink(missing_ok=True)
        except OSError as error:
            log.warning("%s: cannot be written: %s", self._memory, error.strerror, extra=about(Event.OBSERVE_FAILED))


def _read(path: Path) -> dict[str, str]:
    """What an earlier run announced; a file that cannot be read is none."""
    try:
        noted = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(noted, dict):
        return {}
    return {topic: entry for topic, entry in noted.items() if isinstance(entry, str) and topic.endswith("/config")}
