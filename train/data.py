"""Sensor tables: CSV, CSV.gz or Parquet in, checked rows out."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from vedette.errors import ConfigError, DataError, nearest
from vedette.runtime.csv_samples import MISSING
from vedette.runtime.signal import MAX_READING, SignalSpec
from vedette.runtime.times import EARLIEST_S, LATEST_S, parse_time
from vedette.train.frame import read_frame

if TYPE_CHECKING:
    import polars as pl

# Never input, by contract; the first that is present and that the project names no other for is the time base.
TIME_COLUMNS = ("time", "timestamp")
INDEX_COLUMN = "index"
LABEL_COLUMN = "label"
NEVER_CHANNELS = (*TIME_COLUMNS, INDEX_COLUMN, LABEL_COLUMN)
# Up to this part of the rows may be out of time order (a clock set back); beyond, the file is unsorted.
MAX_LATE = 0.01
# A text column of which this part reads as numbers is taken for a channel with bad cells, which is an error.
MOSTLY_NUMERIC = 0.5


Column = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Table:
    """A sensor table.

    ``values`` is ``(n, channels)`` float64, NaN where a value is missing, not finite or beyond
    :data:`~vedette.runtime.signal.MAX_READING`. ``times`` are seconds, ``(n,)``, None where there is no time base;
    ``timestamp`` is the column they come from. ``label`` is ``(n,)`` 0/1 or None. ``notes`` tell what was left out and
    why.
    """

    channels: tuple[str, ...]
    values: npt.NDArray[np.float64]
    timestamp: str | None
    times: npt.NDArray[np.float64] | None
    label: npt.NDArray[np.int8] | None
    sha256: str
    notes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.values)

    @property
    def sample_period_s(self) -> float | None:
        """Median seconds between samples, None where there is no time base."""
        return None if self.times is None or len(self) < 2 else float(np.median(np.diff(self.times)))

    @property
    def late(self) -> npt.NDArray[np.bool_]:
        """Rows ``(n,)`` that are not newer than all rows before them; no stream takes them."""
        late = np.zeros(len(self), bool)
        if self.times is not None:
            late[1:] = self.times[1:] <= np.maximum.accumulate(self.times)[:-1]
        return late

    def select(self, rows: npt.NDArray[np.bool_]) -> Table:
        """The table with only these rows."""
        times = None if self.times is None else self.times[rows]
        label = None if self.label is None else self.label[rows]
        return replace(self, values=self.values[rows], times=times, label=label)


def read_table(path: Path, *, channels: list[str] | None = None, timestamp: str | None = None) -> Table:
    """Read a table to train on.

    ``channels`` None takes every numeric column that is not a time, an index or a label; columns without any value are
    left out with a note, or are an error where they were asked for. Raises :class:`DataError` on anything that cannot
    be used, naming column and row, and :class:`ConfigError` for a channel that may be none.
    """
    frame = read_frame(path)
    names = frame.columns
    if timestamp is not None and timestamp not in names:
        raise DataError(f'{path}: no column "{timestamp}" (the timestamp); {nearest(timestamp, names)}')
    timestamp = timestamp or next((name for name in TIME_COLUMNS if name in names), None)
    never = {*NEVER_CHANNELS, timestamp}
    if refused := [name for name in channels or () if name in never]:
        raise ConfigError(f'signal.channels: "{refused[0]}" is never a channel; take it out, or rename the column')
    wanted = channels or [name for name in names if name and name not in never]
    columns = {name: _channel(frame, name, path, must=channels is not None) for name in wanted}
    notes = [f'column "{name}" is not numeric and is left out' for name in wanted if columns[name] is None]
    if "" in names and not channels:
        notes.append("a column without a name is left out")
    empty = [name for name, column in columns.items() if column is not None and np.isnan(column).all()]
    if empty and channels:
        raise DataError(f'{path}: channel "{empty[0]}" has no value at all; take it out of the channels')
    notes += [f'column "{name}" has no value at all and is left out' for name in empty]
    kept = {name: column for name, column in columns.items() if column is not None and name not in empty}
    if not kept:
        raise DataError(f"{path}: expected at least one numeric column with values, found none in {', '.join(names)}")
    return _table(path, frame, kept, timestamp, notes)


def read_signal(path: Path, signal: SignalSpec, *, labelled: bool = True) -> Table:
    """Read the channels of a known signal, whatever other columns the file has; here a channel may be empty.

    Without the signal's timestamp column the table has no times, and without ``labelled`` no label. Raises
    :class:`DataError` as :func:`read_table` does.
    """
    frame = read_frame(path)
    if not labelled:
        frame = frame.drop(LABEL_COLUMN, strict=False)
    columns = {name: _channel(frame, name, path, must=True) for name in signal.names}
    timestamp = signal.timestamp if signal.timestamp in frame.columns else None
    return _table(path, frame, {name: column for name, column in columns.items() if column is not None}, timestamp, [])


def _table(
    path: Path, frame: pl.DataFrame, columns: dict[str, Column], timestamp: str | None, notes: list[str]
) -> Table:
    return Table(
        channels=tuple(columns),
        values=np.column_stack(list(columns.values())),
        timestamp=timestamp,
        times=None if timestamp is None else _times(frame[timestamp], f"{path}: {timestamp}"),
        label=_label(frame[LABEL_COLUMN], str(path)) if LABEL_COLUMN in frame.columns else None,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        notes=tuple(notes),
    )


def _channel(frame: pl.DataFrame, name: str, path: Path, *, must: bool) -> Column | None:
    """A column as float64, NaN where missing. Text gives None, or an error where the column ``must`` be a channel."""
    if name not in frame.columns:
        raise DataError(f'{path}: no channel "{name}"; {nearest(name, frame.columns)}')
    import polars as pl

    column, where = frame[name], f"{path}: {name}"
    if column.dtype == pl.Boolean or column.dtype.is_numeric() or column.dtype == pl.Null:
        return _readings(column.cast(pl.Float64))
    if column.dtype not in (pl.String, pl.Categorical, pl.Enum):
        if must:
            raise DataError(f"{where}: expected numbers, found a column of {column.dtype}")
        return None
    text = column.cast(pl.String).str.strip_chars()
    numbers = text.cast(pl.Float64, strict=False)
    written = text.is_not_null() & ~text.str.to_lowercase().is_in(list(MISSING))
    bad = (numbers.is_null() & written).arg_true()
    if not must and len(bad) > (1 - MOSTLY_NUMERIC) * len(written.arg_true()):
        return None
    if len(bad):
        raise DataError(
            f'{where}: expected numbers, found "{text[bad[0]]}" in row {bad[0] + 1} ({len(bad)} such cells)'
        )
    return _readings(numbers)


def _readings(column: pl.Series) -> Column:
    """A numeric column with NaN for everything that is no measurement."""
    values = column.fill_null(np.nan).to_numpy().astype(np.float64)
    return np.where(np.abs(values) <= MAX_READING, values, np.nan)


def _label(column: pl.Series, where: str) -> npt.NDArray[np.int8]:
    import polars as pl

    simple = column.dtype.is_numeric() or column.dtype in (pl.Boolean, pl.String, pl.Null)
    values = column.cast(pl.Float64, strict=False) if simple else pl.Series([None] * len(column), dtype=pl.Float64)
    bad = (~values.is_in([0.0, 1.0]) | values.is_null()).arg_true()
    if len(bad):
        raise DataError(f"{where}: label: expected 0 or 1, found {column[bad[0]]!r:.40} in row {bad[0] + 1}")
    return values.cast(pl.Int8).to_numpy()


def _times(column: pl.Series, where: str) -> npt.NDArray[np.float64]:
    """A timestamp column in seconds: numbers are seconds, text is ISO 8601 (no zone means UTC)."""
    import polars as pl

    if column.null_count():
        row = column.is_null().arg_true()[0] + 1
        raise DataError(f"{where}: no timestamp in row {row}; fill it in or leave the row out")
    if column.dtype.is_numeric():
        seconds = column.cast(pl.Float64).to_numpy().astype(np.float64)
    else:
        seconds = _written_seconds(column, where)
    usable = (seconds >= EARLIEST_S) & (seconds <= LATEST_S)
    if not usable.all():
        row = int(np.argmin(usable))
        raise DataError(
            f"{where}: row {row + 1}: expected seconds since 1970 in the years 1 to 9999, found {seconds[row]:.6g}"
            + ("; that looks like milliseconds" if LATEST_S < seconds[row] < LATEST_S * 1000 else "")
        )
    late = np.flatnonzero(seconds[1:] <= np.maximum.accumulate(seconds)[:-1]) + 1
    if len(late) > MAX_LATE * len(seconds):
        raise DataError(
            f"{where}: {len(late)} of {len(seconds)} rows are not newer than the rows before them, first row "
            f'{late[0] + 1} ("{column[int(late[0])]}"); sort the rows by time and keep one of each'
        )
    return seconds


def _written_seconds(column: pl.Series, where: str) -> npt.NDArray[np.float64]:
    """Timestamps as text, read by the gateway's own rules, or as dates."""
    import polars as pl

    if column.dtype == pl.String:
        seconds = np.empty(len(column))
        for row, text in enumerate(column):
            try:
                seconds[row] = parse_time(text)
            except DataError as error:
                raise DataError(f"{where}: row {row + 1}: {error}") from None
        return seconds
    if not isinstance(column.dtype, (pl.Datetime, pl.Date)):
        raise DataError(f"{where}: expected timestamps or seconds, found {column.dtype}")
    return column.cast(pl.Datetime("us")).to_physical().to_numpy().astype(np.float64) / 1e6
