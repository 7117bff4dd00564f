"""When a simulated pump fails, how, and how badly."""

from __future__ import annotations

import numpy as np

from vedette.errors import ConfigError
from vedette.train.simulators.events import Event
from vedette.train.simulators.processes import FloatArray

# Part of its share of the test that each kind lasts; what grows slowly lasts longest.
DURATIONS = {"bearing_wear": 0.55, "imbalance": 0.35, "cavitation": 0.30, "stuck_sensor": 0.45, "drifting_sensor": 0.55}
FAULTS = tuple(DURATIONS)

QUIET_START = 0.1  # part of the test that is normal before the first event
REST = 0.15  # least part of a share that is normal after its event
MIN_EVENT = 30  # samples
TWICE_FROM_HOURS = 6.0  # shorter tests have one event of each kind, not two

# Severities of a kind's first-listed and second-listed event; which of them comes first is drawn.
SUBTLE, CLEAR, SINGLE = (0.40, 0.55), (0.80, 1.00), (0.65, 0.90)

# Channels that a subtle and a clear sensor fault may strike. A stuck temperature is left out: it hardly differs from a
# steady one.
CHANNEL_CHOICES: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "stuck_sensor": ((0, 1), (3, 5)),
    "drifting_sensor": ((3, 4, 5), (0, 1, 3, 4, 5)),
}


def profile(event: Event) -> FloatArray:
    """Severity at each row of the event, shape ``(stop - start,)``; it never exceeds the event's."""
    part = np.arange(1, event.stop - event.start + 1) / (event.stop - event.start)
    if event.kind == "bearing_wear":
        return event.severity * 0.25 ** (1 - part)
    if event.kind == "drifting_sensor":
        return event.severity * part
    if event.kind == "stuck_sensor":
        return np.full_like(part, event.severity)
    onset = 0.05 if event.kind == "imbalance" else 0.15
    return event.severity * np.minimum(part / onset, 1)


def schedule(rng: np.random.Generator, samples: int, period_s: float) -> tuple[Event, ...]:
    """Spread the events over a test of ``samples`` rows, ``period_s`` apart: two of each kind, or one when it is short.

    Raises :class:`ConfigError` when the test is too short for one event of each kind.
    """
    hours = samples * period_s / 3600
    repeats = 2 if hours >= TWICE_FROM_HOURS else 1
    quiet = int(np.ceil(QUIET_START * samples))
    share = (samples - quiet) / (repeats * len(FAULTS))
    shortest = min(DURATIONS.values())
    if share * shortest < MIN_EVENT:
        needed = MIN_EVENT / shortest * len(FAULTS) / (1 - QUIET_START) * period_s / 3600
        raise ConfigError(
            f"the test needs at least {np.ceil(needed * 100) / 100:g} hours to hold one event of each fault; "
            f"found {hours:g}; ask for more with --test-hours"
        )
    rounds = [rng.permutation(FAULTS) for _ in range(repeats)]
    if repeats == 2 and rounds[0][-1] == rounds[1][0]:
        rounds[1] = rounds[1][::-1]
    subtle_first = {kind: bool(rng.integers(2)) for kind in FAULTS}
    events = []
    for index, kind in enumerate(str(word) for word in np.concatenate(rounds)):
        length = int(share * DURATIONS[kind])
        begin = quiet + index * share
        start = int(begin + rng.uniform(0, share * (1 - REST) - length))
        subtle = repeats == 2 and subtle_first[kind] == (index < len(FAULTS))
        bounds = SINGLE if repeats == 1 else SUBTLE if subtle else CLEAR
        severity = float(rng.uniform(*bounds))
        events.append(Event(kind, start, start + length, severity, _channel(rng, kind, subtle)))
    return tuple(events)


def _channel(rng: np.random.Generator, kind: str, subtle: bool) -> int | None:
    """Draw the channel of a sensor fault."""
    choices = CHANNEL_CHOICES.get(kind)
    return None if choices is None else int(rng.choice(choices[0 if subtle else 1]))


def severity_of(kind: str, events: tuple[Event, ...], samples: int) -> FloatArray:
    """Severity of one kind of fault at each row, shape ``(samples,)``; 0 outside its events."""
    severity = np.zeros(samples)
    for event in events:
        if event.kind == kind:
            severity[event.rows] = profile(event)
    return severity
