"""What consumers send to ``vedette/<gateway>/ack``: the ids of the events they have received."""

from __future__ import annotations

import json

from vedette.errors import DataError
from vedette.runtime import strict_json

MAX_BYTES = 64 * 1024


def encode_ack(event_ids: list[str]) -> bytes:
    """An acknowledgement of these events.

    >>> encode_ack(["a"])
    b'{"ids": ["a"]}'
    """
    return json.dumps({"ids": event_ids}).encode()


def read_ack(payload: bytes) -> list[str]:
    """The event ids of an acknowledgement. Raises :class:`DataError`."""
    document = strict_json.loads(payload, max_bytes=MAX_BYTES, what="acknowledgement")
    ids = document.get("ids") if isinstance(document, dict) else None
    if not isinstance(ids, list) or not all(isinstance(item, str) for item in ids):
        raise DataError('acknowledgement: expected {"ids": ["...", ...]}')
    return ids
