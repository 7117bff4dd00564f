"""The status document as text for a terminal."""

from __future__ import annotations

import unicodedata
from typing import Any

MOST_STREAMS = 100
_HEAD = ("stream", "state", "score", "threshold", "severity", "last sample", "alert since", "channels")
_RIGHT = {2, 3, 4, 5}
_BAR, _BAR_FULL = 10, 2.0  # characters, and the severity that fills them


def render(status: dict[str, Any], *, most: int = MOST_STREAMS) -> str:
    """The gateway, why it is degraded, and a table of its streams: those with open alerts first, then those with
    faults, then by severity."""
    outbox, connection, counters, scoring = (
        status[key] for key in ("outbox", "connection", "counters", "scoring")
    )  # fmt: skip
    streams = sorted(
        status["streams"], key=lambda s: (s["alert"] is None, not s["faults"], -(s["severity"] or 0.0), s["name"])
    )
    opened = sum(stream["alert"] is not None for stream in streams)
    faulty = sum(len(stream["faults"]) for stream in streams)
    muted = sum(stream["maintenance"] for stream in streams)
    protocol = f", MQTT {connection['mqtt_version']}" if connection["mqtt_version"] else ""
    state = "broker not connected" if status["state"] == "offline" else status["state"]
    per_sample = "" if scoring["us_per_sample"] is None else f", {scoring['us_per_sample']:g} us per sample"
    lines = [
        f"{_clean(status['gateway'])}: {state}, up {duration(status['uptime_s'])}, vedette {status['version']}",
        *(f"  ! {_clean(reason)}" for reason in status["reasons"]),
        f"broker   {'connected' if connection['online'] else 'not connected'} ({connection['broker']}{protocol})",
        f"outbox   {outbox['pending']:,} pending, {outbox['dropped']:,} dropped, "
        f"{outbox['bytes'] / 2**20:.1f} of {outbox['max_bytes'] / 2**20:.0f} MiB",
        f"samples  {counters['samples']:,} scored, {counters['rejected']:,} rejected, "
        f"{counters['input_overflow']:,} lost, {scoring['waiting']:,} waiting{per_sample}",
        f"alerts   {opened:,} open, {counters['alerts_raised']:,} events since the start, "
        f"{counters['alerts_confirmed']:,} confirmed",
        f"faults   {faulty:,} open, {counters['faults_raised']:,} events since the start"
        + (f"; {muted:,} stream(s) in maintenance" if muted else ""),
        f"memory   {status['rss_bytes'] / 2**20:.1f} MiB",
        "",
    ]
    lines += _table([_HEAD, *(_row(stream) for stream in streams[:most])])
    if len(streams) > most:
        lines.append(f"… and {len(streams) - most:,} more; --json lists all")
    if not streams:
        lines.append("no samples have arrived yet")
    return "\n".join(lines) + "\n"


def duration(seconds: float | None) -> str:
    """Seconds for people.

    >>> duration(None), duration(3.21), duration(7200), duration(200000)
    ('-', '3.2 s', '2 h', '2 days')
    """
    if seconds is None:
        return "-"
    for limit, unit, name in ((120, 1, "s"), (7200, 60, "min"), (172_800, 3600, "h")):
        if seconds < limit:
            return f"{seconds / unit:.1f} {name}" if seconds < 10 else f"{seconds / unit:.0f} {name}"
    return f"{seconds / 86400:.0f} days"


def _row(stream: dict[str, Any]) -> tuple[str, ...]:
    alert, severity = stream["alert"], stream["severity"]
    state = "filling" if severity is None else "above" if severity > 1 else "normal"
    if alert:
        state = "ALERT"
    elif stream["faults"]:
        state = "fault: " + ", ".join(stream["faults"])
    elif stream["maintenance"]:
        state = "maintenance"
    channels = (
        [f"{_clean(item['name'])} {100 * (item['share'] or 0):.0f}%" for item in alert["channels"][:3]] if alert else []
    )
    return (
        _clean(stream["name"]),
        state,
        _figure(stream["score"]),
        _figure(stream["threshold"]),
        f"{_bar(severity)} {_figure(severity):>6}",
        duration(stream["last_sample_age_s"]),
        alert["since"][:19].replace("T", " ") if alert else "",
        "  ".join(channels),
    )


def _bar(severity: float | None) -> str:
    """The severity as a bar whose middle, ``|``, is the threshold."""
    filled = 0 if severity is None else round(min(max(severity, 0.0) / _BAR_FULL, 1.0) * _BAR)
    bar = "#" * filled + "." * (_BAR - filled)
    return f"{bar[: _BAR // 2]}|{bar[_BAR // 2 :]}"


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def _table(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(_width(row[column]) for row in rows) for column in range(len(_HEAD))]
    return [
        "  ".join(
            " " * (width - _width(cell)) + cell if column in _RIGHT else cell + " " * (width - _width(cell))
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _width(text: str) -> int:
    """Columns on a terminal; wide characters take two."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def _clean(text: str) -> str:
    """Text from outside without what a terminal would obey."""
    return "".join(char if char.isprintable() else "?" for char in text)
