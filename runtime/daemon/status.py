"""What the daemon counts and tells: the retained status message, and rejections without flooding the log."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from vedette import __version__
from vedette.runtime.delivery.cloudevents import clock_synced, encode
from vedette.runtime.events import Event, about
from vedette.runtime.mqtt.link import BLIND_311, Link
from vedette.runtime.times import iso_time

log = logging.getLogger(__name__)

REJECTION_LOG_EVERY_S = 10.0
STATUS_EVERY_S = 5.0
MAX_REASONS = 20


class StatusTeller:
    """Publishes ``vedette/<gateway>/status``: at once when the state changes, else at most every 5 s, when a counter
    has changed."""

    def __init__(self, gateway: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.topic = f"vedette/{gateway}/status"
        self._gateway = gateway
        self._clock = clock
        self._started = iso_time(time.time())
        self._told: tuple[list[str], dict[str, Any]] | None = None
        self._due = 0.0

    def will(self) -> tuple[str, bytes]:
        """What the broker publishes when it loses us."""
        return self.topic, encode(self._head("offline", ["connection lost"]))

    def connected(self) -> None:
        """The connection is new: what was told before may have been replaced by the will."""
        self._told = None

    def tell(
        self, link: Link, *, reasons: list[str], counters: dict[str, int], streams: Callable[[], list[dict[str, Any]]]
    ) -> None:
        """Publish when there is something new; ``reasons`` say why the gateway is degraded."""
        now = self._clock()
        if not link.online or (self._told and self._told[0] == reasons and now < self._due):
            return
        self._due = now + STATUS_EVERY_S
        if self._told == (reasons, counters):
            return
        status = {
            **self._head("degraded" if reasons else "online", reasons),
            "time": iso_time(time.time()),
            "clock_synced": clock_synced(),
            "mqtt": {"version": link.version, "cannot_see": BLIND_311 if link.version == "3.1.1" else None},
            "counters": counters,
            "streams": streams(),
        }
        if link.publish(self.topic, encode(status), retain=True):
            self._told = (reasons, counters)

    def goodbye(self, link: Link, *, reason: str, counters: dict[str, int]) -> None:
        """Say that the gateway is off, on purpose."""
        link.publish(self.topic, encode({**self._head("offline", [reason]), "counters": counters}), retain=True)

    def _head(self, state: str, reasons: list[str]) -> dict[str, Any]:
        return {
            "gateway": self._gateway,
            "state": state,
            "reasons": reasons[:MAX_REASONS],
            "version": __version__,
            "started": self._started,
        }


class RejectionLog:
    """Logs the first rejection of each place, and then at most one line per 10 s with the number in between."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last: dict[str, float] = {}
        self._silent: dict[str, int] = {}

    def tell(self, place: str, error: object) -> None:
        """Take note of a rejection at ``place``, a stream's name."""
        now = self._clock()
        if now - self._last.get(place, -REJECTION_LOG_EVERY_S) < REJECTION_LOG_EVERY_S:
            self._silent[place] = self._silent.get(place, 0) + 1
            return
        self._last[place] = now
        silent = self._silent.pop(place, 0)
        more = f" (and {silent:,} more since the last line)" if silent else ""
        extra = about(Event.SAMPLE_REJECTED, stream=place, more=silent)
        log.warning("%s: rejected: %s%s", place, error, more, extra=extra)
