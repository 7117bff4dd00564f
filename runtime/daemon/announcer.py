"""What streams have to tell becomes events on their way out: steps of alerts and faults, and what caps held back."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from vedette.runtime.alerting.alert_cap import AlertCap, Suppressed
from vedette.runtime.alerting.alerts import Alert
from vedette.runtime.alerting.faults import Fault
from vedette.runtime.bundles.bundle import Bundle
from vedette.runtime.delivery.cloudevents import (
    alert_event,
    clock_synced,
    encode,
    fault_event,
    model_record,
    suppressed_event,
)
from vedette.runtime.delivery.outbox import OutgoingAlert
from vedette.runtime.events import Event, about

log = logging.getLogger(__name__)

# What a fault counts in the outbox: any alert is worth more.
FAULT_SEVERITY = 1.0


class Announcer:
    """Makes the events, gives them to ``send``, and counts them. It owns the caps on alerts per hour."""

    def __init__(
        self,
        gateway: str,
        max_per_hour: int,
        *,
        send: Callable[[OutgoingAlert], None],
        on_alert: Callable[[str, float, Alert], None] = lambda *_: None,
        when_stored: Callable[[Callable[[], None]], None] = lambda tell: tell(),
    ) -> None:
        """``on_alert`` hears of each step of an alert too: the stream, the time of the window's last row, the step.

        ``when_stored`` calls what it is given once all that was sent before is stored.
        """
        self.alerts_raised = self.faults_raised = 0
        self._gateway, self._max_per_hour = gateway, max_per_hour
        self._send, self._on_alert = send, on_alert
        self.when_stored = when_stored
        self._cap = AlertCap(max_per_hour, clock=time.monotonic)
        self._own_caps: list[AlertCap] = []
        self._suppressed = 0

    @property
    def suppressed(self) -> int:
        """Incidents that the caps have held back since the start."""
        return self._suppressed + sum(cap.suppressed for cap in (self._cap, *self._own_caps))

    def cap(self, *, live: bool) -> AlertCap:
        """The cap for an entry: the gateway's, or one of its own for a replay, whose alerts are the same each time and
        so are counted in their own time."""
        if live:
            return self._cap
        self._own_caps.append(AlertCap(self._max_per_hour))
        return self._own_caps[-1]

    def retire(self, cap: AlertCap) -> None:
        """An entry that had this cap is gone; what is to be told of it is told now."""
        if cap in self._own_caps:
            self._summarise(cap, flush=True)
            self._own_caps.remove(cap)
            self._suppressed += cap.suppressed

    def alert(
        self, bundle: Bundle, stream: str, at: float, alert: Alert, *, model: dict[str, Any] | None = None
    ) -> None:  # fmt: skip
        """A step of an alert; ``model`` says what raised it, where that is not the bundle."""
        self.alerts_raised += 1
        self._on_alert(stream, at, alert)
        origin = self._origin(bundle, stream)
        if model is not None:
            origin["model"] = model
        event = alert_event(alert, time=at, **origin)
        goes_on = alert.phase != "end"
        self._send(
            OutgoingAlert(event["id"], self._topic(stream), alert.severity, at, encode(event), alert.alert_id, goes_on)
        )
        extra = about(Event.ALERT, stream=stream, phase=alert.phase, severity=alert.severity)
        log.info("%s: alert %s, severity %.2f", stream, alert.phase, alert.severity, extra=extra)

    def fault(self, bundle: Bundle, stream: str, at: float, fault: Fault) -> None:
        """A step of a fault."""
        self.faults_raised += 1
        event = fault_event(fault, time=at, **self._origin(bundle, stream))
        goes_on = fault.phase != "end"
        self._send(
            OutgoingAlert(event["id"], self._topic(stream), FAULT_SEVERITY, at, encode(event), fault.fault_id, goes_on)
        )
        extra = about(Event.FAULT, stream=stream, phase=fault.phase, kind=fault.kind)
        log.warning("%s: fault %s: %s: %s", stream, fault.phase, fault.kind, fault.reason or fault.detail, extra=extra)

    def summarise(self, *, flush: bool = False) -> None:
        """Tell what the caps have held back, at most once in their interval; with ``flush`` everything now."""
        for cap in (self._cap, *self._own_caps):
            self._summarise(cap, flush=flush)

    def _summarise(self, cap: AlertCap, *, flush: bool) -> None:
        for found in cap.summaries(flush=flush):
            self._tell_suppressed(found)

    def _tell_suppressed(self, found: Suppressed) -> None:
        most = self._max_per_hour
        event = suppressed_event(found, gateway=self._gateway, max_per_hour=most, clock_synced=clock_synced())
        # As severe as the worst that it stands for: it must not be the first to go.
        self._send(
            OutgoingAlert(event["id"], f"vedette/{self._gateway}/alert", found.worst_severity, found.end, encode(event))
        )
        told = (found.alerts, found.faults)
        extra = about(Event.ALERTS_SUPPRESSED, alerts=found.alerts, faults=found.faults)
        log.warning("suppressed: %d alert(s) and %d fault(s), above %d an hour", *told, most, extra=extra)

    def _topic(self, stream: str) -> str:
        return f"vedette/{self._gateway}/alert/{stream}"

    def _origin(self, bundle: Bundle, stream: str) -> dict[str, Any]:
        return {
            "gateway": self._gateway,
            "stream": stream,
            "model": model_record(bundle),
            "clock_synced": clock_synced(),
        }
