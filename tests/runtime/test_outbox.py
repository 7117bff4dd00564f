"""The outbox: durable, bounded, and honest about what it dropped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from vedette.errors import OutputError
from vedette.runtime.outbox import RETENTION_S, Outbox, OutgoingAlert, StorageError

BIG = 64 * 2**20


def alert(number: int, *, severity: float = 1.0, topic: str = "t", size: int = 10) -> OutgoingAlert:
    return OutgoingAlert(f"id-{number}", topic, severity, float(number), b"x" * size)


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
    outbox.published([first.seq], now=0.0)
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
    outbox.published([stored.seq for stored in outbox.take(3)], now=0.0)
    assert outbox.acknowledged(["id-2", "unknown"]) == 1
    assert (outbox.pending, outbox.send_again(), outbox.pending) == (0, 2, 2)
    assert [stored.time for stored in outbox.take(9)] == [1.0, 3.0]
    outbox.close()


def test_published_alerts_are_removed_after_an_hour(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.db", max_bytes=BIG)
    outbox.add([alert(1), alert(2)])
    first, second = outbox.take(2)
    outbox.published([first.seq], now=0.0)
    outbox.published([second.seq], now=RETENTION_S + 1)
    assert outbox.send_again() == 1
    outbox.close()


def test_an_acknowledged_alert_is_done_even_before_the_broker_confirms(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.db", max_bytes=BIG)
    outbox.add([alert(1)])
    (stored,) = outbox.take(1)
    assert outbox.acknowledged(["id-1"]) == 1
    outbox.published([stored.seq], now=0.0)
    assert (outbox.pending, outbox.send_again()) == (0, 0)
    outbox.close()


def test_the_sequence_goes_on_over_restarts_and_removals(tmp_path: Path) -> None:
    for expected in (1, 2, 3):
        outbox = Outbox(tmp_path / "outbox.db", max_bytes=BIG)
        outbox.add([alert(expected)])
        (stored,) = outbox.take(1)
        assert stored.seq == expected
        outbox.acknowledged([f"id-{expected}"])
        outbox.close()


def test_over_the_quota_the_least_severe_and_then_the_oldest_go_and_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    outbox = Outbox(path, max_bytes=4 * 2**20)
    severities = (3.0, 1.0, 2.0)
    total = 6000
    for start in range(0, total, 50):
        numbers = range(start, start + 50)
        outbox.add([alert(number, severity=severities[number % 3], size=1000) for number in numbers])
        assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 4 * 2**20
    kept = outbox.take(total)
    assert 500 < len(kept) == outbox.pending == total - outbox.dropped
    # Of the most severe, which came every third time, only the newest are left.
    assert [stored.time for stored in kept] == [float(n) for n in range(total - 3 * len(kept), total, 3)]
    dropped = outbox.dropped
    outbox.close()
    again = Outbox(path, max_bytes=4 * 2**20)
    assert (again.dropped, again.pending) == (dropped, len(kept))
    again.close()


def test_published_alerts_make_room_before_anything_is_dropped(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.db", max_bytes=4 * 2**20)
    count = 1000
    outbox.add([alert(number, severity=9.0, size=1000) for number in range(count)])
    outbox.published([stored.seq for stored in outbox.take(count)], now=0.0)
    outbox.add([alert(count + number, severity=1.0, size=1000) for number in range(count)])
    assert (outbox.pending, outbox.dropped) == (count, 0)
    outbox.close()


def test_alerts_on_their_way_are_not_dropped(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.db", max_bytes=4 * 2**20)
    outbox.add([alert(1, severity=0.1)])
    (out,) = outbox.take(1)
    for number in range(2, 4):
        outbox.add([alert(1000 * number + i, size=1000) for i in range(1000)])
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
        outbox.add([alert(2), alert(1)])
    assert outbox.pending == 1
    outbox.add([alert(3)])
    assert [stored.time for stored in outbox.take(9)] == [1.0, 3.0]
    outbox.close()


WRITER = """
import sys
from pathlib import Path
from vedette.runtime.outbox import Outbox, OutgoingAlert
outbox = Outbox(Path(sys.argv[1]), max_bytes=64 * 2**20)
start, taken = int(sys.argv[2]), 0
for number in range(start, start + 100_000):
    outbox.add([OutgoingAlert(f"id-{number}", "t", 1.0, float(number), b"x" * 500)])
    print("+", number, flush=True)
    if number % 3 == 0:
        (stored,) = outbox.take(1)
        print("-", int(stored.time), flush=True)
        outbox.published([stored.seq], now=0.0)
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
