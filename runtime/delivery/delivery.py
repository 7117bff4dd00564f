"""From an alert to its confirmation: stored first, then published, done only when its own PUBACK says it arrived.

A PUBACK is not the whole story: a broker that forgets its sessions forgets the alerts in them. Its next CONNACK says
so, and what it had confirmed in the last hour, and no consumer has acknowledged, is sent again, with the same ids.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial

from vedette.runtime.delivery.cloudevents import mark_historical, number_event
from vedette.runtime.delivery.incidents import end_of
from vedette.runtime.delivery.outbox import MAX_ROWS, Outbox, OutgoingAlert, StorageError, StoredAlert
from vedette.runtime.events import Event, about
from vedette.runtime.mqtt.connection import FIRST_FAILURE
from vedette.runtime.mqtt.link import NO_SUBSCRIBERS, Link
from vedette.runtime.watchdog import Sign

log = logging.getLogger(__name__)

FIRST_HOLD_S, LAST_HOLD_S = 1.0, 60.0
# Alerts that wait in memory for a disk that cannot be written; more are dropped, the least severe first, and counted.
MAX_UNSTORED = 1000
STORE_RETRY_S = 1.0
# How often the state of the disk is read, which writes nothing.
WATCH_EVERY_S = 2.0
# Of one step, the part that may go into sending again what a broker has forgotten.
SEND_AGAIN_S = 0.05


class Delivery:
    """Stores what was raised, publishes what is stored, oldest first; a topic that is refused is tried again later."""

    def __init__(self, outbox: Outbox, link: Link) -> None:
        self.confirmed = 0
        self.acknowledged = 0
        self.refused = 0
        self._write_fault: str | None = None
        self._disk_fault: str | None = None
        self._watch_due = 0.0
        self._lost = 0
        self._attempts = 0
        self._outbox, self._link = outbox, link
        self._unstored: list[OutgoingAlert] = []
        self._when_stored: list[Callable[[], None]] = []
        self._storage_due = 0.0
        self._out = 0
        self._published: list[int] = []
        self._acknowledged: list[str] = []
        self._send_again = False
        self._released: list[int] = []
        self._held: dict[str, tuple[float, float, str]] = {}  # topic -> due, last delay, reason
        self._idle = False

    @property
    def storage_fault(self) -> str | None:
        """Why alerts are not stored as they should be; None when they are."""
        return self._write_fault or self._disk_fault

    @property
    def unstored(self) -> int:
        """Alerts in memory only, because the disk cannot be written."""
        return len(self._unstored)

    @property
    def pending(self) -> int:
        """Alerts not yet confirmed, stored or not."""
        return self._outbox.pending + len(self._unstored)

    @property
    def dropped(self) -> int:
        """Alerts given up for want of space, since the outbox was made."""
        return self._outbox.dropped + self._lost

    @property
    def refusals(self) -> dict[str, str]:
        """The topics that the broker refuses at present, with its reason."""
        return {topic: reason for topic, (_, _, reason) in self._held.items()}

    def accept(self, alert: OutgoingAlert) -> None:
        """Take an alert; the next :meth:`step` stores it, in one commit with the others of its round."""
        self._unstored.append(alert)

    def when_stored(self, tell: Callable[[], None]) -> None:
        """Call ``tell`` once everything that was accepted so far is stored, from a :meth:`step`."""
        self._when_stored.append(tell)

    def end_open_incidents(self) -> None:
        """End what an earlier run left open. Raises :class:`StorageError`."""
        incidents = self._outbox.open_incidents()
        self._unstored += map(end_of, incidents)
        if incidents:
            text = "the last run ended without a stop: %d alert(s) or fault(s) were open and are ended now"
            log.warning(text, len(incidents), extra=about(Event.ALERTS_LEFT_OPEN, alerts=len(incidents)))

    @property
    def sign(self) -> Sign:
        """How the writing of the outbox gets on; an attempt that fails is progress too, see ``storage_fault``."""
        return Sign("outbox", self._attempts, self._work)

    def use(self, link: Link) -> None:
        """From now on publish over another link; the one before it must be closed."""
        self._link = link
        self._held.clear()
        self.wake()

    def wake(self) -> None:
        """There may be something to publish."""
        self._idle = False

    def acknowledge(self, event_ids: list[str]) -> None:
        """A consumer has received these events; the next :meth:`step` removes them."""
        self._acknowledged += event_ids

    def session_lost(self) -> None:
        """The broker has forgotten us: the next :meth:`step` makes it hear again what it had confirmed."""
        self._send_again = True

    def step(self, *, retry_now: bool = False) -> None:
        """Store what is new, take in the results, publish what fits into the window.

        A disk that cannot be written is tried again after a second, or at once with ``retry_now``.
        """
        now = time.monotonic()
        if self._released:
            self._outbox.release(self._released)
            self._released.clear()
            self.wake()
        if now >= self._watch_due:
            self._watch_due = now + WATCH_EVERY_S
            self._disk_fault = self._tell(self._outbox.watch(), self._disk_fault)
        try:
            if retry_now or now >= self._storage_due:
                self._attempts += 1
                self._write()
                self._write_fault = None
        except StorageError as error:
            self._write_failed(error)
        # What was stored before goes out even while the disk cannot be written.
        try:
            if self._link.online and self._out < self._link.window:
                self._publish_pending()
        except StorageError as error:
            self._write_failed(error)

    @property
    def _work(self) -> bool:
        """Whether something waits to be written."""
        waiting = self._unstored or self._lost or self._published or self._acknowledged or self._send_again
        return bool(waiting) or self._outbox.sending_again

    def _write(self) -> None:
        """Bring the outbox up to date, in commits of bounded size. Raises :class:`StorageError`.

        First comes what makes room.
        """
        while self._acknowledged:
            ids = self._acknowledged[:MAX_ROWS]
            self.acknowledged += self._outbox.acknowledged(ids)
            del self._acknowledged[: len(ids)]
        while self._published:
            seqs = self._published[:MAX_ROWS]
            self._outbox.published(seqs)
            del self._published[: len(seqs)]
        while self._unstored or self._lost:
            batch = self._unstored[: 1 if self._write_fault else MAX_ROWS]
            self._outbox.add(batch, lost=self._lost)
            self._lost, self._write_fault = 0, None
            del self._unstored[: len(batch)]
            self.wake()
            log.debug("stored: %s", " ".join(alert.event_id for alert in batch))
        told, self._when_stored = self._when_stored, []
        for tell in told:
            tell()
        if self._send_again:
            self._outbox.send_again()
            self._send_again = False
        if self._outbox.sending_again:
            self._send_some_again()

    def _write_failed(self, error: StorageError) -> None:
        self._write_fault = self._tell(str(error), self._write_fault)
        self._storage_due = time.monotonic() + STORE_RETRY_S
        self._give_up_excess()

    def _send_some_again(self) -> None:
        end, count = time.monotonic() + SEND_AGAIN_S, 0
        while self._outbox.sending_again and time.monotonic() < end:
            count += self._outbox.send_some_again()
        if count:
            text = "the broker has lost its session: %d alert(s) are sent again"
            log.warning(text, count, extra=about(Event.ALERTS_SENT_AGAIN, alerts=count))
            self.wake()

    def _give_up_excess(self) -> None:
        """Keep no more in memory than fits: the least severe go, and of those the oldest."""
        excess = len(self._unstored) - MAX_UNSTORED
        if excess > 0:
            order = sorted(range(len(self._unstored)), key=lambda place: self._unstored[place].severity)
            victims = set(order[:excess])
            self._unstored = [alert for place, alert in enumerate(self._unstored) if place not in victims]
            self._lost += excess

    def _tell(self, fault: str | None, told: str | None) -> str | None:
        if fault and told is None:
            log.error("%s", fault, extra=about(Event.OUTBOX_FAILED))
        return fault

    def _publish_pending(self) -> None:
        now = time.monotonic()
        waiting = [topic for topic, (due, _, _) in self._held.items() if due > now]
        if self._idle and len(waiting) == len(self._held):
            return
        alerts = self._outbox.take(self._link.window - self._out, skip_topics=waiting)
        self._idle = not alerts
        for alert in alerts:
            payload = number_event(alert.payload, alert.seq)
            payload = mark_historical(payload, event_time=alert.time, now=time.time())
            self._out += 1
            if not self._link.publish(alert.topic, payload, partial(self._result, alert)):
                self._result(alert, None)

    def _result(self, alert: StoredAlert, code: int | None) -> None:
        """The broker's answer, or None where the connection ended before it."""
        self._out -= 1
        if code is not None and code < FIRST_FAILURE and code != NO_SUBSCRIBERS:
            self._published.append(alert.seq)
            self.confirmed += 1
            self._held.pop(alert.topic, None)
            return
        self._released.append(alert.seq)
        if code is not None:
            self.refused += 1
            self._hold(alert.topic, code)

    def _hold(self, topic: str, code: int) -> None:
        reason = "no subscriber" if code == NO_SUBSCRIBERS else f"refused by the broker (0x{code:02x})"
        now = time.monotonic()
        due, delay, told = self._held.get(topic, (0.0, FIRST_HOLD_S / 2, ""))
        if due > now:
            return  # another alert of the same round
        if told != reason:
            extra = about(Event.ALERTS_HELD, topic=topic, reason=reason)
            log.warning("alerts to %s stay stored: %s", topic, reason, extra=extra)
        delay = min(delay * 2, LAST_HOLD_S)
        self._held[topic] = (now + delay, delay, reason)
