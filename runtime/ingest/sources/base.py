"""What every source is and gives."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

from vedette.errors import DataError
from vedette.runtime.detection.signal import SignalSpec
from vedette.runtime.ingest.clock import SteadyClock
from vedette.runtime.ingest.inbox import Inbox
from vedette.runtime.ingest.layout import Layout
from vedette.runtime.ingest.relayed import Relayed
from vedette.runtime.ingest.samples import Sample
from vedette.runtime.ingest.stream_checks import Units, check_units
from vedette.runtime.json_keys import Keys
from vedette.runtime.mqtt.link import Link
from vedette.runtime.watchdog import Sign


class Notice(NamedTuple):
    """Something to tell about the stream that is no reason to reject its samples."""

    text: str


class Arrival(NamedTuple):
    """Something that a source brought: a payload to read, a sample read already, or why there is none.

    A device that scores by itself brings no samples but what it has found.

    ``entry`` is the number of the stream entry, ``device`` the device where one entry has many, ``time`` the wall
    clock at arrival.
    """

    entry: int
    device: str | None
    content: bytes | Sample | DataError | Notice | Relayed
    time: float


class SourceEnded(NamedTuple):
    """A finite source has nothing more; ``error`` says why, where that was not its proper end."""

    entry: int
    error: DataError | None


@dataclass(frozen=True, kw_only=True)
class SourceConfig(ABC):
    """The ``source`` table of one stream entry.

    ``layout`` says how its payloads are laid out, where they are not as vedette writes them; ``units`` are those that
    its channels come in, where that is said. ``relay`` says that the device scores by itself.
    """

    keys: ClassVar[tuple[str, ...]]
    layout: Layout | None = None
    units: Units = ()
    relay: bool = False

    @property
    def live(self) -> bool:
        """Whether samples come at the pace of their times, so that silence means something, and a clock that was set
        can be told from old samples."""
        return True

    @property
    def single(self) -> bool:
        """Whether it is for one stream, which should be there from the start."""
        return self.layout is None or self.layout.device is None

    @property
    def sole(self) -> str | None:
        """What only one stream can read, if this is such."""
        return None

    @classmethod
    @abstractmethod
    def from_keys(cls, keys: Keys, folder: Path) -> SourceConfig:
        """Read the table; relative paths are relative to ``folder``. Raises :class:`ConfigError`."""

    @property
    def current(self) -> bool:
        """Whether samples come at the time that they are of, so that none can be of the future."""
        return False

    def check(self, signal: SignalSpec, where: str) -> list[str]:
        """Compare the table with the bundle's signal; returns what cannot be compared.

        ``where`` names the stream. Raises :class:`ConfigError` for a channel that the bundle does not have, and for
        another unit than the bundle's.
        """
        if self.layout is not None:
            self.layout.check(signal, where)
        return check_units(self.units, signal, where)


@dataclass(frozen=True)
class SourceContext:
    """What a source works with: its entry's number and signal, the way to the main thread, the broker, size caps."""

    entry: int
    signal: SignalSpec
    inbox: Inbox
    link: Link
    max_payload_bytes: int


class Source(ABC):
    """Brings samples into the inbox from a thread that is not the main one."""

    finite: ClassVar[bool]

    @abstractmethod
    def __init__(self, config: SourceConfig, context: SourceContext) -> None: ...

    @abstractmethod
    def start(self) -> None:
        """Begin to bring samples."""

    @abstractmethod
    def stop(self) -> None:
        """Bring no more samples; returns at once."""

    def sign(self, name: str) -> Sign | None:
        """How its own thread gets on; None where it has none. ``name`` is the stream entry's."""
        return None


class ThreadSource(Source):
    """A source that is read by a thread of its own."""

    def __init__(self, context: SourceContext) -> None:
        self.context = context
        self.now = SteadyClock().now
        self.stopping = threading.Event()
        self.turns = 0
        self.ended = False

    def start(self) -> None:
        """Begin to read."""
        threading.Thread(target=self._run, name=f"source-{self.context.entry}", daemon=True).start()

    def stop(self) -> None:
        """Stop reading soon."""
        self.stopping.set()

    @abstractmethod
    def read(self) -> None:
        """Read to the end, if there is one, or until ``stopping`` is set. Raises :class:`DataError`."""

    def turn(self) -> bool:
        """Show that the thread is well, at least every second; False once it is to stop."""
        self.turns += 1
        return not self.stopping.is_set()

    def pause(self, seconds: float) -> None:
        """Wait, until it is to stop at the latest."""
        deadline = time.monotonic() + seconds
        while self.turn() and (left := deadline - time.monotonic()) > 0:
            self.stopping.wait(min(left, 0.5))

    def sign(self, name: str) -> Sign | None:
        """Its turns; a source that waits for room in the inbox has nothing to do."""
        return Sign(f"ingest {name}", self.turns, not (self.ended or self.context.inbox.full))

    def _run(self) -> None:
        failure: DataError | None = None
        try:
            self.read()
        except DataError as error:
            failure = error
        except Exception as error:  # a thread must not end unseen
            failure = DataError(f"the source failed: {type(error).__name__}: {error}")
        self.ended = True
        self.context.inbox.put_last(SourceEnded(self.context.entry, failure))


class FiniteSource(ThreadSource):
    """A source with an end, whose thread waits while the inbox is full."""

    finite = True
