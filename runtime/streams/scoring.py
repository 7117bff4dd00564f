"""Scoring a recorded series with the daemon's own code path: one result per row."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt

from vedette.errors import DataError
from vedette.runtime.detection.detector import Readings, SampleRejectedError
from vedette.runtime.inference.interpreter import MAX_BATCH
from vedette.runtime.streams.stream import Stream

Row = tuple[float, npt.NDArray[np.float64]]


@dataclass(frozen=True)
class Scores:
    """The scores of a series.

    ``score`` and ``alert`` have one entry per row: the newest score at that row, and whether an alert is active. Rows
    before the first full window repeat the first score. ``window_score`` has one entry per window, and ``window_rows``
    the row that completed it; where the signal is resampled, that may be several windows in one row. ``rejected``
    counts rows, of the series or of its grid, that could not be scored, and ``first_rejection`` says why the first one
    was.
    """

    score: npt.NDArray[np.float32]
    alert: npt.NDArray[np.bool_]
    window_score: npt.NDArray[np.float32]
    window_rows: npt.NDArray[np.int64]
    rejected: int
    first_rejection: str | None


def score_rows(stream: Stream, rows: Iterable[Row], *, on_readings: Callable[[Readings], None] | None = None) -> Scores:
    """Push (time in seconds, values ``(channels,)``) rows through a stream, many at a time.

    ``on_readings`` is called with the readings as they come. Raises :class:`DataError` where no row completes a window,
    and where a value is missing that must not be.
    """
    window_score: list[npt.NDArray[np.float64]] = []
    window_rows: list[npt.NDArray[np.int64]] = []
    changes = [(0, stream.alerts.active is not None)]
    count, rejected, first_rejection = 0, 0, None
    rows = iter(rows)
    while chunk := list(islice(rows, MAX_BATCH)):
        for time, values in chunk:
            stream.offer(time, values)
        found = stream.group.score()
        for rejection in found.rejections:
            if not isinstance(rejection.error, SampleRejectedError):
                raise rejection.error
            rejected += 1
            first_rejection = first_rejection or f"row {count + rejection.sample + 1}: {rejection.error}"
        window_score.append(found.readings.scores)
        window_rows.append(count + np.array(found.samples, np.int64)[found.readings.rows])
        changes += [(count + step.sample, step.alert.phase != "end") for step in found.alerts]
        if on_readings:
            on_readings(found.readings)
        count += len(chunk)
    at = np.concatenate(window_rows) if window_rows else np.empty(0, np.int64)
    if not len(at):
        signal = stream.signal
        grid = f", on a grid of {signal.period_s:g} s" if signal.resampled else ""
        because = f" ({rejected} rows were rejected; {first_rejection})" if rejected else ""
        raise DataError(f"expected at least {signal.window} rows, one window{grid}, found {count}{because}")
    scores = np.concatenate(window_score).astype(np.float32)
    every = np.arange(count)
    newest = np.maximum(np.searchsorted(at, every, side="right") - 1, 0)
    starts, active = map(np.array, zip(*changes, strict=True))
    alert = active[np.searchsorted(starts, every, side="right") - 1]
    return Scores(scores[newest], alert, scores, at, rejected, first_rejection)
