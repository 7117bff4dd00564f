"""The gateway daemon: sources -> streams -> outbox -> link.

One thread scores, stores, publishes and decides. Sources and the network thread only put things into the inbox.
"""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

import paho.mqtt.client as mqtt

from vedette.errors import DataError
from vedette.runtime import acks, reload
from vedette.runtime import bundle as bundles
from vedette.runtime.alert_cap import AlertCap, Suppressed
from vedette.runtime.alert_config import check_fault_channels
from vedette.runtime.alerts import Alert
from vedette.runtime.bundle import Bundle
from vedette.runtime.cloudevents import (
    alert_event,
    clock_synced,
    encode,
    fault_event,
    model_record,
    suppressed_event,
)
from vedette.runtime.config import GatewayConfig, StreamConfig
from vedette.runtime.delivery import Delivery
from vedette.runtime.events import Event, about
from vedette.runtime.faults import Fault
from vedette.runtime.inbox import Inbox
from vedette.runtime.link import Link, LinkEvent
from vedette.runtime.observe.observer import Observer, View
from vedette.runtime.outbox import Outbox, OutgoingAlert
from vedette.runtime.reload import Loaded, Reloader, ReloadResult, Running
from vedette.runtime.sources import SOURCES
from vedette.runtime.sources.base import Arrival, Source, SourceContext, SourceEnded
from vedette.runtime.status import RejectionLog, StatusTeller
from vedette.runtime.stream import StreamGroup
from vedette.runtime.streams import Device, StreamEntry, score
from vedette.runtime.systemd import Notifier
from vedette.runtime.watch import EntryWatch
from vedette.runtime.watchdog import Sign, Watchdog

log = logging.getLogger(__name__)

TICK_S = 0.2
# How long the end waits for the broker: after the last finite source, and when told to stop.
DRAIN_S, STOP_S = 10.0, 5.0
GOODBYE_S = 1.0
# What a fault counts in the outbox: any alert is worth more.
FAULT_SEVERITY = 1.0
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
        self._alerts_raised = self._faults_raised = 0
        self._cap = AlertCap(config.max_alerts_per_hour, clock=time.monotonic)
        self._own_caps: dict[int, AlertCap] = {}
        self._ticked = time.monotonic()
        self._failures: dict[str, DataError] = {}
        self._rejections = RejectionLog()
        self._inbox = Inbox(max_items=config.max_queued, max_bytes=INBOX_BYTES, max_latency_s=config.max_latency_s)
        # Entries and sources by numbers that are never used again, since samples on their way carry them.
        self._loaded: Loaded = {}
        self._streams = dict(enumerate(config.streams))
        self._next_number = len(self._streams)
        self._entries = {number: self._entry(number, stream, self._loaded) for number, stream in self._streams.items()}
        self._retired: Counter[str] = Counter()
        self._rounds = 0
        self._status = StatusTeller(config.gateway)
        self._link = self._new_link()
        self._sources = {number: self._source(number, stream) for number, stream in self._streams.items()}
        self._running = set(self._sources)
        self._outbox = Outbox(config.outbox_path, max_bytes=config.outbox_max_bytes)
        self._delivery = Delivery(self._outbox, self._link)
        left_open = self._delivery.end_open_incidents()
        if left_open:
            text = "the last run ended without a stop: %d alert(s) or fault(s) were open and are ended now"
            log.warning(text, left_open, extra=about(Event.ALERTS_LEFT_OPEN, alerts=left_open))
        self._reloader = Reloader(read_again or (lambda: config), self._inbox.post)
        self._reload_failure: str | None = None
        self._observer = Observer(config.gateway, config.outbox_path, self._view)
        self._notifier = Notifier()
        self._watchdog = Watchdog(self._notifier, self._signs, self._summary)

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
        stored = self._outbox.pending
        told = (self._config.gateway, len(self._entries), stored)
        log.info("gateway %s: streams: %d, alerts stored before: %d", *told, extra=about(Event.STARTED))
        try:
            for source in self._sources.values():
                source.start()
            self._observer.configure(self._config.observe)
            self._notifier.ready(self._summary())
            while self._running and not self._stopping:
                self._step(TICK_S)
                if self._reloader.step(self._config, self._loaded):
                    self._notifier.reloading()
                    log.info("reload: reading the configuration", extra=about(Event.RELOADING))
            self._notifier.stopping()
            self._finish()
        finally:
            self._observer.close()
            self._inbox.close()
            self._link.close()
            self._outbox.close()
        for failure in self._failures.values():
            raise failure

    def _step(self, timeout: float, *, retry_now: bool = False) -> None:
        items, ended = self._inbox.take(timeout), []
        begun = time.perf_counter()
        for item in items:
            if isinstance(item, Arrival):
                entry = self._entries.get(item.entry)
                if entry is not None:
                    entry.take(item)
            elif isinstance(item, LinkEvent):
                self._link.handle(item)
            elif isinstance(item, SourceEnded):
                ended.append(item)
            elif isinstance(item, AckReceived):
                self._acknowledge(item.payload)
            elif isinstance(item, ReloadResult):
                self._take_over(item)
        now = time.monotonic()
        for entry in self._entries.values():
            entry.due(now)
        for _, group in self._loaded.values():
            score(group)
        if items:
            self._rounds += 1
            self._observer.scored(time.perf_counter() - begun)
        self._tick()
        self._link.step()
        self._delivery.step(retry_now=retry_now)
        for item in ended:  # what it brought is scored, and its alerts are stored
            self._source_ended(item)
        self._status.tell(
            self._link,
            reasons=self._reasons(),
            counters=self._counters(),
            streams=lambda: [entry.describe() for entry in self._entries.values()],
        )
        self._observer.tell(self._link, self._entries.values())
        self._observer.step()
        self._watchdog.step()

    def _finish(self) -> None:
        """Close what is open, deliver what can be delivered, and say goodbye."""
        for source in self._sources.values():
            source.stop()
        self._inbox.close()
        self._step(0)
        while self._inbox.backlog:
            self._step(0)
        for entry in self._entries.values():
            entry.close_alerts("gateway stopped" if self._stopping else "source ended")
        self._summarise(flush=True)
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
        counters = self._counters()
        self._status.goodbye(
            self._link, reason="stopped" if self._stopping else "all sources ended", counters=counters
        )  # fmt: skip
        deadline = time.monotonic() + GOODBYE_S
        while self._link.unconfirmed and time.monotonic() < deadline:
            for item in self._inbox.take(TICK_S):
                if isinstance(item, LinkEvent):
                    self._link.handle(item)
        log.info("stopped: %s", json.dumps(counters), extra=about(Event.STOPPED, counters=counters))

    def _entry(self, number: int, config: StreamConfig, loaded: Loaded) -> StreamEntry:
        """Load the entry's bundle; entries with the same file share it, and their streams are scored together."""
        key = reload.key(config)
        if key not in loaded:
            bundle = bundles.read(config.bundle)
            loaded[key] = bundle, StreamGroup(bundle.manifest, bundle.load_model(package=self._config.interpreter))
        bundle, group = loaded[key]
        signal = bundle.manifest.signal
        check_fault_channels(config.faults, signal, stream=config.name)
        unsure = config.source.check(signal, f'stream "{config.name}": source')
        cap = self._cap
        if not config.source.live:  # its alerts are the same each time, so they are counted in their own time
            cap = self._own_caps[number] = AlertCap(self._config.max_alerts_per_hour)
        told = (config.name, bundle.manifest.name, bundle.manifest.version)
        log.info("stream %s: %s %s (unsigned)", *told, extra=about(Event.STREAM_LOADED, stream=config.name))
        entry = StreamEntry(
            config.name,
            bundle,
            group,
            policy=config.alert.apply(bundle.manifest.alert),
            max_devices=config.max_devices,
            max_payload_bytes=self._config.max_payload_bytes,
            on_alert=lambda device, at, alert: self._raise(bundle, device, at, alert),
            on_rejection=self._rejections.tell,
            watch=EntryWatch(
                config.name,
                signal,
                policy=config.faults,
                maintenance=self._config.maintenance,
                cap=cap,
                on_fault=lambda stream, at, fault: self._raise_fault(bundle, stream, at, fault),
                live=config.source.live,
            ),
            layout=config.source.layout,
            times=config.times,
        )
        for notice in unsure:
            entry.notice(notice)
        if config.source.live and config.source.single:
            entry.expect(time.time())
        return entry

    def _source(self, number: int, config: StreamConfig) -> Source:
        signal = self._entries[number].bundle.manifest.signal
        context = SourceContext(number, signal, self._inbox, self._link, self._config.max_payload_bytes)
        return SOURCES[config.kind][1](config.source, context)

    def _new_link(self) -> Link:
        config = self._config
        link = Link(config.mqtt, post=self._inbox.post, will=self._status.will(), session_expiry_s=SESSION_S)
        link.on_online = self._online
        link.subscribe(f"vedette/{config.gateway}/ack", self._ack_received, qos=1)
        return link

    def _source_ended(self, ended: SourceEnded) -> None:
        entry = self._entries.get(ended.entry)
        if entry is None:
            return  # removed meanwhile
        self._running.discard(ended.entry)
        entry.watch.ended()
        extra = about(Event.SOURCE_ENDED, stream=entry.name, samples=entry.samples)
        log.info("%s: the source has ended after %d samples", entry.name, entry.samples, extra=extra)
        if ended.error is not None:
            log.error("%s: %s", entry.name, ended.error, extra=about(Event.SOURCE_FAILED, stream=entry.name))
            self._failures[entry.name] = ended.error

    def _raise(self, bundle: Bundle, device: Device, at: float, alert: Alert) -> None:
        self._alerts_raised += 1
        self._observer.raised(device.name, at, alert)
        gateway = self._config.gateway
        event = alert_event(
            alert,
            time=at,
            gateway=gateway,
            stream=device.name,
            model=model_record(bundle),
            clock_synced=clock_synced(),
        )
        topic = f"vedette/{gateway}/alert/{device.name}"
        goes_on = alert.phase != "end"
        self._delivery.accept(
            OutgoingAlert(event["id"], topic, alert.severity, at, encode(event), alert.alert_id, goes_on)
        )
        extra = about(Event.ALERT, stream=device.name, phase=alert.phase, severity=alert.severity)
        log.info("%s: alert %s, severity %.2f", device.name, alert.phase, alert.severity, extra=extra)

    def _raise_fault(self, bundle: Bundle, stream: str, at: float, fault: Fault) -> None:
        self._faults_raised += 1
        gateway, model = self._config.gateway, model_record(bundle)
        event = fault_event(fault, time=at, gateway=gateway, stream=stream, model=model, clock_synced=clock_synced())
        topic = f"vedette/{gateway}/alert/{stream}"
        goes_on = fault.phase != "end"
        self._delivery.accept(
            OutgoingAlert(event["id"], topic, FAULT_SEVERITY, at, encode(event), fault.fault_id, goes_on)
        )
        extra = about(Event.FAULT, stream=stream, phase=fault.phase, kind=fault.kind)
        log.warning("%s: fault %s: %s: %s", stream, fault.phase, fault.kind, fault.reason or fault.detail, extra=extra)

    def _summarise(self, *, flush: bool = False) -> None:
        """Tell what the caps have held back, at most once in their interval."""
        for cap in (self._cap, *self._own_caps.values()):
            for found in cap.summaries(flush=flush):
                self._tell_suppressed(found)

    def _tell_suppressed(self, found: Suppressed) -> None:
        gateway, most = self._config.gateway, self._config.max_alerts_per_hour
        event = suppressed_event(found, gateway=gateway, max_per_hour=most, clock_synced=clock_synced())
        # As severe as the worst that it stands for: it must not be the first to go.
        alert = OutgoingAlert(event["id"], f"vedette/{gateway}/alert", found.worst_severity, found.end, encode(event))
        self._delivery.accept(alert)
        told = (found.alerts, found.faults)
        extra = about(Event.ALERTS_SUPPRESSED, alerts=found.alerts, faults=found.faults)
        log.warning("suppressed: %d alert(s) and %d fault(s), above %d an hour", *told, most, extra=extra)

    def _tick(self) -> None:
        """Let the time pass in which samples could come: not while some wait, nor while the broker is away."""
        now = time.monotonic()
        seconds, self._ticked = now - self._ticked, now
        for number, stream in self._streams.items():
            if not self._inbox.backlog and (self._link.online or stream.kind != "mqtt"):
                self._entries[number].watch.tick(seconds)
        self._summarise()

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

    def _reasons(self) -> list[str]:
        """Why the gateway is degraded; empty when it is not."""
        reasons = [f"stream {name}: {error}" for name, error in self._failures.items()]
        if self._delivery.storage_fault:
            reasons.append(self._delivery.storage_fault)
        if self._reload_failure:
            reasons.append(f"reload failed: {self._reload_failure}")
        reasons += [f"{part}: no progress" for part in self._watchdog.stalled]
        reasons += self._observer.faults
        for topics in (self._link.refused_topics, self._delivery.refusals):
            reasons += [f"{topic}: {reason}" for topic, reason in topics.items()]
        return reasons

    def _counters(self) -> dict[str, int]:
        """Totals since the start; ``alerts_dropped`` since the outbox was made."""
        return {
            "samples": self._retired["samples"] + sum(entry.samples for entry in self._entries.values()),
            "rejected": self._retired["rejected"] + sum(entry.rejected for entry in self._entries.values()),
            "alerts_raised": self._alerts_raised,
            "faults_raised": self._faults_raised,
            "alerts_suppressed": self._retired["suppressed"]
            + sum(cap.suppressed for cap in (self._cap, *self._own_caps.values())),
            "alerts_confirmed": self._delivery.confirmed,
            "alerts_acknowledged": self._delivery.acknowledged,
            "alerts_pending": self._delivery.pending,
            "alerts_dropped": self._delivery.dropped,
            "publishes_refused": self._delivery.refused,
            "input_overflow": self._inbox.overflow,
            "connections": self._link.connections,
        }

    def _signs(self) -> Iterator[Sign]:
        """How each part gets on, for the watchdog."""
        yield Sign("scoring", self._rounds, self._inbox.backlog > 0)
        for number in sorted(self._running):
            sign = self._sources[number].sign(self._streams[number].name)
            if sign is not None:
                yield sign
        yield self._delivery.sign
        yield self._link.sign

    def _view(self) -> View:
        """What a snapshot is made of."""
        return View(
            entries=list(self._entries.values()),
            link=self._link,
            reasons=self._reasons(),
            counters=self._counters(),
            parts=self._watchdog.parts,
            waiting=self._inbox.backlog,
            outbox_max_bytes=self._config.outbox_max_bytes,
        )

    def _summary(self) -> str:
        """One line for ``systemctl status``."""
        broker = "connected" if self._link.online else "not connected"
        text = f"streams: {len(self._entries)}; broker: {broker}; alerts pending: {self._delivery.pending}"
        reasons = self._reasons()
        return f"degraded: {reasons[0]}; {text}" if reasons else text

    def _take_over(self, result: ReloadResult) -> None:
        """The new configuration is complete and good, or the running one stays."""
        self._reloader.done()
        if self._stopping or not self._running:
            return
        if result.config is None:
            self._reload_failure = result.failure
            extra = about(Event.RELOAD_FAILED)
            log.error("reload failed, the running configuration stays: %s", result.failure, extra=extra)
            self._notifier.ready(self._summary())
            return
        self._reload_failure = None
        self._switch(result.config, result.loaded)
        self._observer.reloads += 1
        self._status.connected()  # the streams that it names may be others now
        self._notifier.ready(self._summary())

    def _switch(self, new: GatewayConfig, loaded: Loaded) -> None:
        """Change what differs from the running configuration, and nothing else."""
        old, self._config, self._loaded = self._config, new, loaded
        running = {number: Running(stream, self._entries[number].bundle) for number, stream in self._streams.items()}
        plan = reload.plan(running, [Running(stream, loaded[reload.key(stream)][0]) for stream in new.streams])
        for number in plan.kept:
            self._entries[number].watch.maintain(new.maintenance)
        for number, reason in plan.removed.items():
            self._retire(number, reason)
            self._sources.pop(number).stop()
            self._running.discard(number)
            self._failures.pop(self._streams.pop(number).name, None)
        for number, place in plan.replaced.items():
            self._retire(number, "stream changed")
            self._streams[number] = new.streams[place]
            self._entries[number] = self._entry(number, new.streams[place], loaded)
        fresh = []
        if new.mqtt != old.mqtt:
            self._move_link()
            fresh += [number for number, stream in self._streams.items() if stream.kind == "mqtt"]
        for place in plan.added:
            number, self._next_number = self._next_number, self._next_number + 1
            self._streams[number] = new.streams[place]
            self._entries[number] = self._entry(number, new.streams[place], loaded)
            fresh.append(number)
        for number in fresh:
            self._sources[number] = self._source(number, self._streams[number])
            self._running.add(number)
            self._sources[number].start()
        self._observer.configure(new.observe)
        counts = [len(part) for part in (plan.kept, plan.replaced, plan.removed, plan.added)]
        log.info(
            "reloaded: stream entries unchanged: %d, changed: %d, removed: %d, new: %d",
            *counts,
            extra=about(Event.RELOADED),
        )

    def _retire(self, number: int, reason: str) -> None:
        """Let go of an entry: its open alerts end, what it counted stays counted."""
        entry = self._entries.pop(number)
        entry.close_alerts(reason)
        entry.leave()
        self._retired.update(samples=entry.samples, rejected=entry.rejected)
        cap = self._own_caps.pop(number, None)
        if cap:
            for found in cap.summaries(flush=True):
                self._tell_suppressed(found)
            self._retired.update(suppressed=cap.suppressed)

    def _move_link(self) -> None:
        """The broker's settings have changed: leave, and connect as they say now."""
        self._status.goodbye(self._link, reason="the broker's settings change", counters=self._counters())
        self._link.close()
        self._status.connected()
        self._link = self._new_link()
        self._delivery.use(self._link)
