"""The boards that vedette knows, read from ``boards.yaml``; a number without a source does not get in.

A board is resolved into the bundle's manifest at export, so a gateway never reads this file.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from vedette.compress.board import Accelerator, Board, Figure, Source, Version
from vedette.compress.board_schema import read_document
from vedette.compress.yaml_keys import parse
from vedette.errors import BoardError, nearest

__all__ = ["PATH", "Accelerator", "Board", "Figure", "Source", "Version", "get_board", "load_boards", "read_boards"]

PATH = Path(__file__).parent.parent / "boards.yaml"


def get_board(name: str) -> Board:
    """The board of that name. Raises :class:`BoardError` that suggests the nearest where there is none."""
    boards = load_boards()
    if name not in boards:
        raise BoardError(f'board "{name}" is not known; {nearest(name, boards)}')
    return boards[name]


@cache
def load_boards() -> dict[str, Board]:
    """Every board that ships with vedette, by name, in the order of ``boards.yaml``."""
    return read_boards(PATH)


def read_boards(path: Path) -> dict[str, Board]:
    """The boards of a file. Raises :class:`ConfigError` with file, line and remedy where an entry is not valid."""
    return read_document(parse(path))
