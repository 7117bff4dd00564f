"""The gateway daemon: sources -> streams -> outbox -> link.

One thread scores, stores, publishes and decides. Sources and the network thread only put things into the inbox. Here
are its loop and its life; :mod:`~vedette.runtime.daemon.stream_table` knows the streams,
:mod:`~vedette.runtime.daemon.announcer` makes the events, :mod:`~vedette.runtime.delivery.delivery` brings them to the
broker, :mod:`~vedette.runtime.daemon.report` says how it goes.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from typing import NamedTuple

import paho.mqtt.client as mqtt

from vedette.errors import DataError
from vedette.runtime.config.gateway import GatewayConfig
from vedette.runtime.daemon.announcer import Announcer
from vedette.runtime.daemon.reload import Loaded, Reloader, ReloadResult
from vedette.runtime.daemon.report import Report
from vedette.runtime.daemon.status import RejectionLog, StatusTeller
from vedette.runtime.daemon.stream_table import StreamTable
from vedette.runtime.delivery import acks
from vedette.runtime.delivery.delivery import Delivery
from vedette.runtime.delivery.outbox import Outbox, OutgoingAlert
from vedette.runtime.events import Event, about
from vedette.runtime.ingest.inbox import Inbox
from vedette.runtime.ingest.sources.base import Arrival, SourceEnded
from vedette.runtime.mqtt.link import Link, LinkEvent
from vedette.runtime.observe.observer import Observer, View
from vedette.runtime.systemd import Notifier

log = logging.getLogger(__name__)

TICK_S = 0.2
# How long the end waits for the broker: after the last finite source, and when told to stop.
DRAIN_S, STOP_S = 10.0, 5.0
GOODBYE_S = 1.0
# How long the broker keeps acknowledgements for a gateway that is away.
SESSION_S = 7 * 24 * 3600
# The inbox holds no more than this, whatever the payloads' sizes.
INBOX_BYTES = 32 * 1024 * 1024


class AckReceived(NamedTuple):
    """A message on the acknowledgement topic."""

    payload: bytes


class Daemon:
    """One gateway, from start to stop."""

    def __init__(self, config: GatewayConfig, *, read_again: Callable[[], GatewayConfig] | None = None) -> None:
        """Load all bundles and open the outbox. Raises :class:`VedetteError`; a broker is not needed yet.

        ``read_again`` reads the configuration anew for :meth:`reload`.
        """
        self._config = config
        self._stopping = False
        self._ticked = time.monotonic()
        self._rejections = RejectionLog()
        self._inbox = Inbox(max_items=config.max_queued, max_bytes=INBOX_BYTES, max_latency_s=config.max_latency_s)
        self._observer = Observer(config.gateway, config.outbox_path, self._view)
        most = config.max_alerts_per_hour
        self._announcer = Announcer(
            config.gateway, most, send=self._send, on_alert=self._observer.raised, when_stored=self._when_stored
        )
        self._table = StreamTable(
            config, inbox=self._inbox, announcer=self._announcer, on_rejection=self._rejections.tell
        )
        self._status = StatusTeller(config.gateway)
        self._link = self._new_link()
        self._table.connect(self._link)
        self._outbox = Outbox(config.outbox_path, max_bytes=config.outbox_max_bytes)
        self._delivery = Delivery(self._outbox, self._link)
        self._delivery.end_open_incidents()
        self._reloader = Reloader(read_again or (lambda: config), self._inbox.post)
        self._notifier = Notifier()
        self._report = Report(
            table=self._table,
            announcer=self._announcer,
            delivery=self._delivery,
            inbox=self._inbox,
            link=self._link,
            status=self._status,
            observer=self._observer,
            notifier=self._notifier,
            outbox_max_bytes=config.outbox_max_bytes,
        )

    def reload(self) -> None:
        """Ask for the configuration to be read anew; safe to call from a signal handler."""
        self._reloader.request()

    def stop(self) -> None:
        """Ask for a graceful stop; safe to call from a signal handler."""
        self._stopping = True

    def run(self) -> None:
        """Work until :meth:`stop`, or until all finite sources have ended and their alerts are delivered.

        Raises :class:`DataError` at the end where a finite source failed.
        """
        told = (self._config.gateway, len(self._table.entries), self._outbox.pending)
        log.info("gateway %s: streams: %d, alerts stored before: %d", *told, extra=about(Event.STARTED))
        try:
            self._table.start()
            self._observer.configure(self._config.observe)
            self._notifier.ready(self._report.summary())
            while self._table.running and not self._stopping:
                self._step(TICK_S)
                if self._reloader.step(self._config, self._table.loaded):
                    self._notifier.reloading()
                    log.info("reload: reading the configuration", extra=about(Event.RELOADING))
            self._notifier.stopping()
            self._finish()
        finally:
            self._observer.close()
            self._inbox.close()
            self._link.close()
            self._outbox.close()
        for failure in self._table.failures.values():
            raise failure

    def _step(self, timeout: float, *, retry_now: bool = False) -> None:
        items, ended = self._inbox.take(timeout), []
        begun = time.perf_counter()
        for item in items:
            if isinstance(item, Arrival):
                self._table.take(item)
            elif isinstance(item, LinkEvent):
                self._link.handle(item)
            elif isinstance(item, SourceEnded):
                ended.append(item)
            elif isinstance(item, AckReceived):
                self._acknowledge(item.payload)
            elif isinstance(item, ReloadResult):
                self._take_over(item)
        self._table.score()
        if items:
            self._report.scored(time.perf_counter() - begun)
        self._tick()
        self._link.step()
        self._delivery.step(retry_now=retry_now)
        for item in ended:  # what it brought is scored, and its alerts are stored
            self._table.source_ended(item)
        self._report.step()

    def _tick(self) -> None:
        """Let the time pass in which samples could come."""
        now = time.monotonic()
        seconds, self._ticked = now - self._ticked, now
        self._table.tick(seconds)
        self._announcer.summarise()

    def _finish(self) -> None:
        """Close what is open, deliver what can be delivered, and say goodbye."""
        self._table.stop()
        self._inbox.close()
        self._step(0)
        while self._inbox.backlog:
            self._step(0)
        self._table.close_alerts("gateway stopped" if self._stopping else "source ended")
        self._announcer.summarise(flush=True)
        self._step(0, retry_now=True)
        deadline = time.monotonic() + (STOP_S if self._stopping else DRAIN_S)
        while self._delivery.pending and time.monotonic() < deadline and (self._link.online or not self._stopping):
            self._step(TICK_S)
        if self._outbox.pending:
            told = (self._outbox.pending, self._outbox.path)
            log.warning(
                "%d alert(s) stay stored in %s; the next run sends them", *told, extra=about(Event.ALERTS_STORED)
            )
        if self._delivery.unstored:
            lost = self._delivery.unstored
            log.error("%d alert(s) are lost: they could not be stored or sent", lost, extra=about(Event.ALERTS_LOST))
        counters = self._report.goodbye("stopped" if self._stopping else "all sources ended")
        deadline = time.monotonic() + GOODBYE_S
        while self._link.unconfirmed and time.monotonic() < deadline:
            for item in self._inbox.take(TICK_S):
                if isinstance(item, LinkEvent):
                    self._link.handle(item)
        log.info("stopped: %s", json.dumps(counters), extra=about(Event.STOPPED, counters=counters))

    def _new_link(self) -> Link:
        config = self._config
        link = Link(config.mqtt, post=self._inbox.post, will=self._status.will(), session_expiry_s=SESSION_S)
        link.on_online = self._online
        link.subscribe(f"vedette/{config.gateway}/ack", self._ack_received, qos=1)
        return link

    def _view(self) -> View:
        return self._report.view()

    def _send(self, alert: OutgoingAlert) -> None:
        self._delivery.accept(alert)

    def _when_stored(self, tell: Callable[[], None]) -> None:
        self._delivery.when_stored(tell)

    def _ack_received(self, message: mqtt.MQTTMessage) -> bool:
        """Network thread: a consumer says what it has received."""
        self._inbox.offer_event(AckReceived(bytes(message.payload[: acks.MAX_BYTES + 1])))
        return True  # one that finds no room is lost: its alerts may be sent again

    def _acknowledge(self, payload: bytes) -> None:
        try:
            self._delivery.acknowledge(acks.read_ack(payload))
        except DataError as error:
            self._rejections.tell("ack", error)

    def _online(self, session_present: bool) -> None:
        self._status.connected()
        self._observer.connected()
        self._delivery.wake()
        if not session_present:
            self._delivery.session_lost()

    def _take_over(self, result: ReloadResult) -> None:
        """The new configuration is complete and good, or the running one stays."""
        self._reloader.done()
        if self._stopping or not self._table.running:
            return
        if result.config is None:
            self._report.reload_failure = result.failure
            extra = about(Event.RELOAD_FAILED)
            log.error("reload failed, the running configuration stays: %s", result.failure, extra=extra)
        else:
            self._report.reload_failure = None
            self._switch(result.config, result.loaded)
        self._notifier.ready(self._report.summary())

    def _switch(self, new: GatewayConfig, loaded: Loaded) -> None:
        """Change what differs from the running configuration, and nothing else."""
        old, self._config = self._config, new
        if new.mqtt != old.mqtt:
            self._move_link()
        plan = self._table.switch(new, loaded, self._link)
        self._observer.configure(new.observe)
        self._observer.reloads += 1
        self._status.connected()  # the streams that it names may be others now
        counts = [len(part) for part in (plan.kept, plan.replaced, plan.removed, plan.added)]
        text = "reloaded: stream entries unchanged: %d, changed: %d, removed: %d, new: %d"
        log.info(text, *counts, extra=about(Event.RELOADED))

    def _move_link(self) -> None:
        """The broker's settings have changed: leave, and connect as they say now."""
        self._report.goodbye("the broker's settings change")
        self._link.close()
        self._status.connected()
        self._link = self._report.link = self._new_link()
        self._delivery.use(self._link)
