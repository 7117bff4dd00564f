"""The stream table: the entries of the configuration with their bundles and sources, and how a reload changes them."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from vedette.errors import DataError
from vedette.runtime.alerting.alert_cap import AlertCap
from vedette.runtime.alerting.watch import EntryWatch
from vedette.runtime.bundles import bundle as bundles
from vedette.runtime.config.gateway import GatewayConfig, StreamConfig
from vedette.runtime.daemon import reload
from vedette.runtime.daemon.announcer import Announcer
from vedette.runtime.daemon.reload import Loaded, Plan, Running
from vedette.runtime.events import Event, about
from vedette.runtime.ingest.inbox import Inbox
from vedette.runtime.ingest.sources import source_kind
from vedette.runtime.ingest.sources.base import Arrival, Source, SourceContext, SourceEnded
from vedette.runtime.mqtt.link import Link
from vedette.runtime.streams.entry import StreamEntry, score
from vedette.runtime.streams.stream import StreamGroup
from vedette.runtime.watchdog import Sign

log = logging.getLogger(__name__)


@dataclass
class _Row:
    """One ``[[stream]]`` that runs. ``ended`` once its source has nothing more."""

    config: StreamConfig
    entry: StreamEntry
    cap: AlertCap
    source: Source | None = None
    ended: bool = False


class StreamTable:
    """The entries that run, by numbers that are never used again, since samples on their way carry them."""

    def __init__(
        self,
        config: GatewayConfig,
        *,
        inbox: Inbox,
        announcer: Announcer,
        on_rejection: Callable[[str, DataError], None],
    ) -> None:
        """Load all bundles; the sources come with :meth:`connect`. Raises :class:`VedetteError`."""
        self.failures: dict[str, DataError] = {}
        self.loaded: Loaded = {}
        self._config, self._inbox, self._announcer, self._on_rejection = config, inbox, announcer, on_rejection
        self._link: Link | None = None
        self._retired: Counter[str] = Counter()
        self._rows = {number: self._row(stream) for number, stream in enumerate(config.streams)}
        self._next_number = len(self._rows)

    @property
    def entries(self) -> list[StreamEntry]:
        """All entries, in the order in which they came."""
        return [self._rows[number].entry for number in sorted(self._rows)]

    @property
    def running(self) -> bool:
        """Whether any source may bring more."""
        return not all(row.ended for row in self._rows.values())

    @property
    def samples(self) -> int:
        """Samples scored since the start."""
        return self._retired["samples"] + sum(row.entry.samples for row in self._rows.values())

    @property
    def rejected(self) -> int:
        """Samples and payloads that could not be used since the start."""
        return self._retired["rejected"] + sum(row.entry.rejected for row in self._rows.values())

    def connect(self, link: Link) -> None:
        """Make the sources; those over MQTT use ``link``."""
        self._link = link
        for number in self._rows:
            self._connect(number)

    def start(self) -> None:
        """Let the sources begin."""
        for row in self._rows.values():
            if row.source is not None:
                row.source.start()

    def stop(self) -> None:
        """Let the sources bring no more."""
        for row in self._rows.values():
            if row.source is not None:
                row.source.stop()

    def take(self, arrival: Arrival) -> None:
        """Offer what arrived to its entry; one that was removed meanwhile takes nothing."""
        row = self._rows.get(arrival.entry)
        if row is not None:
            row.entry.take(arrival)

    def score(self) -> None:
        """Score what waits, and what has waited long enough for earlier samples."""
        now = time.monotonic()
        for row in self._rows.values():
            row.entry.due(now)
        for _, group in self.loaded.values():
            score(group)

    def tick(self, seconds: float) -> None:
        """So many seconds have passed in which samples could come: not while some wait, nor while the broker is
        away."""
        if self._inbox.backlog:
            return
        online = self._link is not None and self._link.online
        for row in self._rows.values():
            if online or row.config.kind != "mqtt":
                row.entry.watch.tick(seconds)

    def source_ended(self, ended: SourceEnded) -> None:
        """A source has nothing more, and what it brought is scored."""
        row = self._rows.get(ended.entry)
        if row is None:
            return  # removed meanwhile
        entry, row.ended = row.entry, True
        entry.watch.ended()
        extra = about(Event.SOURCE_ENDED, stream=entry.name, samples=entry.samples)
        log.info("%s: the source has ended after %d samples", entry.name, entry.samples, extra=extra)
        if ended.error is not None:
            log.error("%s: %s", entry.name, ended.error, extra=about(Event.SOURCE_FAILED, stream=entry.name))
            self.failures[entry.name] = ended.error

    def close_alerts(self, reason: str) -> None:
        """Score what still waits, and end all open incidents and faults, with that reason."""
        for row in self._rows.values():
            row.entry.close_alerts(reason)

    def signs(self) -> Iterator[Sign]:
        """How the sources get on."""
        for row in self._rows.values():
            sign = None if row.ended or row.source is None else row.source.sign(row.config.name)
            if sign is not None:
                yield sign

    def switch(self, new: GatewayConfig, loaded: Loaded, link: Link) -> Plan:
        """Change what differs from the running configuration, and nothing else; returns what that was.

        Where ``link`` is another one than before, the sources over MQTT move to it.
        """
        moved, self._link = link is not self._link, link
        self._config, self.loaded = new, loaded
        running = {number: Running(row.config, row.entry.bundle) for number, row in self._rows.items()}
        plan = reload.plan(running, [Running(stream, loaded[reload.key(stream)][0]) for stream in new.streams])
        for number in plan.kept:
            self._rows[number].entry.watch.maintain(new.maintenance)
        for number, reason in plan.removed.items():
            row = self._retire(number, reason)
            if row.source is not None:
                row.source.stop()
            self.failures.pop(row.config.name, None)
        fresh = []
        for number, place in plan.replaced.items():
            old = self._retire(number, "stream changed")
            self._rows[number] = row = self._row(new.streams[place])
            row.source, row.ended = old.source, old.ended
            if old.ended:
                row.entry.watch.ended()
        if moved:
            fresh += [number for number, row in self._rows.items() if row.config.kind == "mqtt"]
        for place in plan.added:
            self._rows[self._next_number] = self._row(new.streams[place])
            fresh.append(self._next_number)
            self._next_number += 1
        for number in fresh:
            self._connect(number).start()
        return plan

    def _row(self, config: StreamConfig) -> _Row:
        """Load the entry's bundle; entries with the same file share it, and their streams are scored together."""
        key = reload.key(config)
        if key not in self.loaded:
            bundle = bundles.read(config.bundle)
            model = bundle.load_model(package=self._config.interpreter)
            self.loaded[key] = bundle, StreamGroup(bundle.manifest, model)
        bundle, group = self.loaded[key]
        signal = bundle.manifest.signal
        unsure = config.check(signal)
        told = (config.name, bundle.manifest.name, bundle.manifest.version)
        log.info("stream %s: %s %s (unsigned)", *told, extra=about(Event.STREAM_LOADED, stream=config.name))
        announcer, cap = self._announcer, self._announcer.cap(live=config.source.live)
        entry = StreamEntry(
            config.name,
            bundle,
            group,
            policy=config.alert.apply(bundle.manifest.alert),
            max_devices=config.max_devices,
            max_payload_bytes=self._config.max_payload_bytes,
            on_alert=lambda device, at, alert: announcer.alert(bundle, device.name, at, alert, model=device.model),
            on_rejection=self._on_rejection,
            watch=EntryWatch(
                config.name,
                signal,
                policy=config.faults,
                maintenance=self._config.maintenance,
                cap=cap,
                on_fault=lambda stream, at, fault: announcer.fault(bundle, stream, at, fault),
                live=config.source.live,
            ),
            layout=config.source.layout,
            times=config.times,
            relay=config.source.relay,
            when_stored=announcer.when_stored,
        )
        for notice in unsure:
            entry.notice(notice)
        if config.source.live and config.source.single:
            entry.expect(time.time())
        return _Row(config, entry, cap)

    def _connect(self, number: int) -> Source:
        assert self._link is not None
        row = self._rows[number]
        signal = row.entry.bundle.manifest.signal
        context = SourceContext(number, signal, self._inbox, self._link, self._config.max_payload_bytes)
        row.source = source_kind(row.config.kind)[1](row.config.source, context)
        row.ended = False
        return row.source

    def _retire(self, number: int, reason: str) -> _Row:
        """Let go of an entry: its open alerts end, what it counted stays counted."""
        row = self._rows.pop(number)
        row.entry.close_alerts(reason)
        row.entry.leave()
        self._retired.update(samples=row.entry.samples, rejected=row.entry.rejected)
        self._announcer.retire(row.cap)
        return row
