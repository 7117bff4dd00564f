"""Faults in time: what an event is, how events are spread over a test, and the labels that follow from them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vedette.errors import ConfigError
from vedette.train.simulators.recording import NO_FAULT

# Events of each kind, as many as fit; half of them are subtle and half are clear.
REPEATS = (8, 6, 4, 3, 2, 1)
SUBTLE, CLEAR, SINGLE = (0.30, 0.50), (0.80, 1.00), (0.65, 0.90)
# The first part of a test is normal; a test too crowded for that many events of each kind gets fewer.
QUIET_START = 0.04
CROWDED = 0.5
# A test this much longer than its shortest events and the rests between them holds one of each wherever they fall.
ROOM = 2.5

DAY_S = 86_400.0


@dataclass(frozen=True)
class Event:
    """One fault from row ``start`` up to but not including ``stop``; ``channel`` where it strikes one channel only."""

    kind: str
    start: int
    stop: int
    severity: float
    channel: int | None = None

    @property
    def rows(self) -> slice:
        """The rows of the event."""
        return slice(self.start, self.stop)


@dataclass(frozen=True)
class FaultKind:
    """How long a kind of fault lasts, in seconds, and between which hours of the day it begins (None: any)."""

    name: str
    shortest_s: float
    longest_s: float
    hours: tuple[float, float] | None = None


def truth(events: Iterable[Event], samples: int) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.str_]]:
    """Label and fault of each row of a test."""
    label = np.zeros(samples, np.int8)
    fault = np.full(samples, NO_FAULT, "U16")
    for event in events:
        label[event.rows] = 1
        fault[event.rows] = event.kind
    return label, fault


def plan(
    rng: np.random.Generator,
    kinds: tuple[FaultKind, ...],
    *,
    hour: npt.NDArray[np.float64],
    period_s: float,
    rest_s: float,
) -> tuple[Event, ...]:
    """Spread events over a test whose rows are at the local ``hour`` ``(n,)``, at least ``rest_s`` apart.

    Every kind has the same number of events, at most ``REPEATS[0]``. Raises :class:`ConfigError` when the test is too
    short for one of each.
    """
    needed_s = shortest_test_s(kinds, rest_s)
    if len(hour) * period_s >= needed_s:
        for repeats in REPEATS:
            events = _place(rng, kinds, repeats, hour=hour, period_s=period_s, rest=int(np.ceil(rest_s / period_s)))
            if events:
                return events
    raise ConfigError(
        f"the test needs at least {np.ceil(needed_s / 36) / 100:g} hours to hold one event of each fault; "
        f"found {len(hour) * period_s / 3600:g}; ask for more with --test-hours"
    )


def shortest_test_s(kinds: tuple[FaultKind, ...], rest_s: float) -> float:
    """Seconds that a test must last to hold one event of each kind."""
    room = ROOM * sum(kind.shortest_s + rest_s for kind in kinds)
    return max(room, 2 * DAY_S) if any(kind.hours for kind in kinds) else room


def _place(
    rng: np.random.Generator,
    kinds: tuple[FaultKind, ...],
    repeats: int,
    *,
    hour: npt.NDArray[np.float64],
    period_s: float,
    rest: int,
) -> tuple[Event, ...]:
    """Events at random places that are free, those with the least choice first; none where they do not all fit."""
    samples = len(hour)
    wanted = []
    for kind in kinds:
        clear = rng.permutation(repeats) % 2 == 0
        for index in range(repeats):
            bounds = SINGLE if repeats == 1 else CLEAR if clear[index] else SUBTLE
            longest = kind.longest_s if repeats > 1 else kind.shortest_s
            length = max(1, round(rng.uniform(kind.shortest_s, longest) / period_s))
            wanted.append((kind, length, float(rng.uniform(*bounds))))
    if repeats > 1 and sum(length + rest for _, length, _ in wanted) > CROWDED * samples:
        return ()
    busy = np.zeros(samples, bool)
    busy[: int(np.ceil(QUIET_START * samples))] = True
    events = []
    for kind, length, severity in sorted(wanted, key=lambda item: (item[0].hours is None, -item[1])):
        begins = np.flatnonzero(_free(busy, length + rest) & _within(hour, kind.hours))
        if not len(begins):
            return ()
        start = int(rng.choice(begins))
        busy[max(0, start - rest) : start + length + rest] = True
        events.append(Event(kind.name, start, start + length, severity))
    return tuple(sorted(events, key=lambda event: event.start))


def _free(busy: npt.NDArray[np.bool_], length: int) -> npt.NDArray[np.bool_]:
    """Whether the ``length`` rows from each row on are all there and not busy."""
    free = np.zeros(len(busy), bool)
    if length <= len(busy):
        counts = np.concatenate([[0], np.cumsum(busy)])
        free[: len(busy) - length + 1] = counts[length:] == counts[:-length]
    return free


def _within(hour: npt.NDArray[np.float64], hours: tuple[float, float] | None) -> npt.NDArray[np.bool_]:
    """Whether each row is between two hours of the day."""
    if hours is None:
        return np.ones(len(hour), bool)
    inside: npt.NDArray[np.bool_] = np.logical_and(hour >= hours[0], hour < hours[1])
    return inside
