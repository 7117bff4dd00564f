"""The one queue into the daemon's main thread: samples and events from all other threads, bounded."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from typing import Any


class Inbox:
    """A queue with three doors: a live source offers, a finite source waits for room, events always get in."""

    def __init__(self, *, max_items: int, max_bytes: int) -> None:
        self._max_items, self._max_bytes = max_items, max_bytes
        self._items: deque[Any] = deque()
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

    def post(self, event: Any) -> None:
        """Add an event, always."""
        with self._changed:
            self._append(event, 0)

    def take(self, timeout: float) -> Sequence[Any]:
        """Everything that arrived, in order; waits up to ``timeout`` seconds for the first."""
        with self._changed:
            if not self._items:
                self._changed.wait(timeout)
            items, self._items = self._items, deque()
            self._bytes = 0
            self._changed.notify_all()
            return items

    def close(self) -> None:
        """Let no further samples in, and wake the sources that wait for room."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _full(self) -> bool:
        return len(self._items) >= self._max_items or self._bytes >= self._max_bytes

    def _append(self, item: Any, size: int) -> None:
        self._items.append(item)
        self._bytes += size
        if len(self._items) == 1:
            self._changed.notify_all()
