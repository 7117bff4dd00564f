"""A snapshot in Prometheus' text format (version 0.0.4).

The format is a few lines of text, so the gateway carries no client library for it; the tests read what is written here
with the library's own parser.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable

from vedette.runtime.delivery.database import bytes_of
from vedette.runtime.observe.document import rss_bytes
from vedette.runtime.observe.snapshot import Snapshot

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Labels = dict[str, str]
Value = tuple[Labels, float | None]

# What the daemon counts, by the name it has in the status message.
_COUNTERS = {
    "samples": ("samples", "Samples taken in."),
    "rejected": ("samples_rejected", "Payloads and samples that were rejected."),
    "input_overflow": ("samples_overflow", "Samples lost because the inbox was full."),
    "alerts_confirmed": ("alerts_confirmed", "Alert events that the broker confirmed."),
    "alerts_acknowledged": ("alerts_acknowledged", "Alert events that a consumer acknowledged."),
    "publishes_refused": ("publishes_refused", "Publishes that the broker refused."),
    "connections": ("connections", "Connections made to the broker."),
}


def text(snapshot: Snapshot) -> str:
    """All metrics, in the order in which they are documented."""
    gateway = {"gateway": snapshot.gateway}
    counters, scoring = snapshot.counters, snapshot.scoring
    families: list[str] = []

    def add(name: str, kind: str, help_text: str, values: Iterable[Value]) -> None:
        families.append(_family(name, kind, help_text, [({**gateway, **labels}, value) for labels, value in values]))

    def one(name: str, kind: str, help_text: str, value: float | None) -> None:
        add(name, kind, help_text, [({}, value)])

    add("info", "gauge", "Always 1; the version is a label.", [({"version": snapshot.version}, 1)])
    one("snapshot_age_seconds", "gauge", "Age of these values.", max(0.0, time.monotonic() - snapshot.made))
    one("uptime_seconds", "gauge", "Since the start of the daemon.", snapshot.uptime_s)
    one("degraded", "gauge", "How many reasons there are to be degraded.", len(snapshot.reasons))
    one("connected", "gauge", "1 while the broker is connected.", snapshot.connection.online)
    for key, (name, help_text) in _COUNTERS.items():
        if key in counters:
            one(f"{name}_total", "counter", help_text, counters[key])
    phases = [({"phase": phase}, float(count)) for phase, count in snapshot.alert_steps.items()]
    add("alerts_total", "counter", "Alert events raised, by phase.", phases)
    one("alerts_open", "gauge", "Incidents that are open.", sum(view.alert is not None for view in snapshot.streams))
    one("alerts_pending", "gauge", "Alert events not yet confirmed.", counters.get("alerts_pending"))
    # Since the outbox was made, and not since the start: a gauge in Prometheus' terms only if the outbox is replaced.
    one("alerts_dropped_total", "counter", "Alert events dropped for want of space.", counters.get("alerts_dropped"))
    one("outbox_bytes", "gauge", "Size of the outbox's files.", bytes_of(snapshot.outbox_path))
    one("outbox_max_bytes", "gauge", "Quota of the outbox.", snapshot.outbox_max_bytes)
    one("inbox_samples", "gauge", "Payloads that wait to be scored.", scoring.waiting)
    one("scoring_seconds_total", "counter", "Time spent in rounds that scored.", scoring.seconds)
    one(
        "scoring_longest_round_seconds",
        "gauge",
        "The longest of them since the snapshot before.",
        scoring.longest_round_s,
    )
    one("reloads_total", "counter", "Configurations taken over without a restart.", snapshot.reloads)
    one("resident_memory_bytes", "gauge", "Memory of the daemon in RAM.", rss_bytes())
    parts = [({"part": part.part}, float(part.stalled)) for part in snapshot.parts]
    add("part_stalled", "gauge", "1 where a part of the daemon makes no progress.", parts)
    streams = [({"stream": view.name}, view) for view in snapshot.streams]
    add("stream_score", "gauge", "Last score.", [(label, view.score) for label, view in streams])
    add("stream_threshold", "gauge", "Threshold of the score.", [(label, view.threshold) for label, view in streams])
    ages = [(label, view.age_s) for label, view in streams]
    add("stream_last_sample_age_seconds", "gauge", "Since the last payload arrived.", ages)
    opened = [(label, float(view.alert is not None)) for label, view in streams]
    add("stream_alert_open", "gauge", "1 while an incident is open.", opened)
    return "".join(families)


def _family(name: str, kind: str, help_text: str, values: list[Value]) -> str:
    lines = [f"vedette_{name}{_labels(labels)} {_number(value)}\n" for labels, value in values if value is not None]
    return f"# HELP vedette_{name} {help_text}\n# TYPE vedette_{name} {kind}\n{''.join(lines)}" if lines else ""


def _labels(labels: Labels) -> str:
    def escaped(value: str) -> str:
        return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")

    return "{" + ",".join(f'{name}="{escaped(value)}"' for name, value in labels.items()) + "}"


def _number(value: float) -> str:
    if math.isfinite(value):
        return repr(int(value)) if float(value).is_integer() and abs(value) < 2**53 else repr(float(value))
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
