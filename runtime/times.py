"""Times from outside and to outside: seconds since 1970-01-01 UTC in the program, ISO 8601 text on paper."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

from vedette.errors import DataError

# What a datetime can hold: the years 1 to 9999, in seconds since 1970.
EARLIEST_S, LATEST_S = -62_135_596_800.0, 253_402_300_799.0
_FRACTION = re.compile(r"[.,](\d+)")
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def parse_time(value: object) -> float:
    """Seconds since 1970 from a number of seconds, or from ISO 8601 text (without an offset: UTC).

    Raises :class:`DataError` for anything else.

    >>> parse_time("1970-01-01T00:01:00Z"), parse_time("1970-01-01 01:01:00+01:00"), parse_time("60.5")
    (60.0, 60.0, 60.5)
    """
    if isinstance(value, str):
        return _parse_text(value.strip())
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise DataError(f"expected a time as ISO 8601 text or seconds since 1970, found {type(value).__name__}")
    return _in_range(value)


def iso_time(time: float) -> str:
    """ISO 8601 UTC text with milliseconds.

    >>> iso_time(60.5)
    '1970-01-01T00:01:00.500Z'
    """
    moment = _EPOCH + timedelta(milliseconds=round(time * 1000))
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _parse_text(text: str) -> float:
    try:
        return _in_range(float(text))
    except ValueError:
        pass
    # Python 3.10 reads neither the Z nor fractions of other than 3 or 6 digits.
    iso = text[:-1] + "+00:00" if text[-1:] in ("Z", "z") else text
    iso = _FRACTION.sub(lambda found: f".{found[1][:6]:0<6}", iso, count=1)
    try:
        moment = datetime.fromisoformat(iso)
    except ValueError:
        raise DataError(f"expected a time as ISO 8601 text or seconds since 1970, found {text[:40]!r}") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()


def _in_range(seconds: float) -> float:
    if not EARLIEST_S <= seconds <= LATEST_S:
        hint = "; that looks like milliseconds" if LATEST_S < seconds < LATEST_S * 1000 else ""
        raise DataError(f"expected a time in seconds since 1970 within the years 1 to 9999, found {seconds:.6g}{hint}")
    return float(seconds)
