"""What may keep the incidents of one stream from being told: maintenance, and the gateway's cap on alerts."""

from __future__ import annotations

from vedette.runtime.alerting.alert_cap import AlertCap, Kind
from vedette.runtime.alerting.maintenance import Mute


class Restraint:
    """What restrains the incidents of one kind of one stream; without a mute and a cap, nothing.

    ``muted_incidents`` counts those kept back by maintenance.
    """

    def __init__(
        self, stream: str = "", kind: Kind = "alerts", *, mute: Mute | None = None, cap: AlertCap | None = None
    ) -> None:
        self.muted_incidents = 0
        self._stream, self._kind, self._mute, self._cap = stream, kind, mute, cap

    def mute_by(self, mute: Mute | None) -> None:
        """Let other maintenance mute the stream from now on."""
        self._mute = mute

    def muted(self, time: float) -> bool:
        """Whether maintenance is under way at that sample time."""
        return self._mute is not None and self._mute.active(time)

    def admit(self, time: float, severity: float, *, again: bool) -> bool:
        """Whether an incident may be told now; ``again`` where it was refused before, so that it counts once."""
        return self._cap is None or self._cap.admit(time, self._stream, self._kind, severity, again=again)
