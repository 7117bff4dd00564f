"""Scores become incidents: one alert per incident, with one id and a lifecycle new -> update* -> end.

Time here is the sample's own time in seconds, so a replay raises the same alerts as the live stream did.
"""

from __future__ import annotations

import math
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from vedette.runtime.alerting.restraint import Restraint
from vedette.runtime.detection.detector import Reading
from vedette.runtime.detection.signal import SignalSpec

Phase = Literal["new", "update", "end"]

# An open alert is updated when its severity has grown by this factor since it was last told.
UPDATE_GROWTH = 1.5
# An alert names this many channels at most, those with the largest shares.
TOP_CHANNELS = 5


@dataclass(frozen=True)
class AlertPolicy:
    """When an incident opens and closes.

    It opens when ``min_windows`` of the last ``of_windows`` windows were above the threshold and the newest is; by
    default that is ``min_windows`` in a row. It closes when for ``clear_after_s`` no window was above ``clear_ratio``
    times the threshold, and none opens within ``cooldown_s`` after the last one closed.

    The ratio's default is 1. Scores are smoothed already and ``clear_after_s`` keeps short dips from ending an
    incident, while a threshold may be little above what is normal: a ratio below 1 could then keep one open for ever.
    """

    min_windows: int
    clear_after_s: float
    cooldown_s: float
    of_windows: int | None = None
    clear_ratio: float = 1.0

    @property
    def span(self) -> int:
        """How many windows are looked back on: ``of_windows``, and never fewer than ``min_windows``."""
        return max(self.min_windows, self.of_windows or 0)


@dataclass(frozen=True)
class ChannelShare:
    """One channel's part in an alert: its share of the score, and its last reading and the expectation, in its unit."""

    name: str
    share: float
    observed: float
    expected: float


@dataclass(frozen=True)
class Alert:
    """One step in the life of an incident. Times are seconds; ``end`` is None until the incident has ended."""

    alert_id: str
    phase: Phase
    seq: int
    score: float
    threshold: float
    peak: float
    start: float
    end: float | None
    channels: tuple[ChannelShare, ...]
    reason: str | None = None

    @property
    def severity(self) -> float:
        """Peak score over threshold for an ended alert, current score over threshold before."""
        return (self.peak if self.phase == "end" else self.score) / self.threshold


class AlertTracker:
    """Follows the incidents of one stream.

    ``restraint`` says when an incident may be told. During maintenance none is: one that was told ends with the reason
    ``maintenance``, and one that is still there afterwards opens then, without a cooldown. One that the cap holds back
    is told as soon as there is room, if it is still open, and never otherwise.
    """

    def __init__(
        self,
        signal: SignalSpec,
        threshold: float,
        policy: AlertPolicy,
        *,
        restraint: Restraint | None = None,
        new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
    ) -> None:
        self.restraint = restraint or Restraint()
        self._signal = signal
        self._threshold = threshold
        self._clear_line = threshold * policy.clear_ratio
        self._policy = policy
        self._new_id = new_id
        self._open: Alert | None = None
        self._told = False
        # The windows above the threshold among the last ones, as (number, time); since when they are enough.
        self._recent: deque[tuple[int, float]] = deque()
        self._number = 0
        self._since: float | None = None
        self._last_time = -math.inf
        self._longest_step_s = signal.stride * signal.longest_step_s
        self._last_above = 0.0
        self._told_peak = 0.0
        self._closed_at: float | None = None
        self._counted_muted = False

    @property
    def active(self) -> Alert | None:
        """The open incident as last told, or None."""
        return self._open if self._told else None

    @property
    def quiet(self) -> bool:
        """Whether a score at or below the threshold would change nothing, so that :meth:`step` can be left out."""
        return not (self._recent or self._open)

    def step(self, time: float, reading: Reading) -> Alert | None:
        """Take the score of the window that ends at ``time``; return what there is to tell, if anything."""
        score, last, self._last_time = reading.score, self._last_time, time
        above = score > self._threshold
        if not (above or self._recent or self._open):
            return None
        if time - last > self._longest_step_s:  # windows before a gap say nothing about those after it
            self._forget()
        self._count(time, above)
        if self.restraint.muted(time):
            return self._mute(time)
        self._counted_muted = False
        if self._open is None:
            return self._open_new(time, reading) if above and self._may_open(time) else None
        if score > self._clear_line:
            self._last_above = time
            return self._update(time, reading) if above else None
        return self.close(time, reason=None) if time - self._last_above >= self._policy.clear_after_s else None

    def close(self, time: float, *, reason: str | None) -> Alert | None:
        """End the open incident, if there is one; ``reason`` is None when the score came back to normal."""
        ended, told = self._open, self._told
        if ended is None:
            return None
        self._open, self._told = None, False
        self._forget()
        self._closed_at = time
        return self._ended(ended, reason) if told else None

    def restart(self) -> None:
        """Forget what came, cooldown included: the times to come have nothing to do with those before. No incident may
        be open."""
        self._forget()
        self._last_time = -math.inf
        self._closed_at = None
        self._counted_muted = False

    def _count(self, time: float, above: bool) -> None:
        self._number += 1
        recent = self._recent
        while recent and recent[0][0] <= self._number - self._policy.span:
            recent.popleft()
        if above:
            recent.append((self._number, time))
        if len(recent) < self._policy.min_windows:
            self._since = None
        elif self._since is None:
            self._since = recent[0][1]

    def _forget(self) -> None:
        self._recent.clear()
        self._since = None

    def _mute(self, time: float) -> Alert | None:
        if self._since is not None and not self._counted_muted:
            self._counted_muted = True
            self.restraint.muted_incidents += 1
        ended, told = self._open, self._told
        self._open, self._told = None, False
        if ended is None:
            return None
        if self._since is not None:
            self._since = time  # what is left of it is another incident
        return self._ended(ended, "maintenance") if told else None

    def _may_open(self, time: float) -> bool:
        cooling = self._closed_at is not None and 0.0 <= time - self._closed_at < self._policy.cooldown_s
        return self._since is not None and not cooling

    def _open_new(self, time: float, reading: Reading) -> Alert | None:
        assert self._since is not None
        self._last_above = time
        self._open = Alert(
            alert_id=self._new_id(),
            phase="new",
            seq=1,
            score=reading.score,
            threshold=self._threshold,
            peak=reading.score,
            start=self._since,
            end=None,
            channels=(),
        )
        return self._tell_new(time, reading, again=False)

    def _tell_new(self, time: float, reading: Reading, *, again: bool) -> Alert | None:
        assert self._open is not None
        self._told = self.restraint.admit(time, reading.score / self._threshold, again=again)
        if not self._told:
            return None
        self._told_peak = reading.score
        self._open = replace(self._open, score=reading.score, channels=self._shares(reading))
        return self._open

    def _update(self, time: float, reading: Reading) -> Alert | None:
        assert self._open is not None
        if reading.score > self._open.peak:
            self._open = replace(self._open, peak=reading.score)
        if not self._told:
            return self._tell_new(time, reading, again=True)
        if reading.score <= self._told_peak * UPDATE_GROWTH:
            return None
        self._told_peak = reading.score
        self._open = replace(
            self._open, phase="update", seq=self._open.seq + 1, score=reading.score, channels=self._shares(reading)
        )
        return self._open

    def _ended(self, alert: Alert, reason: str | None) -> Alert:
        return replace(alert, phase="end", seq=alert.seq + 1, end=self._last_above, reason=reason)

    def _shares(self, reading: Reading) -> tuple[ChannelShare, ...]:
        signal, shares = self._signal, reading.shares
        observed = reading.observed * signal.scale + signal.mean
        expected = reading.expected * signal.scale + signal.mean
        top = sorted(range(len(shares)), key=lambda i: -shares[i])[:TOP_CHANNELS]
        return tuple(
            ChannelShare(signal.names[i], float(shares[i]), float(observed[i]), float(expected[i])) for i in top
        )
