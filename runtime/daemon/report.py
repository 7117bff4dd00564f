"""What the gateway says about itself: its state with reasons, its counters, and how each of its parts gets on."""

from __future__ import annotations

from collections.abc import Iterator

from vedette.runtime.daemon.announcer import Announcer
from vedette.runtime.daemon.status import StatusTeller
from vedette.runtime.daemon.stream_table import StreamTable
from vedette.runtime.delivery.delivery import Delivery
from vedette.runtime.ingest.inbox import Inbox
from vedette.runtime.mqtt.link import Link
from vedette.runtime.observe.observer import Observer, View
from vedette.runtime.systemd import Notifier
from vedette.runtime.watchdog import Sign, Watchdog


class Report:
    """Gathers it from the parts, and gives it to the status topic, to those who look on, and to systemd.

    ``link`` is the connection of the moment; ``reload_failure`` says why the configuration on disk does not run.
    """

    def __init__(
        self,
        *,
        table: StreamTable,
        announcer: Announcer,
        delivery: Delivery,
        inbox: Inbox,
        link: Link,
        status: StatusTeller,
        observer: Observer,
        notifier: Notifier,
        outbox_max_bytes: int,
    ) -> None:
        self.link = link
        self.reload_failure: str | None = None
        self._table, self._announcer, self._delivery, self._inbox = table, announcer, delivery, inbox
        self._status, self._observer, self._outbox_max_bytes = status, observer, outbox_max_bytes
        self._watchdog = Watchdog(notifier, self._signs, self.summary)
        self._rounds = 0

    def scored(self, seconds: float) -> None:
        """A round that took something in is over, after so many seconds."""
        self._rounds += 1
        self._observer.scored(seconds)

    def step(self) -> None:
        """At the end of a round: tell what is new to whom it concerns."""
        entries = self._table.entries
        self._status.tell(
            self.link,
            reasons=self.reasons(),
            counters=self.counters(),
            streams=lambda: [entry.describe() for entry in entries],
        )
        self._observer.tell(self.link, entries)
        self._observer.step()
        self._watchdog.step()

    def goodbye(self, reason: str) -> dict[str, int]:
        """The connection ends, on purpose; returns the counters as told."""
        counters = self.counters()
        self._status.goodbye(self.link, reason=reason, counters=counters)
        return counters

    def reasons(self) -> list[str]:
        """Why the gateway is degraded; empty when it is not."""
        reasons = [f"stream {name}: {error}" for name, error in self._table.failures.items()]
        if self._delivery.storage_fault:
            reasons.append(self._delivery.storage_fault)
        if self.reload_failure:
            reasons.append(f"reload failed: {self.reload_failure}")
        reasons += [f"{part}: no progress" for part in self._watchdog.stalled]
        reasons += self._observer.faults
        for topics in (self.link.refused_topics, self._delivery.refusals):
            reasons += [f"{topic}: {reason}" for topic, reason in topics.items()]
        return reasons

    def counters(self) -> dict[str, int]:
        """Totals since the start; ``alerts_dropped`` since the outbox was made."""
        return {
            "samples": self._table.samples,
            "rejected": self._table.rejected,
            "alerts_raised": self._announcer.alerts_raised,
            "faults_raised": self._announcer.faults_raised,
            "alerts_suppressed": self._announcer.suppressed,
            "alerts_confirmed": self._delivery.confirmed,
            "alerts_acknowledged": self._delivery.acknowledged,
            "alerts_pending": self._delivery.pending,
            "alerts_dropped": self._delivery.dropped,
            "publishes_refused": self._delivery.refused,
            "input_overflow": self._inbox.overflow,
            "connections": self.link.connections,
        }

    def view(self) -> View:
        """What a snapshot is made of."""
        return View(
            entries=self._table.entries,
            link=self.link,
            reasons=self.reasons(),
            counters=self.counters(),
            parts=self._watchdog.parts,
            waiting=self._inbox.backlog,
            outbox_max_bytes=self._outbox_max_bytes,
        )

    def summary(self) -> str:
        """One line for ``systemctl status``."""
        broker = "connected" if self.link.online else "not connected"
        text = f"streams: {len(self._table.entries)}; broker: {broker}; alerts pending: {self._delivery.pending}"
        reasons = self.reasons()
        return f"degraded: {reasons[0]}; {text}" if reasons else text

    def _signs(self) -> Iterator[Sign]:
        """How each part gets on, for the watchdog."""
        yield Sign("scoring", self._rounds, self._inbox.backlog > 0)
        yield from self._table.signs()
        yield self._delivery.sign
        yield self.link.sign
