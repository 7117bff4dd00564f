"""Everything that sees into the daemon, behind the few calls that the daemon makes."""

from __future__ import annotations

import logging
import math
import os
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vedette import __version__
from vedette.runtime.alerting.alerts import Alert
from vedette.runtime.config.observe_settings import Listen, ObserveConfig
from vedette.runtime.delivery.cloudevents import clock_synced
from vedette.runtime.events import Event, about
from vedette.runtime.mqtt.link import BLIND_311, Link
from vedette.runtime.observe import prometheus
from vedette.runtime.observe.home_assistant import HomeAssistant
from vedette.runtime.observe.snapshot import AlertStep, Board, Connection, Scoring, Snapshot, StreamView
from vedette.runtime.observe.status_socket import StatusSocket, socket_paths
from vedette.runtime.observe.textfile import TextfileWriter
from vedette.runtime.streams.entry import StreamEntry
from vedette.runtime.times import iso_time
from vedette.runtime.watchdog import PartState

if TYPE_CHECKING:
    from vedette.runtime.observe.web import Answer, WebServer

log = logging.getLogger(__name__)

# Steps of alerts that a snapshot remembers.
MAX_RECENT = 30


@dataclass(frozen=True)
class View:
    """What the daemon shows when a snapshot is made."""

    entries: Sequence[StreamEntry]
    link: Link
    reasons: list[str]
    counters: dict[str, int]
    parts: tuple[PartState, ...]
    waiting: int
    outbox_max_bytes: int


class Observer:
    """Snapshots on demand, and those who show them. All methods are called on the scoring thread and do not block."""

    def __init__(self, gateway: str, outbox: Path, view: Callable[[], View]) -> None:
        """``outbox`` is the outbox's path. Nothing is shown before :meth:`configure`."""
        self._gateway, self._outbox, self._view = gateway, outbox, view
        self._board = Board()
        self._began, self._started = time.monotonic(), iso_time(time.time())
        self._seconds, self._longest = 0.0, 0.0
        self._alert_steps = {"new": 0, "update": 0, "end": 0}
        self._recent: deque[AlertStep] = deque(maxlen=MAX_RECENT)
        self._config = ObserveConfig()
        self._home_assistant = HomeAssistant(gateway, outbox.with_name(outbox.name + ".home_assistant"))
        self._socket: StatusSocket | None = None
        self._textfile: TextfileWriter | None = None
        self._servers: list[WebServer] = []
        self._faults: list[str] = []
        self.reloads = 0

    @property
    def faults(self) -> list[str]:
        """What of this does not work; the gateway does."""
        written = self._textfile.fault if self._textfile else None
        return [*self._faults, written] if written else self._faults

    def configure(self, config: ObserveConfig) -> None:
        """Show what the configuration asks for, and no more."""
        old, self._config = self._config, config
        if self._socket is None:
            self._board.leave(self._snapshot())
            self._open_socket(config)
        if (config.textfile, config.every_s) != (old.textfile, old.every_s):
            if self._textfile:
                self._textfile.close()
            self._textfile = TextfileWriter(config.textfile, config.every_s, self._board) if config.textfile else None
        if (config.metrics, config.page) != (old.metrics, old.page) or self._faults:
            self._open_servers(config)

    def step(self) -> None:
        """At the end of a round: make a snapshot if somebody waits for one."""
        if self._board.wanted(time.monotonic()):
            self._board.leave(self._snapshot())

    def tell(self, link: Link, entries: Collection[StreamEntry]) -> None:
        """At the end of a round: tell Home Assistant what is new, where it is to know."""
        if self._home_assistant.due(self._config.prefix):
            names = {entry.name for entry in entries}
            self._home_assistant.step(link, self._config.prefix, list(_views(entries, time.monotonic())), names)

    def connected(self) -> None:
        """The connection to the broker is new."""
        self._home_assistant.connected()

    def scored(self, seconds: float) -> None:
        """A round took that long."""
        self._seconds += seconds
        self._longest = max(self._longest, seconds)

    def raised(self, stream: str, time: float, alert: Alert) -> None:
        """A step of an alert."""
        self._alert_steps[alert.phase] += 1
        self._recent.appendleft(AlertStep(stream, time, alert))

    def close(self) -> None:
        """Show nothing more."""
        for server in self._servers:
            server.close()
        self._servers = []
        for part in (self._textfile, self._socket):
            if part is not None:
                part.close()
        self._textfile = self._socket = None

    def _open_socket(self, config: ObserveConfig) -> None:
        """The first place that works; without any, ``vedette status`` has nobody to ask, and the gateway goes on."""
        failures = []
        for path in socket_paths(self._gateway, self._outbox, config.socket, os.environ):
            try:
                self._socket = StatusSocket(path, self._board)
                return
            except OSError as error:
                failures.append(f"{path}: {error.strerror}")
        extra = about(Event.OBSERVE_FAILED)
        log.warning("`vedette status` will not work: %s", "; ".join(failures), extra=extra)

    def _open_servers(self, config: ObserveConfig) -> None:
        for server in self._servers:
            server.close()
        self._servers, self._faults = [], []
        if config.metrics is None and config.page is None:
            return
        # Only where something is served: the standard library's HTTP server takes 2.5 MiB.
        from vedette.runtime.observe import page
        from vedette.runtime.observe.web import WebServer

        routes: dict[str, tuple[Listen, dict[str, Callable[[], Answer]]]] = {}
        for listen, more in ((config.metrics, {"/metrics": self._metrics}), (config.page, page.routes(self._board))):
            if listen is not None:
                routes.setdefault(str(listen), (listen, {}))[1].update(more)
        for listen, paths in routes.values():
            try:
                self._servers.append(WebServer(listen, paths))
            except OSError as error:
                fault = f"http://{listen}: cannot listen: {error.strerror}"
                log.error("%s", fault, extra=about(Event.OBSERVE_FAILED))
                self._faults.append(fault)

    def _metrics(self) -> Answer:
        """A web thread asks."""
        from vedette.runtime.observe.web import Answer

        snapshot = self._board.take()
        body = None if snapshot is None else prometheus.text(snapshot).encode()
        return Answer(prometheus.CONTENT_TYPE, body)

    def _snapshot(self) -> Snapshot:
        now, view = time.monotonic(), self._view()
        longest, self._longest = self._longest, 0.0
        link = view.link
        blind = BLIND_311 if link.version == "3.1.1" else None
        return Snapshot(
            gateway=self._gateway,
            version=__version__,
            started=self._started,
            time=time.time(),
            made=now,
            uptime_s=now - self._began,
            clock_synced=clock_synced(),
            reasons=tuple(view.reasons),
            connection=Connection(link.online, link.config.address, link.version, blind),
            outbox_path=self._outbox,
            outbox_max_bytes=view.outbox_max_bytes,
            counters=view.counters,
            alert_steps=dict(self._alert_steps),
            scoring=Scoring(self._seconds, longest, view.waiting),
            parts=view.parts,
            reloads=self.reloads,
            entries=tuple(entry.describe() for entry in view.entries),
            streams=tuple(_views(view.entries, now)),
            recent=tuple(self._recent),
        )


def _views(entries: Iterable[StreamEntry], now: float) -> Iterable[StreamView]:
    for entry in entries:
        model = f"{entry.bundle.manifest.name} {entry.bundle.manifest.version}"
        for device in entry.devices:
            stream = device.stream
            yield StreamView(
                name=device.name,
                entry=entry.name,
                model=model,
                score=None if math.isnan(stream.score) else stream.score,
                threshold=entry.bundle.manifest.threshold,
                age_s=None if device.arrived is None else max(0.0, now - device.arrived),
                alert=stream.alerts.active,
                faults=tuple(fault.kind for fault in device.watch.open_faults),
                maintenance=device.watch.in_maintenance,
            )
