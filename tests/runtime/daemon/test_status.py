"""Rejections are all counted and seldom logged; the inbox is bounded; acknowledgements are read strictly."""

from __future__ import annotations

import logging
import threading

import pytest

from vedette.errors import DataError
from vedette.runtime.daemon.status import RejectionLog
from vedette.runtime.delivery.acks import encode_ack, read_ack
from vedette.runtime.ingest.inbox import Inbox


def test_a_flood_of_rejections_gives_one_line_in_ten_seconds(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    rejections = RejectionLog(clock=lambda: now)
    with caplog.at_level(logging.WARNING):
        for _ in range(1000):
            rejections.tell("pump1", "bad")
            rejections.tell("pump2", "worse")
        now = 10.0
        rejections.tell("pump1", "bad again")
    assert [record.getMessage() for record in caplog.records] == [
        "pump1: rejected: bad",
        "pump2: rejected: worse",
        "pump1: rejected: bad again (and 999 more since the last line)",
    ]


def test_a_full_inbox_counts_what_a_live_source_loses_and_takes_every_event() -> None:
    inbox = Inbox(max_items=2, max_bytes=1000)
    assert [inbox.offer(number, 1) for number in range(4)] == [True, True, False, False]
    inbox.post("event")
    assert (inbox.take(0), inbox.overflow) == (["event", 0, 1], 2)
    assert inbox.offer("next", 2000)
    assert not inbox.offer("too many bytes", 1)


def test_a_finite_source_waits_for_room() -> None:
    inbox = Inbox(max_items=1, max_bytes=1000)
    source = threading.Thread(target=lambda: [inbox.put(number, 1) for number in range(5)])
    source.start()
    taken: list[int] = []
    while len(taken) < 5:
        taken += inbox.take(1.0)
    source.join(10)
    assert taken == [0, 1, 2, 3, 4]


def test_a_finite_source_that_waits_gives_up_when_the_inbox_closes() -> None:
    inbox = Inbox(max_items=1, max_bytes=1000)
    results: list[bool] = []
    source = threading.Thread(target=lambda: results.extend(inbox.put(number, 1) for number in range(2)))
    source.start()
    inbox.close()
    source.join(10)
    assert not source.is_alive()
    assert results[-1] is False


def test_a_backlog_is_handed_out_in_rounds_and_events_overtake_it() -> None:
    inbox = Inbox(max_items=10_000, max_bytes=10_000)
    for number in range(1200):
        inbox.offer(number, 1)
    inbox.put_last("end")
    first = inbox.take(0)
    inbox.post("event")
    rest = [*inbox.take(0), *inbox.take(0)]
    assert first == list(range(500))
    assert rest == ["event", *range(500, 1200), "end"]
    assert inbox.backlog == 0


def test_acknowledgements_are_read_strictly() -> None:
    assert read_ack(encode_ack(["a", "b"])) == ["a", "b"]
    for payload in (b"", b"[]", b"{}", b'{"ids": "a"}', b'{"ids": [1]}', b"[" * 100_000):
        with pytest.raises(DataError):
            read_ack(payload)
