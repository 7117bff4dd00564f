"""Which files the user means: files, folders of files, and patterns."""

from __future__ import annotations

import glob
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vedette.errors import DataError

# What a data file's name ends in, in a folder that has other files too.
ENDINGS = (".csv", ".csv.gz", ".parquet", ".pq")
# File names that a note or an error lists at most.
LISTED = 5


@dataclass(frozen=True)
class Sources:
    """The files to read, in order, and notes about what was left out."""

    files: tuple[Path, ...]
    notes: tuple[str, ...] = ()


def find_files(data: Path | Sequence[Path]) -> Sources:
    """The files that ``data`` names.

    Each item is a file, a folder (its CSV, CSV.gz and Parquet files, without those in folders below) or a pattern such
    as ``logs/*.csv`` or ``logs/**/*.parquet``. Items come in the order given; the files of a folder or a pattern in the
    order of their names, where numbers compare as numbers. A file that is named twice is read once. Raises
    :class:`DataError` where an item gives no file.
    """
    files: dict[Path, None] = {}
    notes: list[str] = []
    for item in [data] if isinstance(data, Path) else data:
        try:
            found, left_out = _files(item)
        except OSError as error:
            raise DataError(f"{item}: cannot be read: {error.strerror}") from error
        files.update(dict.fromkeys(sorted(found, key=name_order)))
        if left_out:
            notes.append(f"{item}: {_listed(left_out)} left out; data files end in {', '.join(ENDINGS)}")
    return Sources(tuple(files), tuple(notes))


def name_order(path: Path) -> tuple[tuple[str | int, ...], ...]:
    """A key that sorts paths by name, with the numbers in them as numbers.

    >>> sorted(map(Path, ["log10.csv", "log9.csv", "a/z.csv"]), key=name_order)
    [PosixPath('a/z.csv'), PosixPath('log9.csv'), PosixPath('log10.csv')]
    """
    # Every second piece is a number, so pieces at the same place are of one kind.
    return tuple(
        tuple(int(piece) if place % 2 else piece for place, piece in enumerate(re.split(r"([0-9]+)", part)))
        for part in path.parts
    )


def _files(item: Path) -> tuple[list[Path], list[str]]:
    """The data files of an item, and the names of other files that it has."""
    if item.is_dir():
        return _in_folder(item)
    if not glob.has_magic(str(item)) or item.exists():
        return [item], []
    # Path.glob() takes no absolute patterns.
    found = [path for path in map(Path, glob.glob(str(item), recursive=True)) if not path.is_dir()]  # noqa: PTH207
    if not found:
        raise DataError(f'{item}: no file matches; a pattern is written like "logs/*.csv", in quotation marks')
    return found, []


def _in_folder(folder: Path) -> tuple[list[Path], list[str]]:
    """The data files in a folder, and the names of its other files. Hidden files are neither."""
    entries = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    found = [path for path in entries if path.name.lower().endswith(ENDINGS) and not path.is_dir()]
    others = [path.name for path in entries if path not in found and not path.is_dir()]
    if not found:
        expected = f"{folder}: expected a folder with files that end in {', '.join(ENDINGS)}"
        below = next((path for path in entries if path.is_dir()), None)
        if others:
            raise DataError(f"{expected}, found {_listed(others)}")
        if below:
            raise DataError(f'{expected}, found folders only; give one of them, or all with "{folder}/*/*.csv"')
        raise DataError(f"{expected}, found an empty folder")
    return found, others


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more
