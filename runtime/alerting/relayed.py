"""The incidents of a device that scores by itself, as the gateway tells them."""

from __future__ import annotations

from dataclasses import replace

from vedette.runtime.alerting.alerts import Alert, AlertTracker, ChannelShare, Phase
from vedette.runtime.ingest.relayed import RelayedStep

DEVICE_RESTARTED = "device restarted"
# An incident whose end the device has given up, or could not tell.
SUPERSEDED = "superseded"


class RelayedTracker(AlertTracker):
    """Follows the incidents that a device opens and ends; policy and threshold are the device's.

    Maintenance and the cap restrain them as they do the gateway's own. An incident that this tracker does not know
    opens with whatever step comes first: the gateway may have started since, or maintenance have ended.
    """

    _incident: str | None = None
    _taken = 0

    def relay(self, step: RelayedStep) -> list[Alert]:
        """Take a step; what there is to tell of it, in order."""
        told = []
        if self._open is not None and self._incident != step.incident:
            ended = self.close(step.time, reason=SUPERSEDED)
            told += [ended] if ended else []
        if step.incident != self._incident:
            self._incident, self._taken, self._counted_muted = step.incident, 0, False
        if step.number <= self._taken:
            return told  # it has come before
        self._taken = step.number
        alert = self._take(step)
        return [*told, alert] if alert else told

    def _take(self, step: RelayedStep) -> Alert | None:
        if step.phase == "end":
            return self._end(step)
        if self.restraint.muted(step.time):
            return self._keep_back(step.time)
        again = self._open is not None
        if self._open is None:
            self._open = Alert(
                self._new_id(), "new", 1, step.score, step.threshold, step.peak, step.start, None, _shares(step)
            )
        self._last_above = step.time
        phase: Phase = "update" if self._told else "new"
        seq = self._open.seq + self._told
        if not self._told:
            self._told = self.restraint.admit(step.time, step.score / step.threshold, again=again)
        if not self._told:
            return None
        self._open = replace(
            self._open, phase=phase, seq=seq, score=step.score, peak=step.peak, threshold=step.threshold,
            channels=_shares(step),
        )  # fmt: skip
        return self._open

    def _end(self, step: RelayedStep) -> Alert | None:
        if self._open is None:
            return None
        self._open = replace(self._open, score=step.score, peak=step.peak)
        self._last_above = step.end
        return self.close(step.time, reason=None)

    def _keep_back(self, time: float) -> Alert | None:
        if not self._counted_muted:
            self._counted_muted = True
            self.restraint.muted_incidents += 1
        return self.close(time, reason="maintenance")


def _shares(step: RelayedStep) -> tuple[ChannelShare, ...]:
    return tuple(ChannelShare(*share) for share in step.shares)
