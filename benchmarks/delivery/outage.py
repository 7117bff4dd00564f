"""A broker that is away for days, at a high rate of alerts: the quota holds, and every drop is reported."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vedette.runtime.delivery.delivery import Delivery
from vedette.runtime.delivery.outbox import MAX_ROWS, Outbox, OutgoingAlert
from vedette.runtime.mqtt.connection import MqttConfig
from vedette.runtime.mqtt.link import Link

START_S = 1_767_225_600.0
HOUR_S = 3600.0
# As large as alerts are: five channels with long names.
_SMALLEST_BYTES, _LARGEST_BYTES = 700, 1600
_OPEN_AT_ONCE = 200


@dataclass
class OutageRun:
    """What an outage came to."""

    alerts: int
    quota_bytes: int
    largest_bytes: int
    kept: int
    reported_drops: int
    gaps_in_sequence: int
    seconds: float

    @property
    def exact(self) -> bool:
        """Whether the quota held, and the drops are those that were reported and those that the sequence shows."""
        return (
            self.largest_bytes <= self.quota_bytes
            and self.alerts == self.kept + self.reported_drops
            and self.gaps_in_sequence == self.reported_drops
        )


def run_outage(
    folder: Path,
    *,
    days: float,
    alerts_per_hour: int,
    quota_bytes: int,
    seed: int,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> OutageRun:
    """Store the alerts of ``days`` in bursts of 1 to ``MAX_ROWS``, with a restart in the middle of each day.

    The broker is never there. The size of all files is read after every commit.
    """
    began = time.monotonic()
    rng = random.Random(seed)
    total = round(days * 24 * alerts_per_hour)
    path = folder / "outbox.db"
    outbox, delivery = _open(path, quota_bytes)
    done = largest = 0
    next_restart = total / (2 * days) if days else total
    while done < total:
        count = min(rng.randint(1, MAX_ROWS), total - done)
        for number in range(done, done + count):
            delivery.accept(_alert(number, START_S + number * HOUR_S / alerts_per_hour, rng))
        done += count
        delivery.step()
        largest = max(largest, outbox.bytes_on_disk())
        if done >= next_restart:
            next_restart += total / days
            outbox.close()
            outbox, delivery = _open(path, quota_bytes)
            tell(done, total)
    reported, pending = delivery.dropped, delivery.pending
    seqs = [stored.seq for stored in outbox.take(total)]
    outbox.close()
    assert len(seqs) == pending
    gaps = total - len(set(seqs) & set(range(1, total + 1)))
    return OutageRun(total, quota_bytes, largest, len(seqs), reported, gaps, time.monotonic() - began)


def _open(path: Path, quota_bytes: int) -> tuple[Outbox, Delivery]:
    outbox = Outbox(path, max_bytes=quota_bytes)
    nowhere = Link(MqttConfig("127.0.0.1", 1, None, "nobody"), post=lambda _: None)
    return outbox, Delivery(outbox, nowhere)


def _alert(number: int, time_s: float, rng: random.Random) -> OutgoingAlert:
    """Incidents of two steps that overlap, of any severity."""
    step, place = divmod(number, _OPEN_AT_ONCE)
    incident = f"incident {place} {step // 2}"
    payload = rng.randbytes(rng.randint(_SMALLEST_BYTES, _LARGEST_BYTES))
    severity = round(rng.lognormvariate(0.5, 0.7), 3)
    identity = f"{rng.getrandbits(64):016x}{number:016x}"
    return OutgoingAlert(identity, "t", severity, time_s, payload, incident, step % 2 == 0)
