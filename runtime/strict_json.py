"""JSON from outside, read strictly.

Python's own parser accepts what RFC 8259 does not (NaN, Infinity), silently keeps the last of two equal
keys, turns 1e999 into infinity and raises three unrelated errors on hostile input. Everything that
reaches a gateway from a broker or a bundle is read here instead.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

from vedette.errors import DataError


def loads(data: bytes | str, *, max_bytes: int, what: str) -> Any:
    """Parse one JSON document.

    ``what`` names the input in errors. Raises :class:`DataError` on anything but finite, duplicate-free,
    UTF-8 JSON of at most ``max_bytes``.

    >>> loads(b'{"a": [1, 2.5]}', max_bytes=100, what="example")
    {'a': [1, 2.5]}
    """
    if len(data) > max_bytes:
        raise DataError(f"{what}: {len(data):,} bytes; at most {max_bytes:,} are read")
    try:
        text = data if isinstance(data, str) else data.decode("utf-8")
        document = _DECODER.decode(text)
        if _SURROGATE.search(text):
            # Half a character, escaped, could not be written out again.
            json.dumps(document, ensure_ascii=False).encode()
        return document
    except RecursionError:
        raise DataError(f"{what}: nested too deeply") from None
    except UnicodeEncodeError:
        raise DataError(f"{what}: half a character (a lone surrogate)") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{what}: not UTF-8 text ({error.reason} at byte {error.start})") from None
    except ValueError as error:
        raise DataError(f"{what}: not valid JSON ({error})") from None


def _reject_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"number {text[:20]} is too large")
    return value


def _bounded_int(text: str) -> int:
    if len(text) > 20:
        raise ValueError(f"number {text[:20]}... is too large")
    return int(text)


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"key {max(names, key=names.count)!r} appears twice")
    return result


_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_DECODER = json.JSONDecoder(
    parse_constant=_reject_constant,
    parse_float=_finite_float,
    parse_int=_bounded_int,
    object_pairs_hook=_unique_keys,
)
