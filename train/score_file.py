"""``vedette score``: a file in, one score per row out, through the daemon's code path.

CSV is read with the standard library, so that this works on a gateway; Parquet needs polars from the desktop extra.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vedette.errors import DataError, DependencyError
from vedette.runtime.bundles.bundle import Bundle
from vedette.runtime.detection.signal import SignalSpec
from vedette.runtime.inference.interpreter import Model
from vedette.runtime.ingest.csv_samples import CsvRow, has_timestamp, read_csv
from vedette.runtime.streams.scoring import Row, Scores, score_rows
from vedette.runtime.streams.stream import Stream
from vedette.runtime.times import iso_time

PARQUET_MAGIC = b"PAR1"


@dataclass(frozen=True)
class ScoredFile:
    """The scores of a file's rows, with the text that names each row; ``index`` is the column that it came from."""

    index: str
    labels: list[str]
    scores: Scores


def score_file(bundle: Bundle, model: Model, path: Path) -> ScoredFile:
    """Score every row of a CSV, CSV.gz or Parquet file. Raises :class:`DataError`."""
    signal = bundle.manifest.signal
    parquet = _is_parquet(path)
    index, rows = _parquet(path, signal) if parquet else (None, read_csv(path, signal))
    labels: list[str] = []

    def samples() -> Iterator[Row]:
        for row in rows:
            labels.append(row.label)
            yield row.time, row.values

    scores = score_rows(Stream(bundle.manifest, model), samples())
    if not parquet and has_timestamp(path, signal):
        index = signal.timestamp
    return ScoredFile(index or "index", labels, scores)


def to_csv(result: ScoredFile, *, window_scores: bool) -> str:
    """The scores as CSV: index or timestamp, score, alert; one row per input row, or one per window."""
    scores = result.scores
    rows = zip(scores.window_rows, scores.window_score, strict=True) if window_scores else enumerate(scores.score)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([result.index, "score", "alert"])
    writer.writerows([result.labels[i], f"{score:.9g}", int(scores.alert[i])] for i, score in rows)
    return text.getvalue()


def _parquet(path: Path, signal: SignalSpec) -> tuple[str | None, Iterator[CsvRow]]:
    try:
        from vedette.train.data.frame import read_frame
        from vedette.train.data.table import read_signal

        table = read_signal(path, signal, labelled=False)
    except ImportError as error:
        raise DependencyError(f'{path}: reading Parquet needs polars; try: pip install "vedette[desktop]"') from error
    if table.times is None or table.timestamp is None:
        times = [i * signal.period_s for i in range(len(table))]
        return None, map(CsvRow, map(str, range(len(table))), times, table.values)
    times = table.times.tolist()
    written = read_frame(path)[table.timestamp]
    labels = map(iso_time, times) if written.dtype.is_temporal() else map(str, written)
    return table.timestamp, map(CsvRow, labels, times, table.values)


def _is_parquet(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(4) == PARQUET_MAGIC
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
