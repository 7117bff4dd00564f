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
    before the first full window repeat the first score. ``window_rows`` are the rows that completed a window.
    ``rejected`` counts rows that could not be scored and ``first_rejection`` says why the first one was.
    """

    score: npt.NDArray[np.float32]
    alert: npt.NDArray[np.bool_]
    window_rows: npt.NDArray[np.int64]
    rejected: int
    first_rejection: str | None


def score_rows(stream: Stream, rows: Iterable[Row]) -> Scores:
    """Push (time in seconds, values ``(channels,)``) rows through a stream.

    Raises :class:`DataError` where no row completes a window.
    """
    score, alert, windows = [], [], []
    rejected, first_rejection, before = 0, None, stream.reading
    for number, (time, values) in enumerate(rows):
        try:
            stream.push(time, values)
        except SampleRejectedError as error:
            rejected += 1
            first_rejection = first_rejection or f"row {number + 1}: {error}"
        if stream.reading is not before:
            windows.append(number)
            before = stream.reading
        score.append(before.score if before else np.nan)
        alert.append(stream.alerts.active is not None)
    if not windows:
        because = f" ({rejected} rows were rejected; {first_rejection})" if rejected else ""
        raise DataError(f"expected at least {stream.signal.window} rows, one window, found {len(score)}{because}")
    scores = np.array(score, np.float32)
    scores[: windows[0]] = scores[windows[0]]
    return Scores(scores, np.array(alert), np.array(windows), rejected, first_rejection)
