"""CSV files as portions of whole, checked rows, so that a file of any size is read in little memory.

What is checked are the things that a fast parser lets pass, or takes for missing values: short and long rows, blank
lines, other encodings, stray quotation marks. The checks work on bytes, portion by portion.
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
import numpy.typing as npt

from vedette.errors import DataError

GZIP_MAGIC = b"\x1f\x8b"
# Bytes of text read at a time, and the longest row; where a quotation mark is never closed, a row does not end.
PORTION = 4 * 2**20
LONGEST_ROW = 32 * 2**20
# What other programs put between cells where vedette wants a comma.
OTHER_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}
_BOM = b"\xef\xbb\xbf"
_COMMA, _NEWLINE, _RETURN, _QUOTE = (ord(mark) for mark in ',\n\r"')

Positions = npt.NDArray[np.int64]


class CsvRows:
    """The rows of a CSV or CSV.gz file with a header."""

    def __init__(self, path: Path, *, packed: bool) -> None:
        """Read the header. Raises :class:`DataError` where it is none, and ``OSError``."""
        self._path, self._packed = path, packed
        for line, data in self._portions(lambda position: None):
            layout = _layout(data, self._where(line))
            written = np.flatnonzero(~layout.blank)
            if not len(written):
                continue
            text = data[layout.starts[written[0]] : layout.ends[written[0]]].decode()
            try:
                #: Column names, stripped of spaces around them.
                self.names = [name.strip() for name in next(csv.reader(io.StringIO(text, newline="")))]
            except csv.Error as error:
                raise DataError(f"{self._where(line)}: not CSV: {error}") from error
            _check_header(path, self.names)
            return
        raise DataError(f"{path}: expected a header with column names, found none")

    def portions(self, on_position: Callable[[int], None] = lambda position: None) -> Iterator[bytes]:
        """The rows below the header, whole ones, without blank lines, each with as many cells as the header.

        ``on_position`` is told how many bytes of the file have been read. Raises :class:`DataError` with the line of
        what is wrong, and ``OSError``.
        """
        header = True
        for line, data in self._portions(on_position):
            if not header and _is_plain(data, len(self.names), self._where(line)):
                yield data
                continue
            layout = _layout(data, self._where(line))
            keep = ~layout.blank
            if header and keep.any():
                keep[np.argmax(keep)] = False
                header = False
            if not keep.any():
                continue
            rows = _select(data, layout, keep)
            if not _is_rectangular(rows, len(self.names)):
                raise self._explained(line, layout, keep)
            yield rows

    def _portions(self, on_position: Callable[[int], None]) -> Iterator[tuple[int, bytes]]:
        """Portions of whole rows, each with the number of its first line."""
        with _unpacked(self._path, self._packed) as (raw, file):
            rest, line = b"", 1
            while block := file.read(PORTION):
                data = rest + block
                if line == 1 and data.startswith(_BOM):
                    data = data[len(_BOM) :]
                end = _last_row_end(data)
                if end:
                    yield line, data[:end]
                    line += data.count(b"\n", 0, end)
                rest = data[end:]
                if len(rest) > LONGEST_ROW:
                    raise DataError(
                        f"{self._path}: line {line}: a row of more than {LONGEST_ROW >> 20} MiB; is a quotation mark "
                        "not closed?"
                    )
                on_position(raw.tell())
            if rest:
                yield line, rest

    def _where(self, line: int) -> str:
        return f"{self._path}: line {line}"

    def _explained(self, line: int, layout: _Layout, keep: npt.NDArray[np.bool_]) -> DataError:
        """What is wrong with the first row that has another number of cells."""
        width = len(self.names)
        newlines = np.cumsum(np.frombuffer(layout.data, np.uint8) == _NEWLINE)
        for start, end in zip(layout.starts[keep].tolist(), layout.ends[keep].tolist(), strict=True):
            row = layout.data[start:end]
            if not _is_rectangular(row, width):
                where = self._where(line + (int(newlines[start - 1]) if start else 0))
                try:
                    cells = next(csv.reader(io.StringIO(row.decode(), newline=""), strict=True))
                except csv.Error as error:
                    return DataError(f"{where}: not CSV: {error}")
                if len(cells) != width:
                    return DataError(
                        f"{where}: expected {width} columns, found {len(cells)}; complete the row or take it out"
                    )
                break
        else:
            where = self._where(line)
        return DataError(
            f"{where}: a quotation mark inside a cell; put such a cell in quotation marks and write the mark twice"
        )


class _Layout(NamedTuple):
    """Where rows start and end in a portion, line ends not counted, and which are blank."""

    data: bytes
    starts: Positions
    ends: Positions
    blank: npt.NDArray[np.bool_]


def _is_plain(data: bytes, width: int, where: str) -> bool:
    """Whether a portion has nothing but rows of that many cells, the most frequent case, told quickly."""
    _check_text(data, where)
    # A blank line has too few cells, unless one is enough.
    blank = width == 1 and (data.startswith((b"\n", b"\r")) or b"\n\n" in data or b"\n\r" in data)
    return not blank and _is_rectangular(data, width)


def _layout(data: bytes, where: str) -> _Layout:
    """The rows of a portion that begins and ends with a row. Raises :class:`DataError` for what is not text."""
    _check_text(data, where)
    marks = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(_outside(marks, data) & (marks == _NEWLINE))
    if not len(ends) or ends[-1] != len(data) - 1:
        ends = np.append(ends, len(data))
    starts = np.concatenate([[0], ends[:-1] + 1])
    ends = ends - ((ends > starts) & (marks[np.maximum(ends - 1, 0)] == _RETURN))
    return _Layout(data, starts, ends, ends == starts)


def _check_text(data: bytes, where: str) -> None:
    """Raise :class:`DataError` for what is not text, or not in lines."""
    if not data.isascii():
        try:
            data.decode()
        except UnicodeDecodeError as error:
            raise DataError(f"{where}: expected CSV in UTF-8, found other bytes; save it as UTF-8") from error
    if b"\0" in data:
        raise DataError(f"{where}: not CSV: binary data")
    if b"\r" in data and data.count(b"\r") != data.count(b"\r\n") + data.endswith(b"\r"):
        raise DataError(f"{where}: a carriage return that ends no line; save the file with usual line ends")


def _outside(marks: npt.NDArray[np.uint8], data: bytes) -> npt.NDArray[np.bool_]:
    """Which bytes are not in quotation marks. A mark that is written twice opens and closes, which comes out right."""
    if b'"' not in data:
        return np.ones(1, bool)
    marks_before: npt.NDArray[np.uint8] = np.cumsum(marks == _QUOTE, dtype=np.uint8)
    return np.asarray(marks_before & 1 == 0)


def _last_row_end(data: bytes) -> int:
    """The number of bytes up to the end of the last whole row."""
    if b'"' not in data:
        return data.rfind(b"\n") + 1
    marks = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(_outside(marks, data) & (marks == _NEWLINE))
    return int(ends[-1]) + 1 if len(ends) else 0


def _is_rectangular(data: bytes, width: int) -> bool:
    """Whether each row of a portion without blank lines has that many cells."""
    if not data.endswith(b"\n"):
        data += b"\n"
    marks = np.frombuffer(data, np.uint8)
    at = np.flatnonzero(_outside(marks, data) & ((marks == _NEWLINE) | (marks == _COMMA)))
    if not len(at) or len(at) % width or at[-1] != len(data) - 1:
        return False
    separators = marks[at].reshape(-1, width)
    return bool((separators[:, -1] == _NEWLINE).all() and (separators[:, :-1] == _COMMA).all())


def _select(data: bytes, layout: _Layout, keep: npt.NDArray[np.bool_]) -> bytes:
    """The rows of a portion that are to be kept, with their line ends."""
    lengths = np.diff(layout.starts, append=len(data))
    return np.frombuffer(data, np.uint8)[np.repeat(keep, lengths)].tobytes()


def _check_header(path: Path, names: list[str]) -> None:
    if not any(names):
        raise DataError(f"{path}: expected a header with column names, found none")
    # Columns may be called 0, 1, 2, but hardly 20.5.
    if all(_is_number(name) for name in names) and not all(name.isdigit() for name in names):
        raise DataError(f"{path}: expected a header with column names, found numbers ({', '.join(names[:5])}); add one")
    separator = next((mark for mark in OTHER_SEPARATORS if mark in names[0]), None)
    if len(names) == 1 and separator:
        raise DataError(f"{path}: expected columns separated by commas, found {OTHER_SEPARATORS[separator]}")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


@contextmanager
def _unpacked(path: Path, packed: bool) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """The file as it is, and its text as bytes."""
    with path.open("rb") as raw:
        try:
            yield raw, gzip.GzipFile(fileobj=raw) if packed else raw  # type: ignore[misc]
        except (EOFError, zlib.error) as error:
            raise DataError(f"{path}: cannot be unpacked to its end ({error}); copy it again") from error
