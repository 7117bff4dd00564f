"""What ``gateway.toml`` says about alerts, faults and maintenance, checked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timezone, tzinfo
from fnmatch import fnmatchcase
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from vedette.errors import ConfigError, DataError, nearest
from vedette.runtime.alerting.alert_cap import DEFAULT_PER_HOUR, MOST_PER_HOUR
from vedette.runtime.alerting.alerts import AlertPolicy
from vedette.runtime.alerting.faults import FAULT_KINDS, FaultPolicy
from vedette.runtime.alerting.maintenance import (
    ALL_STREAMS,
    Maintenance,
    MaintenanceWindow,
    OnceWindow,
    RecurringWindow,
)
from vedette.runtime.detection.signal import SignalSpec
from vedette.runtime.json_keys import Keys
from vedette.runtime.times import parse_time

ALERT_KEYS = ("min_windows", "of_windows", "clear_ratio", "clear_after_s", "cooldown_s")
MAX_WINDOWS = 100_000
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")


@dataclass(frozen=True)
class AlertOverrides:
    """What a stream's ``alert`` table sets; None leaves the bundle's own value."""

    min_windows: int | None = None
    clear_after_s: float | None = None
    cooldown_s: float | None = None
    of_windows: int | None = None
    clear_ratio: float | None = None

    def apply(self, policy: AlertPolicy) -> AlertPolicy:
        """The bundle's policy with the values that are set. ``min_windows`` alone means that many in a row."""
        changes: dict[str, Any] = {key: value for key, value in vars(self).items() if value is not None}
        if self.min_windows is not None and self.of_windows is None:
            changes["of_windows"] = None
        return replace(policy, **changes)


def read_overrides(keys: Keys) -> AlertOverrides:
    """A stream's ``alert`` table. Raises :class:`ConfigError`."""
    keys.only(ALERT_KEYS)
    found = AlertOverrides(
        min_windows=keys.optional("min_windows", lambda key: keys.integer(key, low=1, high=MAX_WINDOWS)),
        clear_after_s=keys.optional("clear_after_s", lambda key: keys.number(key, low=0)),
        cooldown_s=keys.optional("cooldown_s", lambda key: keys.number(key, low=0)),
        of_windows=keys.optional("of_windows", lambda key: keys.integer(key, low=1, high=MAX_WINDOWS)),
        clear_ratio=keys.optional("clear_ratio", lambda key: keys.number(key, above=0)),
    )
    if found.of_windows is not None and (found.min_windows is None or found.min_windows > found.of_windows):
        raise ConfigError(f"{keys.where}: of_windows: expected min_windows with it, of at most {found.of_windows}")
    if found.clear_ratio is not None and found.clear_ratio > 1:
        raise ConfigError(f"{keys.where}: clear_ratio: expected a number in (0, 1], found {found.clear_ratio}")
    return found


def read_faults(keys: Keys) -> FaultPolicy:
    """A stream's ``faults`` table. Raises :class:`ConfigError`."""
    keys.only(("silent_after_s", "flat_after_samples", "range", "off"))
    off = keys.optional("off", lambda key: keys.get(key, list)) or []
    for kind in off:
        if kind not in FAULT_KINDS:
            raise ConfigError(f'{keys.where}: off: unknown fault "{kind}"; {nearest(str(kind), FAULT_KINDS)}')
    ranges = keys.section("range").document if "range" in keys.document else {}
    for channel, bounds in ranges.items():
        numbers = isinstance(bounds, list) and [type(value) in (int, float) for value in bounds] == [True, True]
        if not numbers or not bounds[0] < bounds[1]:
            raise ConfigError(f"{keys.where}: range: {channel}: expected [low, high], found {bounds!r:.60}")
    return FaultPolicy(
        silent_after_s=keys.optional("silent_after_s", lambda key: keys.number(key, low=1)),
        flat_after_samples=keys.optional("flat_after_samples", lambda key: keys.integer(key, low=2)),
        ranges={channel: (float(low), float(high)) for channel, (low, high) in ranges.items()},
        off=frozenset(off),
    )


def check_fault_channels(policy: FaultPolicy, signal: SignalSpec, *, stream: str) -> None:
    """Raise :class:`ConfigError` where a range is given for a channel that the bundle does not have."""
    for channel in policy.ranges:
        if channel not in signal.names:
            hint = nearest(channel, signal.names)
            raise ConfigError(f'stream "{stream}": faults: range: no channel "{channel}" in its bundle; {hint}')


def read_max_per_hour(keys: Keys) -> int:
    """The ``alerts`` table. Raises :class:`ConfigError`."""
    keys.only(("max_per_hour",))
    found = keys.optional("max_per_hour", lambda key: keys.integer(key, low=1, high=MOST_PER_HOUR))
    return DEFAULT_PER_HOUR if found is None else found


def read_maintenance(root: Keys, streams: Sequence[str]) -> Maintenance:
    """All ``[[maintenance]]`` tables, for the ``streams`` with those names. Raises :class:`ConfigError`."""
    if "maintenance" not in root.document:
        return Maintenance()
    return Maintenance(root.items("maintenance", lambda keys: _window(keys, streams)))


def _window(keys: Keys, streams: Sequence[str]) -> MaintenanceWindow:
    patterns = _patterns(keys, streams)
    if "start" in keys.document or "end" in keys.document:
        keys.only(("streams", "start", "end"))
        start, end = _moment(keys, "start"), _moment(keys, "end")
        if end <= start:
            raise ConfigError(f"{keys.where}: end: expected a time after the start")
        return OnceWindow(patterns, start, end)
    keys.only(("streams", "days", "from", "to", "timezone"))
    days = keys.optional("days", lambda key: keys.get(key, list))
    for day in days or ():
        if day not in DAYS:
            raise ConfigError(f'{keys.where}: days: unknown day "{day}"; {nearest(str(day), DAYS)}')
    chosen = frozenset(range(7)) if days is None else frozenset(DAYS.index(day) for day in days)
    if not chosen:
        raise ConfigError(f"{keys.where}: days: expected at least one of {', '.join(DAYS)}; leave it out for every day")
    return RecurringWindow(patterns, chosen, _clock(keys, "from"), _clock(keys, "to"), _zone(keys))


def _patterns(keys: Keys, streams: Sequence[str]) -> tuple[str, ...]:
    patterns = keys.optional("streams", lambda key: keys.get(key, list))
    if patterns is None:
        return ALL_STREAMS
    for pattern in patterns:
        # Of an entry with many devices only the part before the slash is known yet.
        if not isinstance(pattern, str) or not any(fnmatchcase(name, pattern.split("/")[0]) for name in streams):
            hint = nearest(str(pattern), streams)
            raise ConfigError(f"{keys.where}: streams: {pattern!r:.80} is the name of no stream; {hint}")
    if not patterns:
        raise ConfigError(f"{keys.where}: streams: expected at least one name; leave it out for all streams")
    return tuple(patterns)


def _moment(keys: Keys, key: str) -> float:
    value = keys.document.get(key)
    if value is None:
        raise ConfigError(f"{keys.where}: expected start and end, or from and to; found no {key}")
    try:
        if isinstance(value, datetime):
            return (value if value.tzinfo else value.replace(tzinfo=timezone.utc)).timestamp()
        return parse_time(value.isoformat() if isinstance(value, date) else value)
    except (DataError, ValueError, OverflowError) as error:
        raise ConfigError(f"{keys.where}: {key}: {error}") from None


def _clock(keys: Keys, key: str) -> time:
    value = keys.document.get(key)
    if isinstance(value, time):
        return value
    found = _CLOCK.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ConfigError(f'{keys.where}: {key}: expected a time of day like "22:30", found {value!r:.40}')
    return time(int(found[1]), int(found[2]))


def _zone(keys: Keys) -> tzinfo:
    name = keys.optional("timezone", keys.text) or "UTC"
    if name == "UTC":
        return timezone.utc
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigError(
            f'{keys.where}: timezone: no time zone "{name}" on this machine; expected a name like "Europe/Berlin" '
            "(the system's package tzdata has them)"
        ) from None
