"""Where a value is in a JSON document: paths such as ``data.accel.x``, ``values[2]`` or ``data["a.b"]``.

A path is read once, when the configuration is, and then followed step by step; it cannot compute anything.
"""

from __future__ import annotations

import re
from typing import Any, Final

from vedette.errors import DataError

# Steps from the top of a document: keys of objects and indices of arrays.
Path = tuple[str | int, ...]

MAX_CHARS, MAX_STEPS = 256, 16
_STEP = re.compile(r'\.?(?P<key>[^.\[\]"]+)|\[(?P<index>\d{1,6})\]|\["(?P<quoted>[^"]+)"\]')


class _Absent:
    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = _Absent()


def parse_path(text: str) -> Path:
    """The steps of a path: keys with dots between them, ``[number]``, and ``["key"]`` for a key with dots in it.

    Raises :class:`DataError` that shows where it stops making sense.

    >>> parse_path("data.accel[2].x"), parse_path('[0]["a.b"]')
    (('data', 'accel', 2, 'x'), (0, 'a.b'))
    """
    if not 1 <= len(text) <= MAX_CHARS:
        raise DataError(f"expected a path of 1 to {MAX_CHARS} characters, found {len(text)}")
    steps: list[str | int] = []
    place = 0
    while place < len(text):
        found = _STEP.match(text, place)
        # A dot stands between two steps, before a key, and nowhere else.
        if found is None or (found["key"] and (text[place] == ".") != (place > 0)):
            raise DataError(
                f'expected a path such as data.accel.x, values[2] or data["a.b"], found {text[:60]!r}, '
                f"which makes no sense from character {place + 1} on"
            )
        steps.append(int(found["index"]) if found["index"] else found["key"] or found["quoted"])
        place = found.end()
    if len(steps) > MAX_STEPS:
        raise DataError(f"expected a path of at most {MAX_STEPS} steps, found {len(steps)}")
    return tuple(steps)


def follow(path: Path, document: Any) -> Any:
    """What is at ``path`` in ``document``, or ``ABSENT``.

    >>> follow(("a", 1), {"a": [5, 6]}), follow(("a", 2), {"a": [5, 6]}), follow(("a", "b"), {"a": [5, 6]})
    (6, ABSENT, ABSENT)
    """
    for step in path:
        if isinstance(step, str):
            if not isinstance(document, dict) or step not in document:
                return ABSENT
        elif not isinstance(document, list) or step >= len(document):
            return ABSENT
        document = document[step]
    return document
