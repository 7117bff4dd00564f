"""The queue into the main thread: order, bounds, and how long samples wait for each other."""

from __future__ import annotations

import threading
import time

from vedette.runtime.ingest.inbox import MAX_ROUND, Inbox

LONG_S = 20.0


def inbox(latency_s: float = 0.0) -> Inbox:
    return Inbox(max_items=10 * MAX_ROUND, max_bytes=1 << 20, max_latency_s=latency_s)


def test_a_round_has_what_comes_within_the_latency() -> None:
    found = inbox(0.3)
    found.offer("first", 1)
    threading.Timer(0.05, lambda: found.offer("second", 1)).start()
    assert found.take(LONG_S) == ["first", "second"]


def test_without_a_latency_a_round_has_what_is_there() -> None:
    found = inbox()
    found.offer("first", 1)
    assert found.take(LONG_S) == ["first"]


def test_a_full_round_does_not_wait() -> None:
    found = inbox(LONG_S)
    for number in range(MAX_ROUND + 3):
        found.offer(number, 1)
    began = time.monotonic()
    assert found.take(LONG_S) == list(range(MAX_ROUND))
    assert time.monotonic() - began < LONG_S / 2


def test_a_round_that_fills_while_samples_wait_is_taken_at_once() -> None:
    found = inbox(LONG_S)
    found.offer(0, 1)
    threading.Timer(0.05, lambda: [found.offer(number, 1) for number in range(1, MAX_ROUND)]).start()
    began = time.monotonic()
    assert len(found.take(LONG_S)) == MAX_ROUND
    assert time.monotonic() - began < LONG_S / 2


def test_an_event_ends_the_waiting_and_comes_first() -> None:
    found = inbox(LONG_S)
    found.offer("sample", 1)
    threading.Timer(0.05, lambda: found.post("event")).start()
    began = time.monotonic()
    assert found.take(LONG_S) == ["event", "sample"]
    assert time.monotonic() - began < LONG_S / 2


def test_closing_ends_the_waiting() -> None:
    found = inbox(LONG_S)
    found.offer("sample", 1)
    threading.Timer(0.05, found.close).start()
    began = time.monotonic()
    assert found.take(LONG_S) == ["sample"]
    assert time.monotonic() - began < LONG_S / 2


def test_what_finds_no_room_is_counted() -> None:
    found = Inbox(max_items=2, max_bytes=100)
    assert [found.offer(number, 60) for number in range(3)] == [True, True, False]
    assert (found.overflow, found.take(0.0)) == (1, [0, 1])
