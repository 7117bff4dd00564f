"""One look at the whole gateway, frozen: what every way of seeing into it is made from.

The scoring thread makes a snapshot at most once per second, and only while somebody asks; readers on other threads
share it. A reader that gets no fresh one in time gets the last, whose age then says that the scoring is stuck.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vedette.runtime.alerting.alerts import Alert
from vedette.runtime.watchdog import PartState

EVERY_S = 1.0
# A reader waits this long for a snapshot that is newer than a second or two.
PATIENCE_S = 2.0
# Snapshots are made for this long after the last reader asked.
WANTED_S = 5.0


@dataclass(frozen=True)
class StreamView:
    """One stream. ``score`` is None before the first window; ``age_s`` is since its last payload, None before it.

    ``faults`` are the kinds of its open faults; ``maintenance`` says whether it is muted.
    """

    name: str
    entry: str
    model: str
    score: float | None
    threshold: float
    age_s: float | None
    alert: Alert | None
    faults: tuple[str, ...] = ()
    maintenance: bool = False

    @property
    def severity(self) -> float | None:
        """Score over threshold."""
        return None if self.score is None else self.score / self.threshold


@dataclass(frozen=True)
class AlertStep:
    """One step of an alert as it was raised: the stream, the time of the window's last row in seconds, the step."""

    stream: str
    time: float
    alert: Alert


@dataclass(frozen=True)
class Connection:
    """The link to the broker; ``cannot_see`` is what its protocol version hides."""

    online: bool
    broker: str
    version: str | None
    cannot_see: str | None


@dataclass(frozen=True)
class Scoring:
    """Seconds spent in rounds that took something in, the longest since the last snapshot, and what waits."""

    seconds: float
    longest_round_s: float
    waiting: int


@dataclass(frozen=True)
class Snapshot:
    """The gateway at one moment; ``time`` is the wall clock, ``made`` the monotonic one, both in seconds."""

    gateway: str
    version: str
    started: str
    time: float
    made: float
    uptime_s: float
    clock_synced: bool | None
    reasons: tuple[str, ...]
    connection: Connection
    outbox_path: Path
    outbox_max_bytes: int
    counters: dict[str, int]
    alert_steps: dict[str, int]
    scoring: Scoring
    parts: tuple[PartState, ...]
    reloads: int
    entries: tuple[dict[str, Any], ...]
    streams: tuple[StreamView, ...]
    recent: tuple[AlertStep, ...] = field(default=())


class Board:
    """Where the scoring thread leaves the newest snapshot."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._newest: Snapshot | None = None
        self._wanted_until = 0.0
        self._due = 0.0

    def wanted(self, now: float) -> bool:
        """Scoring thread: whether to make a snapshot now."""
        return self._due <= now < self._wanted_until

    def leave(self, snapshot: Snapshot) -> None:
        """Scoring thread: here is a new one."""
        with self._changed:
            self._newest = snapshot
            self._due = snapshot.made + EVERY_S
            self._changed.notify_all()

    def take(self, *, patience_s: float = PATIENCE_S) -> Snapshot | None:
        """Any other thread: a snapshot of now, or the last where no newer came in time; None where there is none."""
        with self._changed:
            asked = self._clock()
            self._wanted_until = asked + WANTED_S
            self._changed.wait_for(lambda: self._newest and asked - self._newest.made < 1.5 * EVERY_S, patience_s)
            return self._newest
