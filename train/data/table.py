"""Sensor tables: CSV, CSV.gz or Parquet in, checked rows out, whatever their number."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vedette.errors import ConfigError, DataError, nearest
from vedette.runtime.detection.signal import SignalSpec
from vedette.train.data.columns import Column, Readings, read_label
from vedette.train.data.frame import Batch, TableFile
from vedette.train.data.sources import find_files
from vedette.train.data.table_store import RowStore, spans
from vedette.train.data.timestamps import Timestamps

# Never input, by contract; the first that is present and that the project names no other for is the time base.
TIME_COLUMNS = ("time", "timestamp")
INDEX_COLUMN = "index"
LABEL_COLUMN = "label"
NEVER_CHANNELS = (*TIME_COLUMNS, INDEX_COLUMN, LABEL_COLUMN)

HASHED_AT_A_TIME = 2**20

Progress = Callable[[float], None]


@dataclass(frozen=True)
class Recording:
    """One file of a table: its name and its first row's number in the table."""

    name: str
    start: int


@dataclass(frozen=True)
class Table:
    """A sensor table.

    ``values`` is ``(n, channels)`` float64, NaN where a value is missing, not finite or beyond
    ``signal.MAX_READING``. ``times`` are seconds, ``(n,)``, None where there is no time base;
    ``timestamp`` is the column they come from. ``label`` is ``(n,)`` 0/1 or None. ``notes`` tell what was left out and
    why. ``recordings`` are the files it was read from, in order; within each, times increase, up to a few late rows.
    ``local_times`` says that times were written without a zone. Large arrays are read-only maps of temporary files.
    """

    channels: tuple[str, ...]
    values: npt.NDArray[np.float64]
    timestamp: str | None
    times: npt.NDArray[np.float64] | None
    label: npt.NDArray[np.int8] | None
    sha256: str
    notes: tuple[str, ...]
    recordings: tuple[Recording, ...] = (Recording("", 0),)
    local_times: bool = False

    def __len__(self) -> int:
        return len(self.values)

    def where(self, row: int) -> str:
        """How a row, counted from 0, is called in a message."""
        recording = next(found for found in reversed(self.recordings) if found.start <= row)
        name = f"{recording.name}: " if len(self.recordings) > 1 else ""
        return f"{name}row {row - recording.start + 1}"


def read_table(
    data: Path | Sequence[Path],
    *,
    channels: list[str] | None = None,
    timestamp: str | None = None,
    on_progress: Progress | None = None,
) -> Table:
    """Read a table to train on, from files, folders and patterns (see :func:`~vedette.train.data.sources.find_files`).

    ``channels`` None takes every numeric column that is not a time, an index or a label; columns without any value are
    left out with a note, or are an error where they were asked for. ``on_progress`` is told the part done. Raises
    :class:`DataError` on anything that cannot be used, naming file, column and row, and :class:`ConfigError` for a
    channel that may be none.
    """
    sources = find_files(data)
    files = [TableFile(path) for path in sources.files]
    first, names = files[0].path, files[0].names
    if timestamp is not None and timestamp not in names:
        raise DataError(f'{first}: no column "{timestamp}" (the timestamp); {nearest(timestamp, names)}')
    timestamp = timestamp or next((name for name in TIME_COLUMNS if name in names), None)
    never = {*NEVER_CHANNELS, timestamp}
    if refused := [name for name in channels or () if name in never]:
        raise ConfigError(f'signal.channels: "{refused[0]}" is never a channel; take it out, or rename the column')
    wanted = channels or [name for name in names if name and name not in never]
    for file in files[1:]:
        _check_same_columns(files[0], file, {*wanted, timestamp, LABEL_COLUMN} if channels else None)
    notes = list(sources.notes)
    if "" in names and not channels:
        notes.append("a column without a name is left out")
    reader = _Reader(files, wanted, timestamp, labelled=LABEL_COLUMN in names)
    return reader.read(notes, must=channels is not None, may_be_empty=False, on_progress=on_progress)


def read_signal(path: Path, signal: SignalSpec, *, labelled: bool = True) -> Table:
    """Read the channels of a known signal, whatever other columns the file has; here a channel may be empty.

    Without the signal's timestamp column the table has no times, and without ``labelled`` no label. Raises
    :class:`DataError` as :func:`read_table` does.
    """
    file = TableFile(path)
    timestamp = signal.timestamp if signal.timestamp in file.names else None
    reader = _Reader([file], list(signal.names), timestamp, labelled=labelled and LABEL_COLUMN in file.names)
    return reader.read(must=True, may_be_empty=True)


def _check_same_columns(first: TableFile, other: TableFile, needed: set[str | None] | None) -> None:
    """Raise :class:`DataError` where a file has other columns than the first one, of the ``needed`` ones; any order."""
    ours = [name for name in first.names if name and (needed is None or name in needed)]
    theirs = [name for name in other.names if name and (needed is None or name in needed)]
    if set(ours) == set(theirs):
        return
    differences = [
        f"{file.path} has no {', '.join(missing[:5])}{' …' if len(missing) > 5 else ''}"
        for file, missing in (
            (other, [name for name in ours if name not in theirs]),
            (first, [name for name in theirs if name not in ours]),
        )
        if missing
    ]
    raise DataError(
        f"{first.path} and {other.path} have different columns: {'; '.join(differences)}; "
        "give files of one kind, or name the columns that all have in signal.channels"
    )


class _Reader:
    """Reads files of the same columns into one table."""

    def __init__(self, files: list[TableFile], wanted: list[str], timestamp: str | None, *, labelled: bool) -> None:
        self._files, self._timestamp, self._labelled = files, timestamp, labelled
        names = files[0].names
        for name in wanted:
            if name not in names:
                raise DataError(f'{files[0].path}: no channel "{name}"; {nearest(name, names)}')
        if not wanted:
            raise self._no_channel()
        self._readings = [Readings(name) for name in wanted]
        self._columns = [*wanted, *([timestamp] if timestamp else []), *([LABEL_COLUMN] if labelled else [])]
        #: The columns that have no text among the first cells, and the store of their values.
        self._stored: list[Readings] = []
        self._values: RowStore | None = None
        self._times, self._label = RowStore(None), RowStore(None, np.int8)
        self._local_times = False
        self._notes: list[str] = []

    def read(
        self, notes: Sequence[str] = (), *, must: bool, may_be_empty: bool, on_progress: Progress | None = None
    ) -> Table:
        """The table, with these notes and its own.

        Where columns ``must`` be channels, text in them is an error, else they are left out with a note; so is one
        without any value unless it ``may_be_empty``.
        """
        self._notes += notes
        recordings, done = [], 0
        total = sum(file.size for file in self._files)
        for file in self._files:
            recordings.append(Recording(str(file.path), len(self._values) if self._values else 0))
            timestamps = Timestamps(file.path, self._timestamp) if self._timestamp else None
            for batch in file.batches(self._columns):
                self._take(file.path, batch, timestamps)
                if on_progress:
                    on_progress((done + min(batch.part, 1.0) * file.size) / total)
            done += file.size
            if timestamps:
                note = timestamps.finish()
                self._notes += [note] if note else []
                self._local_times = self._local_times or timestamps.local
        if on_progress:
            on_progress(1.0)
        channels, values = self._channels(must=must, may_be_empty=may_be_empty)
        return Table(
            channels=channels,
            values=values,
            timestamp=self._timestamp,
            times=self._times.finish() if self._timestamp else None,
            label=self._label.finish() if self._labelled else None,
            sha256=_sha256(self._files),
            notes=tuple(self._notes),
            recordings=tuple(recordings),
            local_times=self._local_times,
        )

    def _take(self, path: Path, batch: Batch, timestamps: Timestamps | None) -> None:
        """Store a batch."""
        columns = {each.name: each.take(path, batch.frame[each.name], batch.first_row) for each in self._readings}
        if self._values is None:
            self._stored = [each for each in self._readings if each.is_numeric]
            self._values = RowStore(len(self._stored))
        stored: list[Column] = [columns[each.name] for each in self._stored]
        self._values.append(np.column_stack(stored) if stored else np.empty((len(batch.frame), 0)))
        if timestamps and self._timestamp:
            self._times.append(timestamps.take(batch.frame[self._timestamp], batch.first_row))
        if self._labelled:
            self._label.append(read_label(path, batch.frame[LABEL_COLUMN], batch.first_row))

    def _channels(self, *, must: bool, may_be_empty: bool) -> tuple[tuple[str, ...], npt.NDArray[np.float64]]:
        """The names and values of the channels."""
        for each in self._readings:
            each.check(must=must)
        numeric = [each for each in self._readings if each.is_numeric]
        empty = [] if may_be_empty else [each.name for each in numeric if not each.has_value]
        if empty and must:
            raise DataError(
                f'{self._files[0].path}: channel "{empty[0]}" has no value at all; take it out of the channels'
            )
        self._notes += [
            f'column "{each.name}" is not numeric and is left out' for each in self._readings if not each.is_numeric
        ]
        self._notes += [f'column "{name}" has no value at all and is left out' for name in empty]
        kept = [place for place, each in enumerate(self._stored) if each.is_numeric and each.name not in empty]
        if not kept or self._values is None:
            raise self._no_channel()
        values = self._values.finish()
        if len(kept) < len(self._stored):
            narrow = RowStore(len(kept))
            for span in spans(values):
                narrow.append(values[span][:, kept])
            values = narrow.finish()
        return tuple(self._stored[place].name for place in kept), values

    def _no_channel(self) -> DataError:
        file = self._files[0]
        return DataError(
            f"{file.path}: expected at least one numeric column with values, found none in {', '.join(file.names)}"
        )


def _sha256(files: Sequence[TableFile]) -> str:
    """The hash of the files' bytes, one after another."""
    digest = hashlib.sha256()
    for file in files:
        with file.path.open("rb") as data:
            while block := data.read(HASHED_AT_A_TIME):
                digest.update(block)
    return digest.hexdigest()
