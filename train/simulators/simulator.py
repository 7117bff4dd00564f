"""What a simulator is: a kind of ``vedette simulate``, with everything that its users need to know about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from vedette.errors import ConfigError
from vedette.train.simulators.events import Event, FaultKind, plan, truth
from vedette.train.simulators.processes import Clock, FloatArray, Streams
from vedette.train.simulators.recording import Recording

Progress = Callable[[float], None]
Run = Callable[[int, float, float, "Progress | None"], tuple[Recording, Recording]]


@dataclass(frozen=True)
class Simulator:
    """One kind of data: ``simulator(seed, train_hours, test_hours, progress)`` gives train and test.

    ``title`` says what is simulated; ``units`` has a unit for every channel, empty where it is a plain number;
    ``faults`` are the words in the column ``fault``; ``parameters`` is the documented dataclass of its numbers. The
    hours are the defaults, and ``max_hours`` the most that each part may last.
    """

    title: str
    units: Mapping[str, str]
    faults: tuple[str, ...]
    period_s: float
    train_hours: float
    test_hours: float
    max_hours: float
    parameters: Any
    run: Run

    @property
    def channels(self) -> tuple[str, ...]:
        """The names of the channels, in the order of the columns."""
        return tuple(self.units)

    def __call__(
        self,
        seed: int,
        train_hours: float | None = None,
        test_hours: float | None = None,
        progress: Progress | None = None,
    ) -> tuple[Recording, Recording]:
        """Simulate normal operation, then go on with faults; the same seed gives the same values.

        ``progress`` is told the part done, 0 to 1. Raises :class:`ConfigError` when a part is too short or too long.
        """
        train_hours = self.train_hours if train_hours is None else train_hours
        test_hours = self.test_hours if test_hours is None else test_hours
        for hours in (train_hours, test_hours):
            samples_in(hours, self.period_s, self.max_hours)
        return self.run(seed, train_hours, test_hours, progress)


def samples_in(hours: float, period_s: float, max_hours: float) -> int:
    """Return the number of samples in some hours; refuse what is none, not a number, or too much."""
    least = period_s / 3600
    if not least <= hours <= max_hours:
        raise ConfigError(
            f"a simulation of this kind lasts from one sample ({least:.2g} hours) to {max_hours:g} hours; "
            f"found {hours:g} hours; change --train-hours or --test-hours"
        )
    return round(hours * 3600 / period_s)


@dataclass(frozen=True)
class Part:
    """One part of a recording to be simulated: ``common`` draws what train and test share, ``own`` what they do not."""

    common: Streams
    own: Streams
    clock: Clock
    events: tuple[Event, ...]


# Values in the units of the channels, ``(n, channels)``, and the events as they came about.
Live = Callable[[Part], tuple[FloatArray, tuple[Event, ...]]]


def two_parts(
    live: Live,
    *,
    channels: tuple[str, ...],
    faults: tuple[FaultKind, ...],
    period_s: float,
    rest_s: float,
) -> Run:
    """The ``run`` of a simulator whose parts are independent of each other but for what they share by seed."""

    def run(seed: int, train_hours: float, test_hours: float, progress: Progress | None) -> tuple[Recording, Recording]:
        trained, tested = (round(hours * 3600 / period_s) for hours in (train_hours, test_hours))
        common = Streams(seed, "common")
        clock = Clock.rows(trained, tested, period_s)
        planned = plan(Streams(seed, "test")["faults"], faults, hour=clock.hour, period_s=period_s, rest_s=rest_s)
        told = progress or (lambda _: None)
        first = Clock.rows(0, trained, period_s)
        normal, _ = live(Part(common, Streams(seed, "train"), first, ()))
        told(trained / (trained + tested))
        values, events = live(Part(common, Streams(seed, "test"), clock, planned))
        told(1.0)
        times = [np.asarray(part.times) for part in (first, clock)]
        return Recording(channels, times[0], normal), Recording(channels, times[1], values, *truth(events, tested))

    return run
