"""Samples from CSV and CSV.gz files, read row by row with the standard library alone."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
import numpy.typing as npt

from vedette.errors import DataError, nearest
from vedette.runtime.detection.signal import SignalSpec
from vedette.runtime.ingest.samples import Sample
from vedette.runtime.times import parse_time

MISSING = frozenset(("", "na", "nan", "n/a", "null", "none"))
MAX_LINE_CHARS = 2**20
_GZIP_MAGIC = b"\x1f\x8b"


class CsvRow(NamedTuple):
    """One row: its timestamp as written (or its number, from 0), its time in seconds, values ``(channels,)``."""

    label: str
    time: float
    values: npt.NDArray[np.float64]


def read_csv(path: Path, signal: SignalSpec) -> Iterator[CsvRow]:
    """Yield the samples of a CSV file with a header, streaming.

    The channels are found by name, in any order, among any other columns; a cell that is empty, NA or NaN gives NaN.
    The time is the column ``signal.timestamp`` where the file has it (ISO 8601, without offset UTC, or seconds since
    1970), else the row number times the sample period. Raises :class:`DataError` with line and column.
    """
    for row in read_rows(path, signal):
        if isinstance(row, DataError):
            raise row
        yield row


def read_rows(path: Path, signal: SignalSpec) -> Iterator[CsvRow | DataError]:
    """Like :func:`read_csv`, but a row that cannot be read comes as its error, and the next rows follow."""
    number = 0
    with _open(path) as file:
        reader = csv.reader(_bounded_lines(path, file), strict=True)
        try:
            columns = _Columns(str(path), next(reader, None), signal)
            for cells in reader:
                if cells:
                    try:
                        yield columns.row(cells, number, reader.line_num)
                    except DataError as error:
                        yield error
                    number += 1
        except UnicodeDecodeError:
            raise DataError(f"{path}: expected a CSV file in UTF-8, found other bytes") from None
        except csv.Error as error:
            raise DataError(f"{path}: line {reader.line_num}: not CSV: {error}") from None
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"{path}: cannot be read to its end: {error}") from None
    if number == 0:
        raise DataError(f"{path}: expected rows below the header, found none")


def has_timestamp(path: Path, signal: SignalSpec) -> bool:
    """Whether the file has the signal's timestamp column, so that rows are named by it and not by their number."""
    with _open(path) as file:
        return signal.timestamp in [name.strip() for name in next(csv.reader(file), [])]


class CsvLines:
    """Reads CSV line by line, as it comes on a pipe: a bad line costs only itself. A cell cannot span lines."""

    def __init__(self, source: str, signal: SignalSpec) -> None:
        self._source, self._signal = source, signal
        self._columns: _Columns | None = None
        self._line = self._row = 0

    def sample(self, line: bytes) -> Sample | DataError | None:
        """The sample of a line, the error of one that cannot be read, or None for the header, which comes first.

        Where the CSV has no timestamp column, samples have no time. Raises :class:`DataError` for a header that does
        not have the signal's channels.
        """
        self._line += 1
        try:
            cells = next(csv.reader([line.decode("utf-8-sig" if self._line == 1 else "utf-8")], strict=True), [])
        except UnicodeDecodeError:
            cells, told = None, "expected UTF-8, found other bytes"
        except csv.Error as error:
            cells, told = None, f"not CSV: {error}"
        if cells is None:
            failure = DataError(f"{self._source}: line {self._line}: {told}")
            if self._columns is None:
                raise failure
            return failure
        if self._columns is None:
            self._columns = _Columns(self._source, cells, self._signal)
            return None
        try:
            row = self._columns.row(cells, self._row, self._line)
        except DataError as error:
            return error
        self._row += 1
        return Sample(row.time if self._columns.timed else None, row.values)


class _Columns:
    """Where the channels and the time are in a file's rows."""

    def __init__(self, path: str, header: list[str] | None, signal: SignalSpec) -> None:
        if not header:
            raise DataError(f"{path}: expected a CSV file with a header, found an empty file")
        names = [name.strip() for name in header]
        if "\0" in "".join(names):
            raise DataError(f"{path}: line 1: not CSV: binary data")
        for name in (*signal.names, signal.timestamp):
            if names.count(name or "") > 1:
                raise DataError(f'{path}: column "{name}" appears {names.count(name or "")} times in the header')
        missing = [name for name in signal.names if name not in names]
        if missing:
            raise DataError(
                f'{path}: expected the column "{missing[0]}" in the header ({len(missing)} of {len(signal.names)} '
                f"channels are missing); {nearest(missing[0], [name[:40] for name in names[:50]])}"
            )
        self._path, self._signal, self._names = path, signal, names
        self._channels = [names.index(name) for name in signal.names]
        self._time = names.index(signal.timestamp) if signal.timestamp in names else None

    @property
    def timed(self) -> bool:
        """Whether the rows have times of their own."""
        return self._time is not None

    def row(self, cells: list[str], number: int, line: int) -> CsvRow:
        if len(cells) != len(self._names):
            raise DataError(f"{self._path}: line {line}: expected {len(self._names)} columns, found {len(cells)}")
        wanted = [cells[i] for i in self._channels]
        try:
            if "_" in "".join(wanted):  # float() reads 2024_01 as a number
                raise ValueError
            values = np.array([float(cell) for cell in wanted])
        except ValueError:
            values = np.array([self._value(cell, i, line) for cell, i in zip(wanted, self._channels, strict=True)])
        if self._time is None:
            return CsvRow(str(number), number * self._signal.period_s, values)
        text = cells[self._time]
        try:
            return CsvRow(text, parse_time(text), values)
        except DataError as error:
            raise DataError(f'{self._path}: line {line}, column "{self._names[self._time]}": {error}') from None

    def _value(self, cell: str, column: int, line: int) -> float:
        if cell.strip().lower() in MISSING:
            return float("nan")
        try:
            if "_" not in cell:
                return float(cell)
        except ValueError:
            pass
        where = f'line {line}, column "{self._names[column]}"'
        raise DataError(f"{self._path}: {where}: expected a number, found {cell[:40]!r}")


def _bounded_lines(path: Path, file: IO[str]) -> Iterator[str]:
    """The lines of a file, none of them so long that it fills the memory (a packed file may hold any)."""
    for number, line in enumerate(iter(partial(file.readline, MAX_LINE_CHARS), ""), start=1):
        if len(line) == MAX_LINE_CHARS:
            raise DataError(f"{path}: line {number}: longer than {MAX_LINE_CHARS:,} characters")
        yield line


@contextmanager
def _open(path: Path) -> Iterator[IO[str]]:
    """The file as text, unpacked where it is gzip (told by its first bytes, not by its name)."""
    try:
        raw = path.open("rb")
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    with raw:
        # A named pipe cannot seek, so look ahead in the buffer.
        packed = raw.peek(2)[:2] == _GZIP_MAGIC
        unpacked = gzip.GzipFile(fileobj=raw) if packed else raw
        with unpacked, io.TextIOWrapper(unpacked, encoding="utf-8-sig", newline="") as text:
            yield text
