"""Scores become incidents: one alert per incident, with one id and a lifecycle new -> update* -> end.

Time here is the sample's own time in seconds, so a replay raises the same alerts as the live stream did.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from vedette.runtime.detector import Reading
from vedette.runtime.signal import SignalSpec

Phase = Literal["new", "update", "end"]

# An open alert is updated when its severity has grown by this factor since it was last told.
UPDATE_GROWTH = 1.5
# An alert names this many channels at most, those with the largest shares.
TOP_CHANNELS = 5


@dataclass(frozen=True)
class AlertPolicy:
    """When an incident opens and closes.

    It opens at the ``min_windows``-th consecutive window above the threshold, closes when no window was above it for
    ``clear_after_s``, and none opens within ``cooldown_s`` after the last one closed.
    """

    min_windows: int
    clear_after_s: float
    cooldown_s: float


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
    """Follows the incidents of one stream."""

    def __init__(
        self,
        signal: SignalSpec,
        threshold: float,
        policy: AlertPolicy,
        *,
        new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
    ) -> None:
        self._signal = signal
        self._threshold = threshold
        self._policy = policy
        self._new_id = new_id
        self._open: Alert | None = None
        self._above = 0
        self._first_above = 0.0
        self._last_above = 0.0
        self._told_peak = 0.0
        self._closed_at: float | None = None

    @property
    def active(self) -> Alert | None:
        """The open incident as last told, or None."""
        return self._open

    def step(self, time: float, reading: Reading) -> Alert | None:
        """Take the score of the window that ends at ``time``; return what there is to tell, if anything."""
        if reading.score > self._threshold:
            self._above += 1
            if self._above == 1:
                self._first_above = time
            self._last_above = time
            return self._update(time, reading) if self._open else self._maybe_open(time, reading)
        self._above = 0
        if self._open and time - self._last_above >= self._policy.clear_after_s:
            return self.close(time, reason=None)
        return None

    def close(self, time: float, *, reason: str | None) -> Alert | None:
        """End the open incident, if there is one; ``reason`` is None when the score came back to normal."""
        if self._open is None:
            return None
        ended = replace(self._open, phase="end", seq=self._open.seq + 1, end=self._last_above, reason=reason)
        self._open = None
        self._above = 0
        self._closed_at = time
        return ended

    def _maybe_open(self, time: float, reading: Reading) -> Alert | None:
        cooling = self._closed_at is not None and time - self._closed_at < self._policy.cooldown_s
        if self._above < self._policy.min_windows or cooling:
            return None
        self._told_peak = reading.score
        self._open = Alert(
            alert_id=self._new_id(),
            phase="new",
            seq=1,
            score=reading.score,
            threshold=self._threshold,
            peak=reading.score,
            start=self._first_above,
            end=None,
            channels=self._shares(reading),
        )
        return self._open

    def _update(self, time: float, reading: Reading) -> Alert | None:
        assert self._open is not None
        if reading.score > self._open.peak:
            self._open = replace(self._open, peak=reading.score)
        if reading.score <= self._told_peak * UPDATE_GROWTH:
            return None
        self._told_peak = reading.score
        self._open = replace(
            self._open, phase="update", seq=self._open.seq + 1, score=reading.score, channels=self._shares(reading)
        )
        return self._open

    def _shares(self, reading: Reading) -> tuple[ChannelShare, ...]:
        signal, shares = self._signal, reading.shares
        observed = reading.observed * signal.scale + signal.mean
        expected = reading.expected * signal.scale + signal.mean
        top = sorted(range(len(shares)), key=lambda i: -shares[i])[:TOP_CHANNELS]
        return tuple(
            ChannelShare(signal.names[i], float(shares[i]), float(observed[i]), float(expected[i])) for i in top
        )
