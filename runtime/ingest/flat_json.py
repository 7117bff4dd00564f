"""The quick way to read JSON that is as plain as almost every sample: a flat object or array, or an array of objects.

:func:`vedette.runtime.strict_json.loads` looks at every number and every pair of an object with Python code. Here the
parser's own C code does all of it, and what it lets through that the strict way refuses is found afterwards by a few
checks on the whole. Where they are not sure, the document goes the strict way. So what is read here is exactly what
would be read there, and errors only ever come from there.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection
from typing import Any, NoReturn

_OBJECTS, _FLOAT, _NUMBERS, _LEAVES = {dict}, {float}, {float, int}, {float, int, str, type(None)}
# Integers below have at most 19 digits, which the strict way takes.
_LARGEST_INT = 10**19


def loads(data: bytes) -> Any:
    """The document, or None where it has to be read by :func:`~vedette.runtime.strict_json.loads`.

    >>> loads(b'{"x": 1.5, "y": 2}'), loads(b'{"x": 1, "x": 2}'), loads(b'{"x": NaN}'), loads(b'{"x": {"y": 1}}')
    ({'x': 1.5, 'y': 2}, None, None, None)
    """
    try:
        text = data.decode()
        # An escape may hide a colon, which is what pairs are counted by, or half a character.
        document, end = _scan(text, 0) if "\\" not in text else (None, 0)
    except (ValueError, StopIteration, RecursionError):
        return None
    if end != len(text):
        return None
    values: Collection[Any]
    if type(document) is dict:
        values, pairs = document.values(), len(document)
    elif type(document) is list and set(map(type, document)) == _OBJECTS:
        values = [value for item in document for value in item.values()]
        pairs = len(values)
    else:
        values, pairs = document if type(document) is list else (document,), 0
    kinds = set(map(type, values))
    if kinds == _FLOAT:
        finite = math.isfinite(sum(values))
    elif kinds <= _LEAVES:
        pairs += sum(value.count(":") for value in values if type(value) is str)
        numbers = [value for value in values if type(value) in _NUMBERS]
        finite = all(-_LARGEST_INT < value < _LARGEST_INT for value in numbers)
    else:
        return None
    # Every pair has its colon. Were one lost, as two had the same key, there would be more colons than pairs.
    return document if finite and text.count(":") == pairs else None


def _reject_constant(name: str) -> NoReturn:
    raise ValueError(name)


# The parser without a search for spaces around the document.
_scan = json.JSONDecoder(parse_constant=_reject_constant).scan_once  # type: ignore[attr-defined]
