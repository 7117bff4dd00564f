"""The time of one stream: samples leave in order, each once, and no wrong time makes the stream deaf.

A sample that is not newer than the one before it is rejected, and so is one from too far in the future. When five or
more in a row are rejected whose times go forward, at the pace of real time or slower, for a second or more, then it is
not the samples that are wrong: somebody has set the device's clock. The stream then starts a new time, with an empty
window.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from vedette.runtime.detection.detector import SampleRejectedError
from vedette.runtime.ingest.reorder import ReorderWindow, TimedRow
from vedette.runtime.ingest.samples import Values
from vedette.runtime.json_keys import Keys

REORDER_KEYS = ("max_delay_s", "max_samples")
DEFAULT_HELD, MOST_HELD = 64, 4096
LONGEST_DELAY_S = 3600.0
# How far the times of a current source may run ahead of the gateway's clock.
DEFAULT_AHEAD_S = 300.0
# So many rejected samples in a row, over so many seconds, make a new time.
RUN_SAMPLES, RUN_S = 5, 1.0
# Their times may go this much faster than the monotonic clock, and be this much ahead of that: a device that sends
# what it has stored is faster, and its samples really are old.
RUN_PACE, RUN_SLACK_S = 2.0, 2.0
# Own stamps that go back by more than this are those of a clock that was set.
SET_BACK_S = 1.0


@dataclass(frozen=True)
class TimePolicy:
    """How the samples of a stream are put in order.

    They wait up to ``max_delay_s`` for earlier ones, at most ``max_samples`` of them; 0 takes them as they come.
    ``max_ahead_s`` bounds how far they may run ahead of the gateway's clock. ``restarts`` says whether rejected samples
    can make a new time; where samples do not come at the pace of their times, nothing tells such from old ones.
    """

    max_delay_s: float = 0.0
    max_samples: int = DEFAULT_HELD
    max_ahead_s: float = math.inf
    restarts: bool = True

    @classmethod
    def from_keys(cls, reorder: Keys, stream: Keys, *, current: bool, live: bool) -> TimePolicy:
        """Read the table ``reorder`` and the key ``max_ahead_s`` of a stream. Raises :class:`ConfigError`.

        The times of a source that is not ``current`` may be any; the samples of a ``live`` one come at the pace of
        their times.
        """
        delay = reorder.optional("max_delay_s", lambda key: reorder.number(key, above=0.0))
        count = reorder.optional("max_samples", lambda key: reorder.integer(key, low=1, high=MOST_HELD))
        if delay is None and reorder.document:
            raise reorder.error(f"{reorder.where}: max_delay_s: expected the seconds that a sample may be late")
        if delay is not None and delay > LONGEST_DELAY_S:
            raise reorder.error(f"{reorder.where}: max_delay_s: expected at most {LONGEST_DELAY_S:g}, found {delay:g}")
        ahead = stream.optional("max_ahead_s", lambda key: stream.number(key, above=0.0))
        if ahead is not None and not current:
            raise stream.error(
                f"{stream.where}: max_ahead_s: the times of this source may be any; it is for mqtt and serial"
            )
        return cls(delay or 0.0, count or DEFAULT_HELD, (ahead or DEFAULT_AHEAD_S) if current else math.inf, live)


@dataclass
class TimeCounts:
    """Samples that were rejected for their time, and how often a stream started a new one; shared by streams."""

    duplicate: int = 0
    late: int = 0
    ahead: int = 0
    restarts: int = 0


@dataclass(frozen=True)
class Restart:
    """The stream starts a new time here: what is open is to be ended, and the window is empty again."""

    reason: str


Outcome = TimedRow | SampleRejectedError | Restart


class Timeline:
    """Puts the samples of one stream in order.

    Every sample comes out once, or an error instead of it; ``counts`` says of which kind. Samples come out with times
    that increase, except after a :class:`Restart`. At most ``policy.max_samples`` are held.
    """

    __slots__ = ("_counts", "_held", "_last", "_newest", "_own", "_policy", "_run", "_seen")

    def __init__(self, policy: TimePolicy, counts: TimeCounts) -> None:
        self._policy, self._counts = policy, counts
        self._held = ReorderWindow(policy.max_delay_s, policy.max_samples) if policy.max_delay_s > 0 else None
        self._run: _Run | None = None
        self._own = False  # whether the newest time is an own stamp
        self._seen = 0.0  # when the newest came, by the monotonic clock
        self._last = self._newest = -math.inf  # times: given out, taken

    @property
    def held(self) -> int:
        """Samples that wait for earlier ones."""
        return len(self._held) if self._held is not None else 0

    def push(self, time: float, values: Values, *, wall: float, now: float) -> Sequence[Outcome]:
        """Take the sample of ``time`` that arrived at ``wall`` (seconds since 1970) and ``now`` (monotonic)."""
        if time <= self._newest:
            return self._not_newer(time, values, now)
        limit = self._policy.max_ahead_s
        if time > wall + limit and time - self._newest > now - self._seen + limit and self._newest > -math.inf:
            if self._settles(time, now):
                return self._restart(time, values, now, "the times of its samples jumped ahead")
            self._counts.ahead += 1
            return (
                SampleRejectedError(
                    f"sample of {time} s is more than {limit:g} s ahead of the gateway's clock ({wall:.0f} s); "
                    "check the device's clock, or set max_ahead_s"
                ),
            )
        return self._take(time, values, now)

    def push_untimed(self, values: Values, *, wall: float, back_s: float, now: float) -> Sequence[Outcome]:
        """Take a sample without a time: it is of ``back_s`` before its arrival, or right after the one before it."""
        if self._own and wall < self._newest - SET_BACK_S:
            outcomes = self._restart(wall - back_s, values, now, "the gateway's clock was set back")
        else:
            outcomes = self._take(max(wall - back_s, math.nextafter(self._newest, math.inf)), values, now)
        self._own = True
        return outcomes

    def due(self, now: float) -> Sequence[TimedRow]:
        """What has waited long enough at ``now`` (monotonic); infinity gives everything."""
        return self._given(self._held.due(now)) if self._held is not None else ()

    def _take(self, time: float, values: Values, now: float) -> Sequence[Outcome]:
        self._newest, self._seen, self._own, self._run = time, now, False, None
        if self._held is None:
            self._last = time
            return ((time, values),)
        self._held.add(time, values, now)
        return self._given(self._held.ripe())

    def _not_newer(self, time: float, values: Values, now: float) -> Sequence[Outcome]:
        if self._held is not None and time > self._last:
            if self._held.add(time, values, now):
                self._run = None
                return self._given(self._held.ripe())
            self._counts.duplicate += 1
            return (SampleRejectedError(f"sample of {time} s came twice"),)
        if time in (self._last, self._newest):
            self._counts.duplicate += 1
        elif self._settles(time, now):
            return self._restart(time, values, now, "the times of its samples were set back")
        else:
            self._counts.late += 1
        return (SampleRejectedError(f"sample of {time} s is not newer than the one before it ({self._last} s)"),)

    def _settles(self, time: float, now: float) -> bool:
        """Whether the rejected sample ends a row of such that together make a new time."""
        if not self._policy.restarts:
            return False
        if self._run is None or not self._run.goes_on(time, now):
            self._run = _Run(time, now)
        return self._run.samples >= RUN_SAMPLES and now - self._run.since >= RUN_S

    def _restart(
        self, time: float, values: Values, now: float, reason: str
    ) -> Sequence[Outcome]:  # fmt: skip
        self._counts.restarts += 1
        before: list[Outcome] = list(self._held.flush()) if self._held is not None else []
        self._last = -math.inf
        return [*before, Restart(reason), *self._take(time, values, now)]

    def _given(self, rows: list[TimedRow]) -> list[TimedRow]:
        if rows:
            self._last = rows[-1][0]
        return rows


class _Run:
    """Rejected samples in a row whose times go forward at the pace of real time, or slower."""

    __slots__ = ("first", "newest", "samples", "since")

    def __init__(self, time: float, now: float) -> None:
        self.first = self.newest = time
        self.since = now
        self.samples = 1

    def goes_on(self, time: float, now: float) -> bool:
        if not self.newest < time <= self.first + RUN_SLACK_S + RUN_PACE * (now - self.since):
            return False
        self.newest = time
        self.samples += 1
        return True
