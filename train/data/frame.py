"""Files of sensor data as polars frames: CSV, CSV.gz or Parquet, told by their first bytes and not by their names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from vedette.errors import DataError
from vedette.train.data.csv_rows import GZIP_MAGIC, CsvRows

if TYPE_CHECKING:
    import polars as pl

MISSING_WORDS = ["", "NA", "N/A", "NaN", "nan", "null", "NULL", "None"]
PARQUET_MAGIC = b"PAR1"
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
# Cells of a Parquet file that are read at a time.
CELLS = 2**21


class Batch(NamedTuple):
    """Some rows of a file: the frame, the number of its first row (from 0), and the part of the file read by then."""

    frame: pl.DataFrame
    first_row: int
    part: float


class TableFile:
    """A table of any size in a file, read batch by batch.

    ``names`` are its columns' names, stripped; ``size`` is in bytes.
    """

    def __init__(self, path: Path) -> None:
        """Look at the file's head. Raises :class:`DataError` where it is no table."""
        self.path = path
        with _explained(path):
            head = _head(path)
            self.size = path.stat().st_size
            self._csv = None if head.startswith(PARQUET_MAGIC) else CsvRows(path, packed=head.startswith(GZIP_MAGIC))
            self._written = self._csv.names if self._csv else _parquet_names(path)
        self.names = [name.strip() for name in self._written]
        repeated = next((name for name in self.names if name and self.names.count(name) > 1), None)
        if repeated is not None:
            raise DataError(f'{path}: column "{repeated}" appears twice in the header; rename one')

    def batches(self, names: Sequence[str]) -> Iterator[Batch]:
        """The columns of these names, all rows, in portions of some megabytes.

        A column of a CSV file comes as Float64 where all its cells in the batch are numbers or empty, else as text.
        Raises :class:`DataError` for rows that are not whole, and for a file without rows.
        """
        with _explained(self.path):
            batches = self._csv_batches(names) if self._csv else self._parquet_batches(names)
            empty = True
            for batch in batches:
                empty = False
                yield batch
        if empty:
            raise DataError(f"{self.path}: a header but no rows; record some data first")

    def _csv_batches(self, names: Sequence[str]) -> Iterator[Batch]:
        import polars as pl

        assert self._csv is not None
        position = first_row = 0
        numbers = [f"column_{number}" for number in range(1, len(self.names) + 1)]
        wanted = [numbers[self.names.index(name)] for name in names]
        as_text: set[str] = set()

        def read(portion: bytes, text: set[str]) -> pl.DataFrame:
            kinds = {number: pl.String if number in text or number not in wanted else pl.Float64 for number in numbers}
            frame = pl.read_csv(portion, has_header=False, schema=kinds, columns=wanted)
            return frame.select(wanted)

        def at(now: int) -> None:
            nonlocal position
            position = now

        for portion in self._csv.portions(at):
            try:
                frame = read(portion, as_text)
            except pl.exceptions.PolarsError:
                texts = read(portion, set(wanted))
                values = texts.with_columns(pl.col(wanted).cast(pl.Float64, strict=False))
                lost = [number for number in wanted if texts[number].null_count() < values[number].null_count()]
                as_text.update(lost)  # one such cell is seldom the only one
                frame = values.with_columns(texts[number] for number in lost)
            yield Batch(frame.rename(dict(zip(wanted, names, strict=True))), first_row, position / self.size)
            first_row += len(frame)

    def _parquet_batches(self, names: Sequence[str]) -> Iterator[Batch]:
        import polars as pl

        written = [self._written[self.names.index(name)] for name in names]
        table = pl.scan_parquet(self.path, glob=False)
        count = int(table.select(pl.len()).collect().item())
        table = table.select(written)
        step = max(1, CELLS // max(1, len(names)))
        for first_row in range(0, count, step):
            frame = table.slice(first_row, step).collect()
            yield Batch(frame.rename(dict(zip(written, names, strict=True))), first_row, (first_row + step) / count)


def read_frame(path: Path) -> pl.DataFrame:
    """A table that fits into memory, whole, its column names stripped. Raises :class:`DataError` where it is none."""
    import polars as pl

    file = TableFile(path)
    if file._csv is None:
        return pl.concat(batch.frame for batch in file.batches(file.names))
    with _explained(path):
        text = b"".join(file._csv.portions())
        if text:
            return pl.read_csv(
                text,
                has_header=False,
                new_columns=file.names,
                infer_schema_length=None,
                null_values=MISSING_WORDS,
            )
    raise DataError(f"{path}: a header but no rows; record some data first")


def _head(path: Path) -> bytes:
    """The first bytes of a file. Raises :class:`DataError` for what is certainly not a table."""
    if path.is_dir():
        raise DataError(f"{path}: expected a CSV, CSV.gz or Parquet file, found a folder")
    with path.open("rb") as file:
        head = file.read(4096)
    if not head:
        raise DataError(f"{path}: the file is empty; expected CSV, CSV.gz or Parquet")
    if head.startswith(UTF16_MARKS):
        raise DataError(f"{path}: expected CSV in UTF-8, found UTF-16; save it as UTF-8")
    if b"\0" in head and not head.startswith((GZIP_MAGIC, PARQUET_MAGIC)):
        raise DataError(f"{path}: expected CSV, CSV.gz or Parquet, found binary data")
    return head


def _parquet_names(path: Path) -> list[str]:
    import polars as pl

    return list(pl.read_parquet_schema(path))


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Says what is wrong with a file that cannot be read."""
    import polars as pl

    try:
        yield
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        reason = (str(error).splitlines() or ["damaged"])[0]
        raise DataError(f"{path}: not a readable table: {reason}") from error
