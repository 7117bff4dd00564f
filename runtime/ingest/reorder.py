"""A bounded window in which samples wait for earlier ones that are still on their way."""

from __future__ import annotations

from bisect import bisect_right, insort
from typing import NamedTuple

from vedette.runtime.ingest.samples import Values

# A sample on its way to the score: its time in seconds since 1970, and its values, one per channel.
TimedRow = tuple[float, Values]


class _Waiting(NamedTuple):
    values: Values
    arrived: float


class ReorderWindow:
    """Holds samples and gives them out in the order of their times.

    A sample waits until one has come that is ``max_delay_s`` newer, until ``max_samples`` others wait behind it, or
    until it has waited ``max_delay_s`` by the monotonic clock. Whoever adds a sample sees to it that it is newer than
    all that were given out.

    >>> from array import array
    >>> window, row = ReorderWindow(2.0, 10), array("d", [0.0])
    >>> [window.add(time, row, 0.0) for time in (2.0, 1.0, 1.0, 3.5)]
    [True, True, False, True]
    >>> [time for time, _ in window.ripe()], [time for time, _ in window.due(2.0)]
    ([1.0], [2.0, 3.5])
    """

    def __init__(self, max_delay_s: float, max_samples: int) -> None:
        self._max_delay_s, self._max_samples = max_delay_s, max_samples
        self._times: list[float] = []
        self._waiting: dict[float, _Waiting] = {}

    def __len__(self) -> int:
        return len(self._times)

    def add(self, time: float, values: Values, now: float) -> bool:
        """Take the sample that arrived at ``now`` (monotonic); False where one of the same time waits already."""
        if time in self._waiting:
            return False
        self._waiting[time] = _Waiting(values, now)
        insort(self._times, time)
        return True

    def ripe(self) -> list[TimedRow]:
        """Take out what no earlier sample can come before any more, oldest first."""
        count = bisect_right(self._times, self._times[-1] - self._max_delay_s)
        return self._take(max(count, len(self._times) - self._max_samples))

    def due(self, now: float) -> list[TimedRow]:
        """Take out what has waited long enough at ``now`` (monotonic), and what is older than that."""
        count = len(self._times)
        while count and now - self._waiting[self._times[count - 1]].arrived < self._max_delay_s:
            count -= 1
        return self._take(count)

    def flush(self) -> list[TimedRow]:
        """Take out everything."""
        return self._take(len(self._times))

    def _take(self, count: int) -> list[TimedRow]:
        taken = [(time, self._waiting.pop(time).values) for time in self._times[:count]]
        del self._times[:count]
        return taken
