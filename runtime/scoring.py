"""Scoring a recorded series with the daemon's own code path: one result per row."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vedette.errors import DataError
from vedette.runtime.detector import SampleRejectedError
from vedette.runtime.stream import Stream

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


def score_rows(stream: Stream, rows: Iterable[Row]) -> Scores:
    """Push (time in seconds, values ``(channels,)``) rows through a stream.

    Raises :class:`DataError` where no row completes a window, and where a value is missing that must not be.
    """
    score, alert, window_score, window_rows = [], [], [], []
    rejected, first_rejection = 0, None
    for number, (time, values) in enumerate(rows):
        for step in stream.push(time, values):
            if isinstance(step, SampleRejectedError):
                rejected += 1
                first_rejection = first_rejection or f"row {number + 1}: {step}"
            elif isinstance(step, DataError):
                raise step
            else:
                _, reading, _ = step
                window_score.append(reading.score)
                window_rows.append(number)
        score.append(stream.reading.score if stream.reading else np.nan)
        alert.append(stream.alerts.active is not None)
    if not window_rows:
        signal = stream.signal
        grid = f", on a grid of {signal.period_s:g} s" if signal.resampled else ""
        because = f" ({rejected} rows were rejected; {first_rejection})" if rejected else ""
        raise DataError(f"expected at least {signal.window} rows, one window{grid}, found {len(score)}{because}")
    scores = np.array(score, np.float32)
    scores[: window_rows[0]] = window_score[0]
    return Scores(
        scores, np.array(alert), np.array(window_score, np.float32), np.array(window_rows), rejected, first_rejection
    )
