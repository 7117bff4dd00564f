"""The event ids of the log: what a line is about, in a word that scripts and dashboards may rely on.

An id keeps its meaning for ever; one that is no longer used is not given to anything else.
``docs/reference/log-events.md`` lists them and is checked against this module.
"""

from __future__ import annotations

from enum import Enum, unique
from typing import Any


@unique
class Event(Enum):
    """Ids, by part of the gateway; pass one to each log call: ``log.info(text, extra=about(Event.CONNECTED))``."""

    STARTED = "gateway.started"
    STOPPED = "gateway.stopped"
    FAILED = "gateway.failed"
    CRASHED = "gateway.crashed"
    RELOADING = "reload.begun"
    RELOADED = "reload.done"
    RELOAD_FAILED = "reload.failed"
    STALLED = "watchdog.stalled"
    GOES_ON = "watchdog.goes_on"
    SERVING = "observe.serving"
    OBSERVE_FAILED = "observe.failed"
    STREAM_LOADED = "stream.loaded"
    SOURCE_ENDED = "source.ended"
    SOURCE_FAILED = "source.failed"
    STREAM_NOTICE = "stream.notice"
    STREAM_RESTARTED = "stream.restarted"
    SAMPLE_REJECTED = "sample.rejected"
    ALERT = "alert.step"
    FAULT = "fault.step"
    ALERTS_SUPPRESSED = "alerts.suppressed"
    ALERTS_STORED = "alerts.stored"
    ALERTS_LOST = "alerts.lost"
    ALERTS_HELD = "alerts.held"
    ALERTS_LEFT_OPEN = "alerts.left_open"
    ALERTS_SENT_AGAIN = "alerts.sent_again"
    OUTBOX_FAILED = "outbox.failed"
    CONNECTED = "broker.connected"
    NO_CONNECTION = "broker.no_connection"
    SUBSCRIPTION_REFUSED = "broker.subscription_refused"
    MESSAGE_FAILED = "broker.message_failed"
    OLD_PROTOCOL = "broker.old_protocol"
    SERIAL_OPENED = "serial.opened"
    SERIAL_LOST = "serial.lost"
    SERIAL_DEVICE = "serial.device"
    SERIAL_LOG = "serial.log"
    SERIAL_LOSSES = "serial.losses"
    NOT_AN_ALERT = "listen.not_an_alert"
    SUPPRESSED = "log.suppressed"
    OTHER = "other"


def about(event: Event, **fields: Any) -> dict[str, Any]:
    """The ``extra`` of a log call: its event id, and what a machine wants to read without parsing the text."""
    return {"event": event, "fields": fields}
