"""The alerts of a device that scores by itself, on their way to the gateway's own."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Literal, NamedTuple, cast

from vedette.firmware_bridge.link.columns import MismatchError
from vedette.firmware_bridge.link.session import Device, Scored, Step
from vedette.runtime.ingest.relayed import RelayedScore, RelayedShare, RelayedStart, RelayedStep

# A step on its way to the disk is not taken again when the device repeats it, unless this has passed: then it was lost
# on the way, for example because the inbox was full.
PATIENCE_S = 30.0
MAX_WAITING = 64


class StepKey(NamedTuple):
    """Which step: of the device's start ``session``, its incident and its number in it."""

    session: int
    incident: int
    step: int


class Relay:
    """Gives each step of the device's incidents, and while it is on its way to the disk not again. For one thread."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._device: Device | None = None
        self._session: int | None = None
        self._waiting: dict[StepKey, float] = {}  # when each was given

    def greet(self, device: Device) -> RelayedStart:
        """The device is there. Raises :class:`MismatchError` where it does not score."""
        hello = device.hello
        self._device = None
        if not (hello.scores and hello.model):
            raise MismatchError(
                f"relay = true, but the firmware of {hello.device} does not score by itself; leave relay out, and the "
                "gateway scores its samples"
            )
        anew = self._session is not None and self._session != hello.session
        self._device, self._session = device, hello.session
        return RelayedStart(hello.model, hello.model_version, hello.model_sequence, anew)

    def score(self, scored: Scored, to_wall: float) -> RelayedScore:
        """The device's newest score; ``to_wall`` is what the wall clock is ahead of the monotonic one."""
        return RelayedScore(scored.time + to_wall, scored.score.score)

    def step(self, step: Step, to_wall: float, stored: Callable[[StepKey], None]) -> RelayedStep | None:
        """A step of an incident, None where it is on its way already.

        ``stored`` is called when it is stored, by another thread; tell :meth:`done` then.
        """
        assert self._device is not None
        alert, session, now = step.alert, self._device.hello.session, self._clock()
        key = StepKey(session, alert.incident, alert.step)
        if now - self._waiting.get(key, -PATIENCE_S) < PATIENCE_S:
            return None
        while len(self._waiting) >= MAX_WAITING:
            del self._waiting[next(iter(self._waiting))]
        self._waiting[key] = now
        names = [name for name, _ in self._device.channels]
        return RelayedStep(
            incident=f"{session:08x}-{alert.incident}",
            number=alert.step,
            phase=cast("Literal['new', 'update', 'end']", alert.phase),
            time=step.time + to_wall,
            start=step.start + to_wall,
            end=step.end + to_wall,
            score=alert.score,
            threshold=alert.threshold,
            peak=alert.peak,
            shares=tuple(
                RelayedShare(names[share.channel], share.share, share.observed, share.expected)
                for share in alert.shares
            ),
            stored=partial(stored, key),
        )

    def done(self, key: StepKey) -> bool:
        """That step is stored; whether the device still waits to hear of it."""
        self._waiting.pop(key, None)
        return self._device is not None and key.session == self._session
