"""Whether every part of the daemon makes progress; only then is systemd's watchdog fed.

A part shows a *sign*: something that changes whenever it gets on, and whether it has anything to do just now. A part
that has something to do, and whose sign did not change within its deadline, is stalled:

==========  ==============================================  =====================================================
part        its sign changes with                           it has something to do
==========  ==============================================  =====================================================
scoring     each round that took samples out of the inbox   while samples wait; and a round must end at all, since
                                                            it is the same thread that feeds
ingest      each turn of a source's own thread: a read, or  until the source has ended, except while the inbox is
            a wait for data with a time-out                 full, for then it is the scoring that it waits for
outbox      each attempt to write, successful or not        while something waits to be written
network     each turn of the MQTT client's thread, and      while there is a connection, or an attempt at one
            each new attempt to connect
==========  ==============================================  =====================================================

A disk that is full or a broker that is away is no stall: the part tries, fails, and says so (``degraded``); a restart
would not help, and would lose the alerts that wait in memory.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Hashable, Iterable
from typing import NamedTuple

from vedette.runtime.events import Event, about
from vedette.runtime.systemd import Notifier

log = logging.getLogger(__name__)

# How often the parts are looked at, and the deadline where systemd sets none.
LOOK_EVERY_S, DEADLINE_S = 0.5, 15.0
# DNS, TCP and TLS have time-outs of their own, which together stay below this.
CONNECT_DEADLINE_S = 90.0


class Sign(NamedTuple):
    """What a part shows: ``mark`` is any value that changes with its progress.

    ``slow`` is True where it waits for a peer whose own time-outs are long, so that its deadline is longer.
    """

    part: str
    mark: Hashable
    busy: bool
    slow: bool = False


class PartState(NamedTuple):
    """One part as last looked at: seconds since its last progress, 0 where it has nothing to do."""

    part: str
    stalled: bool
    age_s: float


class Watchdog:
    """Looks at the parts, and feeds. :meth:`step` runs on the scoring thread, at the end of each of its rounds."""

    def __init__(
        self,
        notifier: Notifier,
        signs: Callable[[], Iterable[Sign]],
        summary: Callable[[], str],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``summary`` is the line for ``systemctl status``."""
        self._notifier, self._signs, self._summary, self._clock = notifier, signs, summary, clock
        period = notifier.watchdog_s
        # A stalled part is seen after half the period, so that systemd acts after one and a half at the latest.
        self.deadline_s = period / 2 if period else DEADLINE_S
        self._look_every_s = min(LOOK_EVERY_S, period / 8) if period else LOOK_EVERY_S
        self._look_at = 0.0
        self._seen: dict[str, tuple[Hashable, float]] = {}
        self.parts: tuple[PartState, ...] = ()

    @property
    def stalled(self) -> list[str]:
        """The parts that make no progress."""
        return [state.part for state in self.parts if state.stalled]

    def step(self) -> None:
        """Look and feed, when it is due."""
        now = self._clock()
        if now < self._look_at:
            return
        self._look_at = now + self._look_every_s
        before = self.stalled
        self.parts = tuple(self._look(sign, now) for sign in self._signs())
        self._seen = {state.part: self._seen[state.part] for state in self.parts}
        stalled = self.stalled
        for part in stalled:
            if part not in before:
                extra = about(Event.STALLED, part=part)
                log.error("%s: no progress for %.0f s; the watchdog is not fed", part, self.deadline_s, extra=extra)
        for part in before:
            if part not in stalled:
                log.warning("%s: goes on", part, extra=about(Event.GOES_ON, part=part))
        self._notifier.status(self._summary())
        if not stalled:
            self._notifier.feed()

    def _look(self, sign: Sign, now: float) -> PartState:
        mark, since = self._seen.get(sign.part, (None, now))
        if mark != sign.mark or not sign.busy:
            since = now
        self._seen[sign.part] = sign.mark, since
        deadline = max(self.deadline_s, CONNECT_DEADLINE_S) if sign.slow else self.deadline_s
        return PartState(sign.part, now - since > deadline, now - since)
