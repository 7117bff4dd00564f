"""Timestamp columns, read batch by batch: seconds since 1970, in order, and hints where local time was written."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from vedette.errors import DataError
from vedette.runtime.detection.signal import GAP_PERIODS
from vedette.runtime.ingest.csv_samples import MISSING
from vedette.runtime.times import EARLIEST_S, LATEST_S, parse_time

if TYPE_CHECKING:
    import polars as pl

# Up to this part of a file's rows may be out of time order (a clock set back); beyond, the file is unsorted.
MAX_LATE = 0.01
# How far local time jumps where daylight saving begins or ends. (Lord Howe Island, half an hour, is not thought of.)
DAYLIGHT_SAVING_S = 3600.0
UTC_REMEDY = "write times in UTC or with their offset, like 2026-10-25T02:30:00+01:00"
# What is read at array speed: what Python's own reader takes too, and nothing that it would read otherwise.
_ISO = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-5][0-9](\.[0-9]+)?)?(Z|[+-][0-9]{2}:[0-9]{2})?$"
_ZONE = re.compile(r"(Z|[+-][0-9]{2}:?[0-9]{2})$", re.IGNORECASE)

Seconds = npt.NDArray[np.float64]


class Timestamps:
    """The timestamp column of one file.

    ``local`` says whether times are written without a zone, so that they may be local ones; ``repeats_hour`` whether
    the clock went back by an hour, as it does where local time leaves daylight saving.
    """

    def __init__(self, path: Path, name: str) -> None:
        self._where = f"{path}: {name}"
        self.local = self.repeats_hour = False
        self._rows = self._late = 0
        self._newest = self._previous = -np.inf
        self._first_late = ""

    def take(self, column: pl.Series, first_row: int) -> Seconds:
        """The next cells in seconds: numbers are seconds, text is ISO 8601, no zone means UTC."""
        if column.null_count():
            raise self._missing(first_row + column.is_null().arg_true()[0])
        if first_row == 0:
            self.local = _is_local(column)
        seconds = self._seconds(column, first_row)
        usable = (seconds >= EARLIEST_S) & (seconds <= LATEST_S)
        if not usable.all():
            row = int(np.argmin(usable))
            hint = "; that looks like milliseconds" if LATEST_S < seconds[row] < LATEST_S * 1000 else ""
            raise DataError(
                f"{self._where}: row {first_row + row + 1}: expected seconds since 1970 in the years 1 to 9999, found "
                f"{seconds[row]:.6g}{hint}"
            )
        self._follow(column, seconds, first_row)
        return seconds

    def _seconds(self, column: pl.Series, first_row: int) -> Seconds:
        import polars as pl

        if column.dtype.is_numeric():
            return column.cast(pl.Float64).to_numpy().astype(np.float64)
        if isinstance(column.dtype, (pl.Datetime, pl.Date)):
            return column.cast(pl.Datetime("us")).to_physical().to_numpy().astype(np.float64) / 1e6
        if column.dtype != pl.String:
            raise DataError(f"{self._where}: expected timestamps or seconds, found {column.dtype}")
        seconds = read_iso(column)
        for row in np.flatnonzero(np.isnan(seconds)).tolist():
            if column[row].strip().lower() in MISSING:
                raise self._missing(first_row + row)
            try:
                seconds[row] = parse_time(column[row])
            except DataError as error:
                raise DataError(f"{self._where}: row {first_row + row + 1}: {error}") from None
        return seconds

    def _missing(self, row: int) -> DataError:
        return DataError(f"{self._where}: no timestamp in row {row + 1}; fill it in or leave the row out")

    def _follow(self, column: pl.Series, seconds: Seconds, first_row: int) -> None:
        """Look out for rows that are not newer than all before them."""
        newest = np.maximum.accumulate(np.concatenate([[self._newest], seconds]))
        late = np.flatnonzero(seconds <= newest[:-1])
        self._rows += len(seconds)
        steps = np.diff(seconds, prepend=self._previous)
        self._newest, self._previous = float(newest[-1]), float(seconds[-1])
        if not len(late):
            return
        if not self._late:
            written = column[int(late[0])]
            written = f"{written:.15g}" if isinstance(written, float) else written
            self._first_late = f'first row {first_row + late[0] + 1} ("{written}")'
        self._late += len(late)
        forward, back = steps[(steps > 0) & np.isfinite(steps)], -steps[late]
        if self.local and len(forward):
            step = float(np.median(forward))
            # The hour less one step, or less a few where samples were lost.
            hour = (back < DAYLIGHT_SAVING_S) & (back >= DAYLIGHT_SAVING_S - GAP_PERIODS * step)
            self.repeats_hour = self.repeats_hour or bool(hour.any() and step < DAYLIGHT_SAVING_S / 2)

    def finish(self) -> str | None:
        """A note at the end of the file, if there is one; raises :class:`DataError` where too many rows are late."""
        hint = "the clock goes back by an hour, as where local time leaves daylight saving"
        if self._late > MAX_LATE * self._rows:
            raise DataError(
                f"{self._where}: {self._late} of {self._rows} rows are not newer than the rows before them, "
                f"{self._first_late}; "
                + (f"{hint}: {UTC_REMEDY}" if self.repeats_hour else "sort the rows by time and keep one of each")
            )
        if self.repeats_hour:
            return f"{self._where}: {hint}, {self._first_late}; to keep the repeated hour, {UTC_REMEDY}"
        return None


def read_iso(text: pl.Series) -> Seconds:
    """Seconds since 1970 of ISO 8601 texts in the usual form; NaN for those that are written otherwise.

    What it reads comes out as :func:`~vedette.runtime.times.parse_time` does it, many times as fast.
    """
    import polars as pl

    usual = text.str.contains(_ISO)
    if not usual.any():
        return np.full(len(text), np.nan)
    first = text[int(usual.arg_max() or 0)]
    zone = _ZONE.search(first)
    # Most columns are written in one way; what is written otherwise than the first comes out as null.
    suffix = "" if zone is None else "Z" if zone[0] == "Z" else "%:z"
    clock = "%H:%M:%S%.f" if first[16:17] == ":" else "%H:%M"
    parsed = text.str.to_datetime(f"%Y-%m-%d{first[10]}{clock}{suffix}", strict=False, time_unit="us")
    micros = parsed.to_physical().cast(pl.Float64).set(~usual, None)
    return micros.fill_null(np.nan).to_numpy() / 1e6


def _is_local(column: pl.Series) -> bool:
    import polars as pl

    if column.dtype == pl.String:
        return _ZONE.search(column[0].strip()) is None
    return isinstance(column.dtype, pl.Datetime) and column.dtype.time_zone is None
