"""The device's millisecond counter in the gateway's time."""

from __future__ import annotations

from collections import deque

# A crystal may be wrong by this much, so an estimate is worth less the older it is.
DRIFT = 1e-4
# An estimate that differs by more than both can be wrong by, and this, is of a counter that began anew.
RESTART_S = 0.25
KEPT = 16
_WRAP, _HALF = 1 << 32, 1 << 31
# Half of the counter's step, which on average is hidden in a reading.
_HALF_TICK_S = 0.0005
# A one-way estimate is taken to be wrong by this much: any round trip is better.
_ONE_WAY_S = 1.0


class DeviceClock:
    """Maps the counter, which wraps after 49.7 days, to seconds of the gateway's monotonic clock.

    The mapping comes from round trips: the counter was read somewhere between request and reply, so the shortest one
    tells most. Monotonic, because the wall clock may be set while the device runs.

    >>> clock = DeviceClock()
    >>> clock.round_trip(4_294_967_290, sent=99.999, received=100.001)
    >>> round(clock.seconds(4), 3)
    100.01
    """

    def __init__(self) -> None:
        self._last = 0
        self._estimates: deque[tuple[float, float, float]] = deque(maxlen=KEPT)  # offset, error, when

    @property
    def known(self) -> bool:
        """Whether there is an estimate."""
        return bool(self._estimates)

    def round_trip(self, ms: int, *, sent: float, received: float) -> None:
        """The counter was ``ms`` when it was read, between two moments of the monotonic clock."""
        offset = (sent + received) / 2 - self._unwrap(ms) / 1000 - _HALF_TICK_S
        self._add(offset, (received - sent) / 2 + _HALF_TICK_S, received)

    def one_way(self, ms: int, received: float) -> None:
        """A message of ``ms`` has come, of a device that does not answer; its way took an unknown time."""
        self._add(received - self._unwrap(ms) / 1000, _ONE_WAY_S, received)

    def seconds(self, ms: int) -> float:
        """The moment at which the counter was ``ms``; there must be an estimate."""
        newest = self._estimates[-1][2]
        offset = min(self._estimates, key=lambda estimate: estimate[1] + DRIFT * (newest - estimate[2]))[0]
        return self._unwrap(ms) / 1000 + offset

    def _add(self, offset: float, error: float, now: float) -> None:
        if self._estimates:
            before, its_error, when = self._estimates[-1]
            if abs(offset - before) > error + its_error + DRIFT * (now - when) + RESTART_S:
                self._estimates.clear()
        self._estimates.append((offset, error, now))

    def _unwrap(self, ms: int) -> int:
        """The counter without its wraps: of all that it can mean, what is nearest to the last reading."""
        self._last += (ms - self._last + _HALF) % _WRAP - _HALF
        return self._last


class RowTimes:
    """The times of rows that come at a period, in frames that are stamped in whole milliseconds.

    A frame whose stamp is where the period puts it, within a few milliseconds, goes on at the period, and follows a
    sixteenth of the difference, so that the rounding of the stamps does not show and the drift does not add up. Any
    other stamp stands: rows are missing, or the device has paused.

    >>> rows = RowTimes(0.0004)
    >>> [round(time, 4) for time in rows.of(5.0, 3)], [round(time, 4) for time in rows.of(5.001, 3)]
    ([5.0, 5.0004, 5.0008], [5.0012, 5.0016, 5.002])
    """

    _SLACK_S, _FOLLOW = 0.003, 16

    def __init__(self, period_s: float) -> None:
        self._period_s = period_s
        self._next: float | None = None

    def of(self, stamp: float, rows: int) -> list[float]:
        """The times of the rows of a frame whose first row is stamped ``stamp``, in seconds."""
        first = stamp
        if self._next is not None and self._period_s and abs(stamp - self._next) <= self._SLACK_S:
            first = self._next + max((stamp - self._next) / self._FOLLOW, -self._period_s / 2)
        times = [first + row * self._period_s for row in range(rows)]
        self._next = times[-1] + self._period_s
        return times
