"""The time of arrival: the wall clock, without its jumps."""

from __future__ import annotations

import time
from collections.abc import Callable

# The wall clock may differ by this much from where the monotonic clock says that it should be.
TOLERANCE_S = 2.0
# A step is followed when the wall clock has gone on at the usual pace for this long since.
SETTLED_S = 10.0
# Smaller differences are made up for by so many seconds per second: more than any clock drifts or is slewed.
SLEW = 0.01


class SteadyClock:
    """Seconds since 1970 that go on at the pace of the monotonic clock.

    A step of the wall clock of more than two seconds, forward or back, is followed ten seconds later, and only when the
    wall clock has kept its new distance since then: a clock that is frozen or jumps about is not followed. Smaller
    differences are made up for slowly, without going back. For one thread.

    >>> wall, elapsed = [1000.0], [0.0]
    >>> clock = SteadyClock(wall=lambda: wall[0], monotonic=lambda: elapsed[0])
    >>> wall[0], elapsed[0] = 0.0, 5.0
    >>> clock.now()
    1005.0
    >>> wall[0], elapsed[0] = 11.0, 16.0
    >>> clock.now()
    11.0
    """

    def __init__(
        self, *, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._wall, self._monotonic = wall, monotonic
        self._last = monotonic()
        # The wall clock less the monotonic clock: as told, and as it is since a step.
        self._offset = wall() - self._last
        self._other: float | None = None
        self._other_since = 0.0

    def now(self) -> float:
        """The time; it goes back only where a step back of the wall clock is followed."""
        elapsed = self._monotonic()
        offset = self._wall() - elapsed
        missing = offset - self._offset
        if abs(missing) <= TOLERANCE_S:
            most = SLEW * (elapsed - self._last)
            self._offset += max(-most, min(missing, most))
            self._other = None
        elif self._other is None or abs(offset - self._other) > TOLERANCE_S:
            self._other, self._other_since = offset, elapsed
        elif elapsed - self._other_since >= SETTLED_S:
            self._offset, self._other = offset, None
        self._last = elapsed
        return elapsed + self._offset
