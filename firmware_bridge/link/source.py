"""Samples or alerts from a microcontroller: ``source = { serial = "/dev/ttyACM0", baud = 115200, relay = false }``."""

from __future__ import annotations

import logging
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from vedette.errors import ConfigError, DataError, DependencyError
from vedette.firmware_bridge.link.columns import Columns, MismatchError
from vedette.firmware_bridge.link.port import PortLostError, SerialPort, require_pyserial
from vedette.firmware_bridge.link.relay import Relay, StepKey
from vedette.firmware_bridge.link.session import (
    Complaint,
    Ready,
    Rows,
    Scored,
    Session,
    SessionEvent,
    Step,
    Told,
)
from vedette.runtime.detection.detector import SampleRejectedError
from vedette.runtime.events import Event, about
from vedette.runtime.ingest.relayed import Relayed
from vedette.runtime.ingest.samples import Sample
from vedette.runtime.ingest.sources.base import Arrival, Notice, Source, SourceConfig, SourceContext, ThreadSource
from vedette.runtime.ingest.stream_checks import read_units
from vedette.runtime.json_keys import Keys

log = logging.getLogger(__name__)

DEFAULT_BAUD = 115_200
LOSSES_EVERY_S = 10.0
_SAMPLE_BYTES, _VALUE_BYTES = 64, 8


@dataclass(frozen=True)
class SerialConfig(SourceConfig):
    """``path`` is the port's device file; ``relay`` says that the device scores and its alerts are passed on."""

    path: str
    baud: int
    keys = ("baud", "relay", "units")

    @property
    def current(self) -> bool:
        """Samples come when they are measured."""
        return True

    @property
    def sole(self) -> str | None:
        """Of two readers, each would get a part of the bytes."""
        return self.path

    @classmethod
    def from_keys(cls, keys: Keys, folder: Path) -> SerialConfig:
        """Read the table. Raises :class:`ConfigError`."""
        path = keys.text("serial")
        if not path or not path.isprintable():
            raise ConfigError(f'{keys.where}: serial: expected a port such as "/dev/ttyACM0", found {path[:60]!r}')
        baud = keys.optional("baud", lambda key: keys.integer(key, low=300, high=12_000_000)) or DEFAULT_BAUD
        relay = keys.optional("relay", lambda key: keys.get(key, bool)) or False
        try:
            require_pyserial()
        except DependencyError as error:
            raise ConfigError(f"{keys.where}: {error}") from None
        return cls(str(folder / path), baud, units=read_units(keys), relay=relay)


class SerialSource(ThreadSource):
    """Reads a port that may come and go. What does not fit into the inbox is counted and lost, as from a broker."""

    finite = False

    def __init__(self, config: SourceConfig, context: SourceContext) -> None:
        assert isinstance(config, SerialConfig)
        super().__init__(context)
        self._config = config
        self._columns: Columns | None = None
        self._refusal: MismatchError | None = None
        self._relay = Relay() if config.relay else None
        self._stored: deque[StepKey] = deque()  # filled by the main thread
        self._lost_told: str | None = None
        self._losses, self._losses_at = (0, 0), 0.0

    def read(self) -> None:
        """Read until it is to stop."""
        port = SerialPort(self._config.path, self._config.baud)
        session = Session(time.monotonic())
        try:
            while self.turn():
                try:
                    if port.is_open:
                        self._exchange(port, session)
                    elif port.open():
                        session = self._opened()
                    else:
                        self.stopping.wait(0.1)
                except PortLostError as error:
                    self._lost(str(error))
        finally:
            port.close()

    def _exchange(self, port: SerialPort, session: Session) -> None:
        """Take what has come, and send what is due."""
        data = port.read()
        now = time.monotonic()
        to_wall = self.now() - now
        for event in session.receive(data, now):
            self._take(event, to_wall)
        self._tell_losses(session, now)
        while self._stored:
            key = self._stored.popleft()
            if self._relay is not None and self._relay.done(key):
                session.acknowledge(key.incident, key.step)
        out = session.to_send(now)
        if out:
            port.write(out)

    def _opened(self) -> Session:
        self._lost_told = None
        self._losses = (0, 0)
        path, baud = self._config.path, self._config.baud
        log.info("%s: open at %d baud", path, baud, extra=about(Event.SERIAL_OPENED, port=path))
        return Session(time.monotonic())

    def _lost(self, reason: str) -> None:
        """Tell it once until the port is open again."""
        if reason != self._lost_told:
            self._lost_told = reason
            extra = about(Event.SERIAL_LOST, port=self._config.path, reason=reason)
            log.warning("%s: %s; it is tried again", self._config.path, reason, extra=extra)

    def _take(self, event: SessionEvent, to_wall: float) -> None:
        if isinstance(event, Ready):
            self._greet(event, to_wall)
        elif isinstance(event, Told):
            extra = about(Event.SERIAL_LOG, port=self._config.path)
            log.log(event.log.level, "%s: %s", self._config.path, event.log.text, extra=extra)
        elif isinstance(event, Complaint):
            text = f"{self._config.path}: {event.text}"
            self._offer(SampleRejectedError(text) if event.rejected else Notice(text), to_wall)
        elif self._refusal is not None:
            self._offer(self._refusal, to_wall)
        elif isinstance(event, Rows) and self._columns is not None:
            for moment, values in zip(event.times, self._columns.arrange(event.values), strict=True):
                self._offer(Sample(moment + to_wall, values), to_wall)
        elif isinstance(event, Scored) and self._relay is not None:
            self._offer(self._relay.score(event, to_wall), to_wall)
        elif isinstance(event, Step) and self._relay is not None:
            step = self._relay.step(event, to_wall, self._stored.append)
            if step is not None:
                self._offer(step, to_wall)

    def _greet(self, ready: Ready, to_wall: float) -> None:
        """Compare what the device says of itself with the bundle."""
        hello, signal = ready.device.hello, self.context.signal
        model = f"{hello.model} {hello.model_version}".strip()
        extra = about(Event.SERIAL_DEVICE, port=self._config.path, device=hello.device, model=model)
        told = (self._config.path, hello.device, hello.firmware, hello.channels)
        log.info("%s: %s (%s), channels: %d", *told, extra=extra)
        self._columns = self._refusal = None
        try:
            if self._relay is not None:
                self._offer(self._relay.greet(ready.device), to_wall)
            else:
                self._columns = Columns(ready.device.channels, signal)
                for notice in self._columns.notices:
                    self._offer(Notice(notice), to_wall)
        except MismatchError as error:
            self._refusal = error
            self._offer(error, to_wall)

    def _offer(self, content: Sample | DataError | Notice | Relayed, to_wall: float) -> None:
        size = _SAMPLE_BYTES + _VALUE_BYTES * (len(content.values) if isinstance(content, Sample) else 0)
        self.context.inbox.offer(Arrival(self.context.entry, None, content, time.monotonic() + to_wall), size)

    def _tell_losses(self, session: Session, now: float) -> None:
        counts = session.decoder.counts
        losses = counts.lost, counts.damaged + counts.oversized
        if losses == self._losses or now < self._losses_at:
            return
        lost, damaged = losses[0] - self._losses[0], losses[1] - self._losses[1]
        self._losses, self._losses_at = losses, now + LOSSES_EVERY_S
        extra = about(Event.SERIAL_LOSSES, port=self._config.path, lost=lost, damaged=damaged)
        log.warning("%s: frames lost: %d, damaged: %d", self._config.path, lost, damaged, extra=extra)


KIND: tuple[type[SourceConfig], type[Source]] = (SerialConfig, SerialSource)
