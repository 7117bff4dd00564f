"""What a device that scores by itself has to say: its start, its newest score, and the steps of its incidents.

Times are seconds since 1970. The gateway passes the incidents on as its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple


class RelayedStart(NamedTuple):
    """The device is there, with that detector; what it left open before it will not end.

    ``anew`` where it has started since it was last heard; else only the connection is new.
    """

    model: str
    version: str
    sequence: int
    anew: bool


class RelayedScore(NamedTuple):
    """The device's newest score."""

    time: float
    score: float


class RelayedShare(NamedTuple):
    """One channel's part in an incident: share of the score, last reading and expectation in the channel's unit."""

    name: str
    share: float
    observed: float
    expected: float


class RelayedStep(NamedTuple):
    """One step of an incident; it may come twice.

    ``incident`` is the device's own name for it, ``number`` counts its steps. ``time`` is that of the window's last
    row; ``end`` counts in the phase ``end`` alone. ``stored`` is to be called once the step is stored durably, or there
    is nothing to store.
    """

    incident: str
    number: int
    phase: Literal["new", "update", "end"]
    time: float
    start: float
    end: float
    score: float
    threshold: float
    peak: float
    shares: tuple[RelayedShare, ...]
    stored: Callable[[], None]


Relayed = RelayedStart | RelayedScore | RelayedStep
