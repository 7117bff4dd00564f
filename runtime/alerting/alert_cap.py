"""The most incidents that a gateway tells in an hour, and the summary of those that it did not.

Only the ``new`` of an incident is counted and held back: what was told is always updated and ended. Alerts and faults
have a cap each, of the same height, so that an outage that silences a thousand devices leaves room for alerts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["alerts", "faults"]

DEFAULT_PER_HOUR, MOST_PER_HOUR = 200, 100_000
HOUR_S = 3600.0
# A summary tells of this many seconds, from the first incident that was held back.
SUMMARY_EVERY_S = 300.0


@dataclass
class Suppressed:
    """The incidents held back in one interval. Times are sample times in seconds; ``streams`` has, by name, how many
    alerts and faults each has had held back."""

    start: float
    end: float
    worst_severity: float
    worst_stream: str
    alerts: int = 0
    faults: int = 0
    streams: dict[str, dict[Kind, int]] = field(default_factory=dict)


class AlertCap:
    """Counts what is told in any 3600 seconds.

    ``clock`` gives the seconds to count in, a monotonic clock; None counts in sample time, so that the replay of a file
    gives the same alerts each time.
    """

    def __init__(self, per_hour: int, *, clock: Callable[[], float] | None = None) -> None:
        self.suppressed = 0
        self._per_hour, self._clock = per_hour, clock
        self._told: dict[Kind, deque[float]] = {"alerts": deque(), "faults": deque()}
        self._current: Suppressed | None = None
        self._began = 0.0
        self._done: list[Suppressed] = []

    def admit(self, time: float, stream: str, kind: Kind, severity: float, *, again: bool) -> bool:
        """Whether there is room for one more incident, found at the sample time ``time``.

        One that was refused and asks ``again`` is not counted a second time.
        """
        now = self._clock() if self._clock else time
        told = self._told[kind]
        while told and now - told[0] >= HOUR_S:
            told.popleft()
        if len(told) < self._per_hour:
            told.append(now)
            return True
        self._roll(now)
        if not again:
            self._hold_back(now, time, stream, kind, severity)
        elif self._current and severity > self._current.worst_severity:
            self._current.worst_severity, self._current.worst_stream = severity, stream
        return False

    def summaries(self, *, flush: bool = False) -> list[Suppressed]:
        """What is to be told about incidents held back; with ``flush`` also of the interval that is under way."""
        if self._current is None and not self._done:
            return []
        if self._clock:
            self._roll(self._clock())
        if flush and self._current:
            self._done.append(self._current)
            self._current = None
        done, self._done = self._done, []
        return done

    def _roll(self, now: float) -> None:
        if self._current and now - self._began >= SUMMARY_EVERY_S:
            self._done.append(self._current)
            self._current = None

    def _hold_back(self, now: float, time: float, stream: str, kind: Kind, severity: float) -> None:
        self.suppressed += 1
        current = self._current
        if current is None:
            current = self._current = Suppressed(time, time, severity, stream)
            self._began = now
        current.start, current.end = min(current.start, time), max(current.end, time)
        if severity > current.worst_severity:
            current.worst_severity, current.worst_stream = severity, stream
        counts = current.streams.setdefault(stream, {"alerts": 0, "faults": 0})
        counts[kind] += 1
        current.alerts += kind == "alerts"
        current.faults += kind == "faults"
