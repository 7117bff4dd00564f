"""The outbox: durable, bounded, and honest about what it dropped."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from vedette.errors import OutputError
from vedette.runtime.delivery.outbox import MAX_ROWS, RETENTION_S, Outbox, OutgoingAlert, StorageError

BIG = 64 * 2**20


def alert(number: int, *, severity: float = 1.0, topic: str = "t", size: int = 10) -> OutgoingAlert:
    return OutgoingAlert(f"id-{number}", topic, severity, float(number), b"x" * size)


class Clock:
    """Seconds that the test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def send_again(outbox: Outbox) -> int:
    outbox.send_again()
    count = 0
    while outbox.sending_again:
        count += outbox.send_some_again()
    return count


def fill(outbox: Outbox, alerts: Sequence[OutgoingAlert]) -> None:
    for start in range(0, len(alerts), MAX_ROWS):
        outbox.add(alerts[start : start + MAX_ROWS])


def publish(outbox: Outbox, seqs: Sequence[int]) -> None:
    for start in range(0, len(seqs), MAX_ROWS):
        outbox.published(seqs[start : start + MAX_ROWS])


def test_alerts_come_back_oldest_first_and_once(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.db", max_bytes=BIG)
    outbox.add([alert(1), alert(2), alert(3)])
    assert [stored.time for stored in outbox.take(2)] == [1.0, 2.0]
    assert [stored.time for stored in outbox.take(2)] == [3.0]
    assert outbox.take(2) == []
    outbox.close()


def test_what_was_released_comes_again_and_what_was_published_does_not(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.db", max_bytes=BIG)
    outbox.add([alert(1), alert(2)])
    first, second = outbox.take(2)
    outbox.published([first.seq])
    outbox.release([second.seq])
    assert outbox.take(2) == [second]
    assert outbox.pending == 1
    outbox.close()


def test_topics_can_be_left_out(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.db", max_bytes=BIG)
    outbox.add([alert(1, topic="held"), alert(2, topic="free")])
    assert [stored.topic for stored in outbox.take(9, skip_topics=["held"])] == ["free"]
    outbox.close()


def test_published_alerts_wait_again_when_the_broker_forgot_them(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.db", max_bytes=BIG)
    outbox.add([alert(1), alert(2), alert(3)])
    outbox.published([stored.seq for stored in outbox.take(3)])
    assert outbox.acknowledged(["id-2", "unknown"]) == 1
    assert (outbox.pending, send_again(outbox), outbox.pending) == (0, 2, 2)
    assert [stored.time for stored in outbox.take(9)] == [1.0, 3.0]
    outbox.close()


def test_published_alerts_are_removed_after_an_hour(tmp_path: Path) -> None:
    clock = Clock()
    outbox = Outbox(tmp_path / "outbox.db", max_bytes=BIG, clock=clock)
    outbox.add([alert(1), alert(2)])
    first, second = outbox.take(2)
    outbox.published([first.seq])
    clock.now += RETENTION_S + 1
    outbox.published([second.seq])
    assert send_again(outbox) == 1
    outbox.close()


def test_the_retention_goes_on_after_a_restart_whatever_the_clocks_start_from(tmp_path: Path) -> None:
    clock = Clock()
    for number in (1, 2, 3):
        clock.now = 1e9 / number
        outbox = Outbox(tmp_path / "outbox.db", max_bytes=BIG, clock=clock)
        outbox.add([alert(number)])
        clock.now += 0.45 * RETENTION_S
        outbox.published([stored.seq for stored in outbox.take(1)])
        outbox.close()
    outbox = Outbox(tmp_path / "outbox.db", max_bytes=BIG, clock=clock)
    assert send_again(outbox) == 3
    assert [stored.time for stored in outbox.take(9)] == [1.0, 2.0, 3.0]
    clock.now += 0.2 * RETENTION_S
    outbox.published([2, 3])
    clock.now += 0.9 * RETENTION_S
    outbox.published([1])
    clock.now += 0.2 * RETENTION_S
    outbox.published([])
    assert send_again(outbox) == 1
    outbox.close()


def test_an_acknowledged_alert_is_done_even_before_the_broker_confirms(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.db", max_bytes=BIG)
    outbox.add([alert(1)])
    (stored,) = outbox.take(1)
    assert outbox.acknowledged(["id-1"]) == 1
    outbox.published([stored.seq])
    assert (outbox.pending, send_again(outbox)) == (0, 0)
    outbox.close()


def test_the_sequence_goes_on_over_restarts_and_removals(tmp_path: Path) -> None:
    for expected in (1, 2, 3):
        outbox = Outbox(tmp_path / "outbox.db", max_bytes=BIG)
        outbox.add([alert(expected)])
        (stored,) = outbox.take(1)
        assert stored.seq == expected
        outbox.acknowledged([f"id-{expected}"])
        outbox.close()


@pytest.mark.slow
def test_over_the_quota_the_least_severe_and_then_the_oldest_go_and_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    outbox = Outbox(path, max_bytes=4 * 2**20)
    severities = (3.0, 1.0, 2.0)
    total = 6000
    for start in range(0, total, 25):
        numbers = range(start, start + 25)
        outbox.add([alert(number, severity=severities[number % 3], size=1000) for number in numbers])
        assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 4 * 2**20
    kept = outbox.take(total)
    assert 500 < len(kept) == outbox.pending == total - outbox.dropped
    # Of the most severe, which came every third time, only the newest are left; the last to come are all there yet.
    severe = [stored.time for stored in kept if stored.time < total - 25]
    assert severe == [float(number) for number in range(int(severe[0]), total - 25, 3)]
    assert severities[int(severe[0]) % 3] == 3.0
    dropped = outbox.dropped
    outbox.close()
    again = Outbox(path, max_bytes=4 * 2**20)
    assert (again.dropped, again.pending) == (dropped, len(kept))
    again.close()


def test_published_alerts_make_room_before_anything_is_dropped(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.db", max_bytes=4 * 2**20)
    count = 500
    fill(outbox, [alert(number, severity=9.0, size=1000) for number in range(count)])
    publish(outbox, [stored.seq for stored in outbox.take(count)])
    fill(outbox, [alert(count + number, severity=1.0, size=1000) for number in range(count)])
    assert (outbox.pending, outbox.dropped) == (count, 0)
    outbox.close()


def test_alerts_on_their_way_are_not_dropped(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.db", max_bytes=4 * 2**20)
    outbox.add([alert(1, severity=0.1)])
    (out,) = outbox.take(1)
    fill(outbox, [alert(number, size=1000) for number in range(2, 2000)])
    assert outbox.dropped > 0
    outbox.release([out.seq])
    assert outbox.take(1) == [out]
    outbox.close()


def test_an_outbox_has_one_owner(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.db", max_bytes=BIG)
    with pytest.raises(OutputError, match="in use by another"):
        Outbox(tmp_path / "outbox.db", max_bytes=BIG)
    outbox.close()


@pytest.mark.parametrize("content", [b"not a database, but long enough to look at" * 100, b"SQLite format 3\0" * 300])
def test_a_file_that_is_no_outbox_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "outbox.db").write_bytes(content)
    with pytest.raises(OutputError, match="move the file away"):
        Outbox(tmp_path / "outbox.db", max_bytes=BIG)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"set \[outbox\] path"):
        Outbox(tmp_path / "file" / "outbox.db", max_bytes=BIG)


def test_what_cannot_be_stored_leaves_the_outbox_as_it_was(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.db", max_bytes=BIG)
    outbox.add([alert(1)])
    with pytest.raises(StorageError):
        outbox.add([alert(2), alert(3)._replace(topic=None)])  # type: ignore[arg-type]
    assert outbox.pending == 1
    outbox.add([alert(3)])
    assert [stored.time for stored in outbox.take(9)] == [1.0, 3.0]
    outbox.close()


def test_an_alert_that_is_stored_twice_is_there_once(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.db", max_bytes=BIG)
    outbox.add([alert(1), alert(2)])
    outbox.add([alert(2), alert(3)])
    assert [(stored.seq, stored.time) for stored in outbox.take(9)] == [(1, 1.0), (2, 2.0), (3, 3.0)]
    assert outbox.pending == 3
    outbox.close()


def test_alerts_lost_before_they_were_stored_are_counted_and_leave_a_gap_in_the_sequence(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    outbox = Outbox(path, max_bytes=BIG)
    outbox.add([alert(1)], lost=2)
    outbox.add([], lost=1)
    outbox.close()
    outbox = Outbox(path, max_bytes=BIG)
    outbox.add([alert(2)])
    assert [stored.seq for stored in outbox.take(9)] == [3, 5]
    assert outbox.dropped == 3
    outbox.close()


def test_the_sequence_is_not_used_again_after_everything_was_dropped(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    outbox = Outbox(path, max_bytes=4 * 2**20)
    fill(outbox, [alert(number, severity=1.0, size=1000) for number in range(2000)])
    dropped, pending = outbox.dropped, outbox.pending
    outbox.close()
    outbox = Outbox(path, max_bytes=4 * 2**20)
    seqs = [stored.seq for stored in outbox.take(9999)]
    assert seqs == list(range(dropped + 1, dropped + pending + 1))
    assert dropped + pending == 2000
    outbox.add([alert(9999)])
    outbox.release(seqs)
    assert outbox.take(9999)[-1].seq == 2001
    outbox.close()


def test_an_open_incident_is_remembered_until_its_end_is_stored(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    outbox = Outbox(path, max_bytes=BIG)

    def step(number: int, incident: str, *, goes_on: bool) -> OutgoingAlert:
        return alert(number)._replace(incident=incident, goes_on=goes_on, payload=b"step %d" % number)

    outbox.add([step(1, "a", goes_on=True), step(2, "b", goes_on=True), step(3, "a", goes_on=True)])
    outbox.add([step(4, "c", goes_on=True), step(5, "c", goes_on=False), step(6, "b", goes_on=False)])
    outbox.acknowledged([f"id-{number}" for number in range(7)])
    outbox.close()
    outbox = Outbox(path, max_bytes=BIG)
    assert [(found.alert_id, found.payload) for found in outbox.open_incidents()] == [("a", b"step 3")]
    outbox.add([step(7, "a", goes_on=False)])
    assert outbox.open_incidents() == []
    outbox.close()


@pytest.mark.slow
def test_more_open_incidents_than_fit_do_not_crowd_out_the_alerts(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.db", max_bytes=4 * 2**20)
    many = [alert(number, size=1000)._replace(incident=f"i{number}", goes_on=True) for number in range(3000)]
    fill(outbox, many)
    assert 50 < len(outbox.open_incidents()) < 200
    assert outbox.pending > 300
    assert outbox.bytes_on_disk() <= 4 * 2**20
    outbox.close()


def test_an_outbox_of_another_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    with sqlite3.connect(path) as other:
        other.execute("PRAGMA user_version = 1")
    other.close()
    with pytest.raises(OutputError, match="its format is 1, this vedette writes 2; move the file away"):
        Outbox(path, max_bytes=BIG)


WRITER = """
import sys
from pathlib import Path
from vedette.runtime.delivery.outbox import Outbox, OutgoingAlert
outbox = Outbox(Path(sys.argv[1]), max_bytes=64 * 2**20)
start, taken = int(sys.argv[2]), 0
for number in range(start, start + 100_000):
    outbox.add([OutgoingAlert(f"id-{number}", "t", 1.0, float(number), b"x" * 500)])
    print("+", number, flush=True)
    if number % 3 == 0:
        (stored,) = outbox.take(1)
        print("-", int(stored.time), flush=True)
        outbox.published([stored.seq])
        outbox.acknowledged([f"id-{int(stored.time)}"])
"""


@pytest.mark.slow
def test_a_kill_between_insert_and_confirmation_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    added: set[int] = set()
    removing: set[int] = set()
    for round_number in range(5):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, path, str(round_number * 1_000_000)], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        lines = [writer.stdout.readline() for _ in range(50 + 37 * round_number)]
        os.kill(writer.pid, signal.SIGKILL)
        lines += writer.stdout.readlines()
        writer.stdout.close()
        writer.wait()
        for line in lines:
            if line.endswith("\n"):
                sign, number = line.split()
                (added if sign == "+" else removing).add(int(number))
    outbox = Outbox(path, max_bytes=BIG)
    kept = {int(stored.time) for stored in outbox.take(1_000_000)}
    outbox.close()
    assert added - removing - kept == set()
    # Each kill may come before the last removal, and before the last addition could be told.
    assert len(kept & removing) <= 5
    assert len(kept - added) <= 5
