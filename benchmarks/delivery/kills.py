"""Random SIGKILLs of gateway, broker and consumer, while incidents are fed to the gateway."""

from __future__ import annotations

import json
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vedette.benchmarks.delivery.ledger import Ledger, Verdict
from vedette.benchmarks.delivery.parts import Part, broker, consumer, gateway, wait_for_port
from vedette.errors import VedetteError
from vedette.runtime.times import iso_time

FIRST_START_S = 1_000_000_000.0
INCIDENT_S = 30.0
# Samples of one incident, a second apart: normal, anomalous (new), worse (update), normal again (end).
VALUES = (1.0,) * 5 + (5.0, 5.0, 9.0) + (1.0,) * 5
CHANNELS = ("x", "y", "z")
# The second anomalous sample opens the incident; it begins with the first.
_START_OFFSET_S = 5.0
# Incidents on their way into the gateway at most: fewer than its input buffers hold, so feeding never blocks.
_AHEAD = 30
_MOST_SAMPLES = 16
# This part of the kills does not wait until the last one's victim is up again.
_AT_ONCE = 0.2
_STALL_S = 120.0
_TICK_S = 0.005
_TARGETS = ("gateway",) * 2 + ("broker", "consumer")


@dataclass
class KillRun:
    """A finished run."""

    seed: int
    kills: dict[str, int]
    seconds: float
    verdict: Verdict


class Feeder:
    """Feeds incidents, each once, to whichever life the gateway is in, and follows its log.

    A random number of samples at a time, so that the gateway commits, and is killed, within incidents too.
    """

    def __init__(self, part: Part, log: Path, ledger: Ledger, rng: random.Random) -> None:
        self._part, self._log, self._ledger, self._rng = part, log, ledger, rng
        self._offset = 0
        self._number = 0
        self._ended = 0
        self._samples: deque[bytes] = deque()

    def start(self) -> None:
        """Begin a life of the gateway. The rest of the incident that the last life was fed is left out."""
        self.follow()
        self._part.start()
        self._ledger.lives.append([])
        self._samples.clear()
        self._ended = 0

    def step(self) -> None:
        """Feed what may be fed, take in what the log says."""
        self.follow()
        if not self._samples and len(self._ledger.lives[-1]) - self._ended < _AHEAD:
            begin = FIRST_START_S + INCIDENT_S * self._number
            self._number += 1
            self._ledger.lives[-1].append(iso_time(begin + _START_OFFSET_S))
            for place, value in enumerate(VALUES):
                sample = {"time": begin + place, **dict.fromkeys(CHANNELS, value)}
                self._samples.append(json.dumps(sample).encode() + b"\n")
        count = min(self._rng.randint(1, _MOST_SAMPLES), len(self._samples))
        self._part.feed(b"".join(self._samples.popleft() for _ in range(count)))

    def follow(self) -> None:
        """Read the new whole lines of the log."""
        if not self._log.exists():
            return
        with self._log.open("rb") as log:
            log.seek(self._offset)
            data = log.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        text = whole.decode(errors="replace")
        self._ended += text.count(": alert end,")
        self._ledger.read_log(text)


def run_kills(
    folder: Path,
    bundle: Path,
    *,
    kills: int,
    alerts: int,
    seed: int,
    tell: Callable[[int, int], None] = lambda kills, alerts: None,
) -> KillRun:
    """Kill ``kills`` times while at least ``alerts`` alerts are committed; ``tell`` hears of the progress."""
    began = time.monotonic()
    rng = random.Random(seed)
    ledger = Ledger()
    server, port = broker(folder)
    parts = {"broker": server, "gateway": gateway(folder, bundle, port), "consumer": consumer(folder, port)}
    # With a generator of its own: how often it feeds depends on the machine, and the kills are to depend on the seed.
    feeder = Feeder(parts["gateway"], folder / "gateway.log", ledger, random.Random(f"fed {seed}"))
    counts = dict.fromkeys(parts, 0)
    received = folder / "received.jsonl"
    try:
        server.start()
        wait_for_port(port)
        parts["consumer"].start()
        feeder.start()
        for kill in range(kills):
            if rng.random() >= _AT_ONCE:
                _feed_until(feeder, ledger, alerts * (kill + 1) // kills)
            _feed_for(feeder, rng.uniform(0.0, 0.6))
            target = rng.choice(_TARGETS)
            counts[target] += 1
            parts[target].kill()
            if target == "gateway":
                feeder.follow()
                ledger.read_outbox(folder / "outbox.db")
                feeder.start()
            else:
                parts[target].start()
            tell(kill + 1, len(ledger.committed))
        _feed_until(feeder, ledger, alerts)
        _drain(feeder, ledger, received)
        parts["gateway"].stop()  # which ends an incident that is open
        _drain(feeder, ledger, received)
    finally:
        for part in (parts["gateway"], parts["consumer"], server):
            part.stop()
    return KillRun(seed, counts, time.monotonic() - began, ledger.judge(received))


def _feed_for(feeder: Feeder, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        feeder.step()
        time.sleep(_TICK_S)


def _feed_until(feeder: Feeder, ledger: Ledger, committed: int) -> None:
    deadline = time.monotonic() + _STALL_S
    while len(ledger.committed) < committed:
        if time.monotonic() > deadline:
            raise VedetteError(
                f"{len(ledger.committed)} of {committed} alerts committed, and no more in {_STALL_S:g} s"
            )
        feeder.step()
        time.sleep(_TICK_S)


def _drain(feeder: Feeder, ledger: Ledger, received: Path) -> None:
    """Feed nothing more, and wait until everything has arrived, or nothing moves any more."""
    feeder.follow()
    best, since = len(ledger.committed) + 1, time.monotonic()
    while (missing := ledger.missing(received)) and time.monotonic() - since < _STALL_S:
        if missing < best:
            best, since = missing, time.monotonic()
        feeder.follow()
        time.sleep(0.5)
