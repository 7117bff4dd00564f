"""The one queue into the daemon's main thread: samples and events from all other threads, bounded."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

# Events from outside that wait at most; the daemon's own are few and always find room.
MAX_EVENTS = 1000
# As many samples are handed out at once, so that alerts and events never wait long behind a backlog.
MAX_ROUND = 500


class Inbox:
    """Samples keep their order and wait their turn; events overtake them.

    A live source offers its samples, and what finds no room is lost and counted; a finite source waits for room.
    """

    def __init__(self, *, max_items: int, max_bytes: int, max_latency_s: float = 0.0) -> None:
        """``max_latency_s`` is how long samples wait for others, with which they are then handed out."""
        self._max_latency_s = max_latency_s
        self._max_items, self._max_bytes = max_items, max_bytes
        self._samples: deque[tuple[Any, int]] = deque()
        self._events: deque[Any] = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self._closed = False
        self.overflow = 0

    def offer(self, item: Any, size: int) -> bool:
        """Add a sample that nobody can hold back; when there is no room it is counted in ``overflow`` and lost."""
        with self._changed:
            if self._full():
                self.overflow += 1
                return False
            self._append(item, size)
            return True

    def put(self, item: Any, size: int) -> bool:
        """Add a sample as soon as there is room; False when the inbox was closed meanwhile."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or not self._full())
            if not self._closed:
                self._append(item, size)
            return not self._closed

    def put_last(self, item: Any) -> None:
        """Add the last word of a source, behind its samples, always."""
        with self._changed:
            self._append(item, 0)

    def post(self, event: Any) -> None:
        """Add an event, always; it comes before all samples."""
        with self._changed:
            self._events.append(event)
            self._changed.notify_all()

    def offer_event(self, event: Any) -> bool:
        """Add an event that somebody outside causes; False where too many wait already."""
        with self._changed:
            if len(self._events) >= MAX_EVENTS:
                return False
            self._events.append(event)
            self._changed.notify_all()
            return True

    def take(self, timeout: float) -> list[Any]:
        """All events and then up to 500 samples, in order.

        Waits up to ``timeout`` seconds for the first. Samples then wait for further ones, for as long as they may and
        nothing else is to be done: a round costs more than a sample, and changing threads more than receiving one.
        """
        with self._changed:
            if not self._samples and not self._events:
                self._changed.wait(timeout)
            if self._max_latency_s and 0 < len(self._samples) < MAX_ROUND:
                self._changed.wait_for(self._worth_a_round, self._max_latency_s)
            items = list(self._events)
            self._events.clear()
            for _ in range(min(len(self._samples), MAX_ROUND)):
                item, size = self._samples.popleft()
                self._bytes -= size
                items.append(item)
            self._changed.notify_all()
            return items

    def close(self) -> None:
        """Let no further samples in, and wake the sources that wait for room."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def full(self) -> bool:
        """Whether a source that can wait has to."""
        return self._full()

    @property
    def backlog(self) -> int:
        """Samples that wait."""
        return len(self._samples)

    def _worth_a_round(self) -> bool:
        return len(self._samples) >= MAX_ROUND or bool(self._events) or self._closed

    def _full(self) -> bool:
        return len(self._samples) >= self._max_items or self._bytes >= self._max_bytes

    def _append(self, item: Any, size: int) -> None:
        self._samples.append((item, size))
        self._bytes += size
        # Whoever takes is woken by the first, and then by the last that it waits for.
        if len(self._samples) in (1, MAX_ROUND):
            self._changed.notify_all()
