"""Files of sensor data as polars frames: CSV, CSV.gz or Parquet, told by their first bytes and not by their names."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vedette.errors import DataError

if TYPE_CHECKING:
    import polars as pl

MISSING_WORDS = ["", "NA", "N/A", "NaN", "nan", "null", "NULL", "None"]
GZIP_MAGIC, PARQUET_MAGIC = b"\x1f\x8b", b"PAR1"
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
# What other programs put between cells where vedette wants a comma.
OTHER_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}


def read_frame(path: Path) -> pl.DataFrame:
    """Read a table with a header, its column names stripped. Raises :class:`DataError` where it is not one."""
    import polars as pl

    try:
        head = _head(path)
        frame = pl.read_parquet(path) if head.startswith(PARQUET_MAGIC) else _read_csv(path, head)
        frame = frame.rename({name: name.strip() for name in frame.columns})
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        reason = (str(error).splitlines() or ["damaged"])[0]
        raise DataError(f"{path}: not a readable table: {reason}") from error
    if not len(frame):
        raise DataError(f"{path}: a header but no rows; record some data first")
    return frame


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


def _read_csv(path: Path, head: bytes) -> pl.DataFrame:
    import polars as pl

    blank = _check_rows(path, packed=head.startswith(GZIP_MAGIC))
    frame = pl.read_csv(path, infer_schema_length=None, null_values=MISSING_WORDS)
    if not blank:
        return frame
    keep = np.ones(len(frame), bool)
    keep[[row for row in blank if row < len(frame)]] = False
    return frame.filter(pl.Series(keep))


def _check_rows(path: Path, *, packed: bool) -> list[int]:
    """Check the header and that every row has as many cells; return the numbers of blank lines, which are no rows.

    polars would take short rows and blank lines for rows with missing values.
    """
    blank = []
    with gzip.open(path) if packed else path.open("rb") as file:
        reader = csv.reader(io.TextIOWrapper(file, encoding="utf-8-sig", newline=""))
        try:
            header = next((cells for cells in reader if cells), [])
            _check_header(path, [name.strip() for name in header])
            for number, cells in enumerate(reader):
                if not cells:
                    blank.append(number)
                elif len(cells) != len(header):
                    raise DataError(
                        f"{path}: line {reader.line_num}: expected {len(header)} columns, found {len(cells)}; "
                        "complete the row or take it out"
                    )
        except UnicodeDecodeError as error:
            raise DataError(f"{path}: expected a CSV file in UTF-8, found other bytes; save it as UTF-8") from error
        except csv.Error as error:
            raise DataError(f"{path}: line {reader.line_num}: not CSV: {error}") from error
        except (EOFError, zlib.error) as error:
            raise DataError(f"{path}: cannot be unpacked to its end ({error}); copy it again") from error
    return blank


def _check_header(path: Path, names: list[str]) -> None:
    if not any(names):
        raise DataError(f"{path}: expected a header with column names, found none")
    # Columns may be called 0, 1, 2, but hardly 20.5.
    if all(_is_number(name) for name in names) and not all(name.isdigit() for name in names):
        raise DataError(f"{path}: expected a header with column names, found numbers ({', '.join(names[:5])}); add one")
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        raise DataError(f'{path}: column "{repeated}" appears twice in the header; rename one')
    separator = next((mark for mark in OTHER_SEPARATORS if mark in names[0]), None)
    if len(names) == 1 and separator:
        raise DataError(f"{path}: expected columns separated by commas, found {OTHER_SEPARATORS[separator]}")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
