"""The status page: one HTML file with its style and its script, read once and served from memory."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from vedette.runtime.observe.document import encode
from vedette.runtime.observe.snapshot import Board
from vedette.runtime.observe.web import Answer

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


def routes(board: Board) -> dict[str, Callable[[], Answer]]:
    """The page's paths, and ``/status.json``, the snapshot that it reads."""
    files = [path for path in sorted(Path(__file__).parent.iterdir()) if path.suffix in _TYPES]
    answers = {f"/{path.name}": Answer(_TYPES[path.suffix], path.read_bytes()) for path in files}
    answers["/"] = answers.pop("/index.html")

    def status() -> Answer:
        snapshot = board.take()
        return Answer("application/json", None if snapshot is None else encode(snapshot))

    return {**{path: partial(_constant, answer) for path, answer in answers.items()}, "/status.json": status}


def _constant(answer: Answer) -> Answer:
    return answer
