"""The disk is full, fails or cannot be written: scoring goes on, the status says so, and all heals by itself."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import Consumer, Gateway, Mosquitto, incident, wait_for
from faults import STORAGE_CALLS, failing_calls, fill, small_disk, strace

from vedette.runtime.delivery.ballast import BALLAST_BYTES, Ballast
from vedette.runtime.delivery.database import MAX_ROWS
from vedette.runtime.delivery.outbox import Outbox, OutgoingAlert, StorageError

pytestmark = pytest.mark.slow
Consume = Callable[..., Consumer]

QUOTA = 4 * 2**20
DEGRADED_WITHIN_S = 5.0


def alert(number: int, *, size: int = 900) -> OutgoingAlert:
    return OutgoingAlert(f"id-{number}", "t", 1.0, float(number), b"x" * size)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", kib=6 * 1024) as folder:
        yield folder


def test_on_a_full_disk_alerts_can_still_be_removed_and_others_stored_in_their_place(disk: Path) -> None:
    outbox = Outbox(disk / "outbox.db", max_bytes=QUOTA)
    for start in range(0, 320, MAX_ROWS):
        outbox.add([alert(number) for number in range(start, start + MAX_ROWS)])
    filler = fill(disk)
    stored = 320
    with contextlib.suppress(StorageError):
        while True:
            outbox.add([alert(stored)])
            stored += 1
    assert not Ballast(disk / "outbox.db").held
    assert "the disk is full" in str(outbox.watch())
    assert stored > 350
    for start in range(0, 160, MAX_ROWS):
        outbox.acknowledged([f"id-{number}" for number in range(start, start + MAX_ROWS)])
    for number in range(stored, stored + 50):
        outbox.add([alert(number)])
    assert outbox.pending == stored + 50 - 160
    assert outbox.dropped == 0
    filler.unlink()
    assert outbox.watch() is None
    assert Ballast(disk / "outbox.db").held
    for start in range(10_000, 11_600, MAX_ROWS):
        outbox.add([alert(number) for number in range(start, start + MAX_ROWS)])
        assert outbox.bytes_on_disk() <= QUOTA
    outbox.close()


def test_a_full_disk_at_the_start_costs_the_ballast_and_no_alert(disk: Path) -> None:
    outbox = Outbox(disk / "outbox.db", max_bytes=QUOTA)
    outbox.add([alert(number) for number in range(MAX_ROWS)])
    outbox.close()
    fill(disk)
    outbox = Outbox(disk / "outbox.db", max_bytes=QUOTA)
    assert outbox.acknowledged(["id-1"]) == 1
    assert outbox.pending == MAX_ROWS - 1
    outbox.close()


def test_the_ballast_is_whole_or_absent(disk: Path) -> None:
    ballast = Ballast(disk / "outbox.db")
    assert ballast.hold()
    assert ballast.path.stat().st_blocks * 512 >= BALLAST_BYTES
    assert ballast.release()
    assert not ballast.release()
    filler = fill(disk)
    assert not ballast.hold(room=0)
    assert not ballast.path.exists()
    filler.unlink()
    assert ballast.hold()


WORKER = """
import sys
from pathlib import Path
from vedette.runtime.delivery.outbox import Outbox, OutgoingAlert
from vedette.errors import OutputError
path = Path(sys.argv[1])
def insist(work):
    for _ in range(6):
        try:
            return work()
        except OutputError as error:
            print(error, file=sys.stderr)
            outbox.watch()
    raise SystemExit("it does not heal")
for _ in range(6):
    try:
        outbox = Outbox(path, max_bytes=4 * 2**20)
        break
    except OutputError as error:
        print(error, file=sys.stderr)
for number in range(12):
    insist(lambda: outbox.add([OutgoingAlert(f"id-{number}", "t", 1.0, float(number), b"x" * 900, f"i{number}", True)]))
    taken = insist(lambda: outbox.take(1)) if number % 3 == 0 else []
    if taken:
        insist(lambda: outbox.published([taken[0].seq]))
        insist(lambda: outbox.acknowledged([f"id-{int(taken[0].time)}"]))
seqs = [stored.seq for stored in outbox.take(99)]
assert outbox.pending == len(seqs) == 8, (outbox.pending, seqs)
assert len(outbox.open_incidents()) == 12
outbox.close()
"""


@pytest.mark.parametrize("error", ["EIO", "ENOSPC", "EROFS"])
def test_whichever_write_fails_the_next_attempt_works_and_nothing_is_lost(tmp_path: Path, error: str) -> None:
    """The n-th of each kind of call fails, for every sixth n."""
    for first in range({"EIO": 1, "ENOSPC": 3, "EROFS": 5}[error], 90, 6):
        command = [strace(), "-f", "-q", "-o", "/dev/null", "-e", f"trace={STORAGE_CALLS}"]
        command += ["-e", f"inject=pwrite64,fdatasync,fsync:error={error}:when={first}", sys.executable, "-c", WORKER]
        done = subprocess.run([*command, tmp_path / f"{first}.db"], check=False, capture_output=True, text=True)
        assert done.returncode == 0, f"{error} at call {first}: {done.stderr}"


def samples(consumer: Consumer) -> int:
    statuses = [status for status in consumer.statuses() if "counters" in status]
    return int(statuses[-1]["counters"]["samples"]) if statuses else 0


def last_state(consumer: Consumer) -> str:
    return str(consumer.statuses()[-1]["state"]) if consumer.statuses() else ""


@pytest.mark.parametrize("error", ["EIO", "EROFS", "ENOSPC"])
def test_scoring_goes_on_while_the_disk_fails_and_the_alerts_come_afterwards(
    gateway: Gateway, mosquitto: Mosquitto, consume: Consume, error: str
) -> None:
    gateway.configure('{ mqtt = "plant/pump1/raw" }')
    consumer = consume("vedette/#")
    gateway.start()
    gateway.wait_connected()
    assert gateway.process is not None
    with failing_calls(gateway.process.pid, error):
        start = time.monotonic()
        for number in range(5):
            for text in incident(1000.0 + 20 * number):
                consumer.publish("plant/pump1/raw", text)
        wait_for(lambda: last_state(consumer) == "degraded", "degraded")
        assert time.monotonic() - start < DEGRADED_WITHIN_S + 5.0  # the samples took their time too
        wait_for(lambda: samples(consumer) == 75, "all samples to be scored")
        assert consumer.statuses()[-1]["counters"]["alerts_pending"] == 10
        assert "the outbox cannot be" in " ".join(consumer.statuses()[-1]["reasons"])
        assert consumer.events == []
    wait_for(lambda: len(consumer.events) == 10, "the alerts")
    wait_for(lambda: last_state(consumer) == "online", "online")
    assert [int(event["sequence"]) for event in consumer.events] == list(range(1, 11))
    assert gateway.process.poll() is None
    assert gateway.stop() == 0


def test_a_full_disk_is_told_within_five_seconds_and_heals(
    gateway: Gateway, mosquitto: Mosquitto, consume: Consume, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VEDETTE_OUTBOX_PATH", str(disk / "outbox.db"))
    gateway.configure('{ mqtt = "plant/pump1/raw" }')
    consumer = consume("vedette/#")
    gateway.start()
    wait_for(lambda: last_state(consumer) == "online", "online")
    filler = fill(disk)
    start = time.monotonic()
    wait_for(lambda: last_state(consumer) == "degraded", "degraded")
    assert time.monotonic() - start < DEGRADED_WITHIN_S
    for number in range(5):
        for text in incident(1000.0 + 20 * number):
            consumer.publish("plant/pump1/raw", text)
    wait_for(lambda: samples(consumer) == 75, "all samples to be scored")
    filler.unlink()
    wait_for(lambda: len(consumer.events) == 10, "the alerts")
    wait_for(lambda: last_state(consumer) == "online", "online")
    assert gateway.stop() == 0
