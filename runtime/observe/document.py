"""A snapshot as the JSON document that ``vedette status --json`` prints and the status page reads."""

from __future__ import annotations

import json
import math
import os
import time
from pathlib import Path
from typing import Any

from vedette.runtime.alerting.alerts import Alert
from vedette.runtime.delivery.database import bytes_of
from vedette.runtime.observe.snapshot import Snapshot, StreamView
from vedette.runtime.times import iso_time

# From this age on a snapshot says that the scoring thread is stuck, and not that it is busy.
STUCK_S = 5.0


def document(snapshot: Snapshot) -> dict[str, Any]:
    """Everything there is to show. Runs on the reader's thread: it asks the file system and the kernel."""
    age_s = time.monotonic() - snapshot.made
    reasons = list(snapshot.reasons)
    if age_s > STUCK_S:
        reasons.insert(0, f"scoring: no progress for {age_s:.0f} s; what is shown is as old")
    counters, scoring = snapshot.counters, snapshot.scoring
    samples = counters.get("samples", 0)
    return {
        "gateway": snapshot.gateway,
        "version": snapshot.version,
        "state": "degraded" if reasons else "online" if snapshot.connection.online else "offline",
        "reasons": reasons,
        "time": iso_time(snapshot.time),
        "age_s": round(age_s, 3),
        "started": snapshot.started,
        "uptime_s": round(snapshot.uptime_s, 1),
        "clock_synced": snapshot.clock_synced,
        "reloads": snapshot.reloads,
        "connection": {
            "online": snapshot.connection.online,
            "broker": snapshot.connection.broker,
            "mqtt_version": snapshot.connection.version,
            "cannot_see": snapshot.connection.cannot_see,
            "connections": counters.get("connections", 0),
        },
        "outbox": {
            "pending": counters.get("alerts_pending", 0),
            "dropped": counters.get("alerts_dropped", 0),
            "bytes": bytes_of(snapshot.outbox_path),
            "max_bytes": snapshot.outbox_max_bytes,
        },
        "counters": counters,
        "alert_steps": snapshot.alert_steps,
        "scoring": {
            "seconds": round(scoring.seconds, 6),
            "us_per_sample": round(1e6 * scoring.seconds / samples, 1) if samples else None,
            "longest_round_ms": round(1e3 * scoring.longest_round_s, 3),
            "waiting": scoring.waiting,
        },
        "rss_bytes": rss_bytes(),
        "parts": [
            {"part": part.part, "stalled": part.stalled, "age_s": round(part.age_s, 1)} for part in snapshot.parts
        ],
        "entries": list(snapshot.entries),
        "streams": [_stream(view) for view in snapshot.streams],
        "recent": [
            {"stream": step.stream, "time": iso_time(step.time), **_alert(step.alert)} for step in snapshot.recent
        ],
    }


def encode(snapshot: Snapshot) -> bytes:
    """The document as UTF-8 JSON on one line."""
    return json.dumps(document(snapshot), separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def rss_bytes() -> int:
    """The memory of this process that is in RAM; 0 where the kernel does not say."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def _stream(view: StreamView) -> dict[str, Any]:
    return {
        "name": view.name,
        "entry": view.entry,
        "model": view.model,
        "score": number(view.score),
        "threshold": number(view.threshold),
        "severity": number(view.severity),
        "last_sample_age_s": None if view.age_s is None else round(view.age_s, 1),
        "alert": None if view.alert is None else _alert(view.alert),
        "faults": list(view.faults),
        "maintenance": view.maintenance,
    }


def _alert(alert: Alert) -> dict[str, Any]:
    return {
        "alert_id": alert.alert_id,
        "phase": alert.phase,
        "severity": number(alert.severity),
        "since": iso_time(alert.start),
        "reason": alert.reason,
        "channels": [{"name": channel.name, "share": number(channel.share)} for channel in alert.channels],
    }


def number(value: float | None) -> float | None:
    """Six significant digits; None for what JSON cannot carry."""
    return None if value is None or not math.isfinite(value) else float(f"{value:.6g}")
