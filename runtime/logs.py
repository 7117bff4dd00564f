"""Log lines on stderr, one per event."""

from __future__ import annotations

import logging
import sys


class _OneLine(logging.Formatter):
    """Text from outside may hold line breaks; a log line does not."""

    def format(self, record: logging.LogRecord) -> str:
        return super().format(record).replace("\n", " | ").replace("\r", " ")


def set_up(level: int = logging.INFO) -> None:
    """Send this process's log to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_OneLine("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=level, handlers=[handler], force=True)
