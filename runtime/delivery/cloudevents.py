"""Alerts, faults and summaries as CloudEvents 1.0 in structured JSON, which reads the same over MQTT 3.1.1 and 5."""

from __future__ import annotations

import ctypes
import json
import math
import uuid
from typing import Any
from urllib.parse import quote

from vedette.runtime.alerting.alert_cap import Suppressed
from vedette.runtime.alerting.alerts import Alert
from vedette.runtime.alerting.faults import Fault
from vedette.runtime.bundles.bundle import Bundle
from vedette.runtime.times import iso_time

TYPE_PREFIX, FAULT_PREFIX, SUPPRESSED_TYPE = "io.vedette.alert.", "io.vedette.fault.", "io.vedette.suppressed"
# A fault names this many channels at most, a summary as many streams; both say how many there are.
MAX_NAMED = 20
# What `vedette check` sends to an alert topic; no alert.
TYPE_CHECK = "io.vedette.check"
# An alert whose time is this far back when it leaves the gateway is news of the past.
HISTORICAL_AFTER_S = 300.0
# From <sys/timex.h>: what adjtimex() answers where the kernel's clock is not synchronised.
_TIME_ERROR = 5
# Larger than any libc's struct timex, whose first field, 0, means: only read.
_TIMEX_BYTES = 512


def alert_event(
    alert: Alert, *, time: float, gateway: str, stream: str, model: dict[str, Any], clock_synced: bool | None
) -> dict[str, Any]:
    """The event that tells one step of an alert.

    ``time`` is the sample time of the step in seconds, ``stream`` the stream's name, ``name/device`` where one entry
    has many, and ``model`` what :func:`model_record` gives. The event's ``id`` is its own; all steps of one incident
    share ``alert_id``.
    """
    data: dict[str, Any] = {
        "alert_id": alert.alert_id,
        "phase": alert.phase,
        "seq": alert.seq,
        "severity": _number(alert.severity),
        "score": _number(alert.score),
        "threshold": _number(alert.threshold),
        "start": iso_time(alert.start),
        "end": None if alert.end is None else iso_time(alert.end),
        "peak": _number(alert.peak),
        "channels": [
            {
                "name": channel.name,
                "share": _number(channel.share),
                "observed": _number(channel.observed),
                "expected": _number(channel.expected),
            }
            for channel in alert.channels
        ],
        "model": model,
        "historical": False,
        "clock_synced": clock_synced,
    }
    if alert.reason is not None:
        data["reason"] = alert.reason
    return _event(TYPE_PREFIX + alert.phase, time, gateway, stream, data)


def fault_event(
    fault: Fault, *, time: float, gateway: str, stream: str, model: dict[str, Any], clock_synced: bool | None
) -> dict[str, Any]:
    """The event that tells one step of a fault; see :func:`alert_event`. All its steps share ``fault_id``."""
    data: dict[str, Any] = {
        "fault_id": fault.fault_id,
        "phase": fault.phase,
        "seq": fault.seq,
        "kind": fault.kind,
        "start": iso_time(fault.start),
        "end": None if fault.end is None else iso_time(fault.end),
        "channels": list(fault.channels[:MAX_NAMED]),
        "channels_total": len(fault.channels),
        "detail": fault.detail,
        "model": model,
        "historical": False,
        "clock_synced": clock_synced,
    }
    if fault.reason is not None:
        data["reason"] = fault.reason
    return _event(FAULT_PREFIX + fault.phase, time, gateway, stream, data)


def suppressed_event(
    found: Suppressed, *, gateway: str, max_per_hour: int, clock_synced: bool | None
) -> dict[str, Any]:
    """The event that tells how many incidents the cap has held back, by stream, those with the most first."""
    most = sorted(found.streams.items(), key=lambda item: -sum(item[1].values()))
    data = {
        "alerts": found.alerts,
        "faults": found.faults,
        "start": iso_time(found.start),
        "end": iso_time(found.end),
        "worst": {"stream": found.worst_stream, "severity": _number(found.worst_severity)},
        "streams": [{"name": name, **counts} for name, counts in most[:MAX_NAMED]],
        "streams_total": len(most),
        "max_per_hour": max_per_hour,
        "historical": False,
        "clock_synced": clock_synced,
    }
    return _event(SUPPRESSED_TYPE, found.end, gateway, None, data)


def _event(kind: str, time: float, gateway: str, stream: str | None, data: dict[str, Any]) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "source": f"/{quote(gateway)}" + ("" if stream is None else f"/{quote(stream, safe='/%')}"),
        "type": kind,
        "time": iso_time(time),
        "datacontenttype": "application/json",
        "data": data,
    }


def model_record(bundle: Bundle) -> dict[str, Any]:
    """Which model raised an alert."""
    manifest = bundle.manifest
    return {
        "name": manifest.name,
        "version": manifest.version,
        "sequence": manifest.sequence,
        "sha256": bundle.sha256,
    }


def encode(event: dict[str, Any]) -> bytes:
    """The event as compact UTF-8 JSON."""
    return json.dumps(event, separators=(",", ":"), allow_nan=False, ensure_ascii=False).encode()


def number_event(payload: bytes, sequence: int) -> bytes:
    """The encoded event with the gateway's sequence number, as CloudEvents has it: text whose order is the numbers'.

    >>> number_event(b'{"id":"a"}', 7)
    b'{"id":"a","sequence":"00000000000000000007"}'
    """
    return b'%s,"sequence":"%020d"}' % (payload[:-1], sequence)


def mark_historical(payload: bytes, *, event_time: float, now: float) -> bytes:
    """The stored payload as it leaves the gateway at ``now``: an old alert says that it is old."""
    if now - event_time <= HISTORICAL_AFTER_S:
        return payload
    event = json.loads(payload)
    event["data"]["historical"] = True
    return encode(event)


def clock_synced() -> bool | None:
    """Whether the kernel says that its clock is synchronised (by any NTP client); None where it does not say."""
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    except (OSError, AttributeError):
        return None
    return None if state < 0 else state != _TIME_ERROR


def _number(value: float) -> float | None:
    """Six significant digits; None for what JSON cannot carry."""
    return float(f"{value:.6g}") if math.isfinite(value) else None
