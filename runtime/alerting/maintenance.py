"""Maintenance: stretches of time in which a stream's incidents are not told. Each has an end.

Sample times decide, not the wall clock, so that a replay is muted where the live stream was.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from fnmatch import fnmatchcase

ALL_STREAMS = ("*",)


@dataclass(frozen=True)
class Stretch:
    """The answer at one time, and that it holds in ``[low, high)``, seconds."""

    inside: bool
    low: float
    high: float


@dataclass(frozen=True)
class MaintenanceWindow(ABC):
    """When the streams that match one of ``streams`` are muted; patterns like ``pump*``."""

    streams: tuple[str, ...]

    @abstractmethod
    def around(self, at: float) -> Stretch:
        """Whether ``at`` is inside, and for how long that stays so."""

    def covers(self, entry: str, stream: str) -> bool:
        """Whether it is for a stream, by its name or that of its entry."""
        return any(fnmatchcase(name, pattern) for pattern in self.streams for name in (entry, stream))


@dataclass(frozen=True)
class OnceWindow(MaintenanceWindow):
    """From ``start`` until before ``end``, seconds since 1970."""

    start: float
    end: float

    def around(self, at: float) -> Stretch:
        """See the base class."""
        if at < self.start:
            return Stretch(False, -math.inf, self.start)
        if at < self.end:
            return Stretch(True, self.start, self.end)
        return Stretch(False, self.end, math.inf)


@dataclass(frozen=True)
class RecurringWindow(MaintenanceWindow):
    """On some days of the week (0 is Monday) from ``begin`` until before ``finish``, by the clocks of ``zone``.

    A ``finish`` not after ``begin`` is on the next day, which need not be one of the ``days``.
    """

    days: frozenset[int]
    begin: time
    finish: time
    zone: tzinfo

    def around(self, at: float) -> Stretch:
        """See the base class."""
        try:
            today = datetime.fromtimestamp(at, self.zone).date()
            # Yesterday's may last until now, and the next may begin tomorrow.
            spans = [self._span(today + timedelta(days=n)) for n in (-1, 0, 1) if self._has(today + timedelta(days=n))]
            horizon = self._at(today + timedelta(days=2), time.min)
        except (OverflowError, ValueError):  # at the ends of the calendar, where no gateway is
            return Stretch(False, at, math.nextafter(at, math.inf))
        for begin, finish in spans:
            if begin <= at < finish:
                return Stretch(True, begin, finish)
        return Stretch(False, at, min((begin for begin, _ in spans if begin > at), default=horizon))

    def _has(self, day: date) -> bool:
        return day.weekday() in self.days

    def _span(self, day: date) -> tuple[float, float]:
        last = day if self.finish > self.begin else day + timedelta(days=1)
        return self._at(day, self.begin), self._at(last, self.finish)

    def _at(self, day: date, clock: time) -> float:
        return datetime.combine(day, clock, self.zone).timestamp()


class Mute:
    """The maintenance of one stream. Asking costs two comparisons but where the answer may change."""

    def __init__(self, windows: Iterable[MaintenanceWindow]) -> None:
        self._windows = tuple(windows)
        self._now = Stretch(False, math.inf, -math.inf)

    def active(self, at: float) -> bool:
        """Whether the stream is muted at ``at``, seconds since 1970."""
        now = self._now
        if not now.low <= at < now.high:
            now = self._now = self._around(at)
        return now.inside

    def _around(self, at: float) -> Stretch:
        found = [window.around(at) for window in self._windows]
        inside = [stretch for stretch in found if stretch.inside]
        low = max(stretch.low for stretch in inside or found)
        high = (max if inside else min)(stretch.high for stretch in inside or found)
        return Stretch(bool(inside), low, high)


@dataclass(frozen=True)
class Maintenance:
    """All maintenance of a gateway."""

    windows: tuple[MaintenanceWindow, ...] = ()

    def mute(self, entry: str, stream: str) -> Mute | None:
        """What mutes a stream, ``name`` or ``name/device``, of an entry; None where nothing ever does."""
        found = [window for window in self.windows if window.covers(entry, stream)]
        return Mute(found) if found else None
