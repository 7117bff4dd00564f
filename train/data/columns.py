"""Columns of sensor tables, read batch by batch: what is a number, what is missing, and what is neither."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from vedette.errors import DataError
from vedette.runtime.detection.signal import MAX_READING
from vedette.runtime.ingest.csv_samples import MISSING

if TYPE_CHECKING:
    import polars as pl

# A text column of which this part reads as numbers is taken for a channel with bad cells, which is an error.
MOSTLY_NUMERIC = 0.5
# How programs write a switch.
SWITCHES = {"true": 1.0, "false": 0.0}

Column = npt.NDArray[np.float64]


class Readings:
    """A column that may be a channel."""

    def __init__(self, name: str) -> None:
        self.name = name
        #: Whether there was any value, and whether every cell so far is a number, a switch or missing.
        self.has_value, self.is_numeric = False, True
        self._written = self._bad = 0
        self._first_bad = ""

    def take(self, path: Path, column: pl.Series, first_row: int) -> Column:
        """The column's next cells as float64, NaN where missing, or text, or no measurement."""
        import polars as pl

        if column.dtype == pl.Boolean or column.dtype.is_numeric() or column.dtype == pl.Null:
            numbers = column.cast(pl.Float64)
            self._written += len(column) - column.null_count()
        elif column.dtype in (pl.String, pl.Categorical, pl.Enum):
            numbers = self._from_text(path, column.cast(pl.String).str.strip_chars(), first_row)
        else:
            self._reject(len(column), f"{path}: {self.name}: expected numbers, found a column of {column.dtype}")
            return np.full(len(column), np.nan)
        values = numbers.fill_null(np.nan).to_numpy().astype(np.float64)
        usable = np.abs(values) <= MAX_READING
        self.has_value = self.has_value or bool(usable.any())
        return values if usable.all() else np.where(usable, values, np.nan)

    def _from_text(self, path: Path, text: pl.Series, first_row: int) -> pl.Series:
        import polars as pl

        words = text.str.to_lowercase()
        switches = words.replace_strict(SWITCHES, default=None, return_dtype=pl.Float64)
        numbers = text.cast(pl.Float64, strict=False).fill_null(switches)
        written = text.is_not_null() & ~words.is_in(list(MISSING))
        self._written += int(written.sum())
        bad = (numbers.is_null() & written).arg_true()
        if len(bad):
            where = f'found "{text[bad[0]]}" in row {first_row + bad[0] + 1}'
            self._reject(len(bad), f"{path}: {self.name}: expected numbers, {where}")
        return numbers

    def _reject(self, cells: int, because: str) -> None:
        self.is_numeric = False
        self._bad += cells
        self._first_bad = self._first_bad or because

    def check(self, *, must: bool) -> None:
        """Raise :class:`DataError`, at the end, for a column that ``must`` be a channel, or looks like one, and has
        cells that are no numbers."""
        if self._bad and (must or self._bad <= (1 - MOSTLY_NUMERIC) * self._written):
            cells = f" ({self._bad} such cells)" if self._written else ""
            raise DataError(f"{self._first_bad}{cells}")


def read_label(path: Path, column: pl.Series, first_row: int) -> npt.NDArray[np.int8]:
    """Labels ``(n,)`` from numbers or switches. Raises :class:`DataError` for anything but 0 and 1."""
    import polars as pl

    if column.dtype == pl.String:
        words = column.str.strip_chars().str.to_lowercase()
        switches = words.replace_strict(SWITCHES, default=None, return_dtype=pl.Float64)
        values = words.cast(pl.Float64, strict=False).fill_null(switches)
    elif column.dtype.is_numeric() or column.dtype in (pl.Boolean, pl.Null):
        values = column.cast(pl.Float64, strict=False)
    else:
        values = pl.Series([None] * len(column), dtype=pl.Float64)
    bad = (~values.is_in([0.0, 1.0]) | values.is_null()).arg_true()
    if len(bad):
        row = first_row + bad[0] + 1
        raise DataError(f"{path}: label: expected 0 or 1, found {column[bad[0]]!r:.40} in row {row}")
    return values.cast(pl.Int8).to_numpy()
