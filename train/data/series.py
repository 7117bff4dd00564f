"""Unbroken series of rows: what is missing in them held or left out, irregular ones put on a grid.

Everything here goes through the rows block by block, and copies them only where something changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vedette.runtime.detection.resample import Resampler
from vedette.train.data.table_store import RowStore, spans

Values = npt.NDArray[np.float64]
Positions = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Series:
    """Rows in order of time, in one or more unbroken parts.

    ``values`` ``(n, channels)`` and ``times`` ``(n,)``, seconds that increase or None. ``breaks`` are the rows, above 0
    and increasing, that do not continue the row before. ``cuts`` are those among them that no gap in ``times`` shows.
    """

    values: Values
    times: Values | None
    breaks: Positions
    cuts: Positions

    def __len__(self) -> int:
        return len(self.values)


def without(rows: Values, dropped: Positions, shifts: Sequence[tuple[int, float]] = ()) -> Values:
    """The rows but those ``dropped``, row numbers that increase.

    Before, each of ``shifts``, (row, by how much), is added to the rows from that one to before the next shift's.
    """
    store = RowStore(rows.shape[1] if rows.ndim > 1 else None)
    for span in spans(rows):
        block, keep = rows[span], np.ones(span.stop - span.start, bool)
        first, last = np.searchsorted(dropped, [span.start, span.stop])
        keep[dropped[first:last] - span.start] = False
        if shifts:
            starts, sizes = np.array([0, *(start for start, _ in shifts)]), np.array([0.0, *(by for _, by in shifts)])
            number = np.arange(span.start, span.stop)
            block = block + sizes[np.searchsorted(starts, number, side="right") - 1]
        store.append(block[keep])
    return store.finish()


def drop_incomplete(series: Series) -> Series:
    """The series without the rows that miss a value. A break on such a row moves to the next row that is left."""
    incomplete = [
        np.flatnonzero(~np.isfinite(series.values[span]).all(axis=1)) + span.start for span in spans(series.values)
    ]
    dropped = np.concatenate([np.empty(0, np.int64), *incomplete])
    if not len(dropped):
        return series

    def moved(rows: Positions) -> Positions:
        rows = np.unique(rows - np.searchsorted(dropped, rows))
        return rows[(rows > 0) & (rows < len(series) - len(dropped))]

    times = None if series.times is None else without(series.times, dropped)
    return Series(without(series.values, dropped), times, moved(series.breaks), moved(series.cuts))


def resample(series: Series, period_s: float) -> Series:
    """The series on a grid of that period, each unbroken part on one of its own, as the gateway does it."""
    assert series.times is not None
    width = series.values.shape[1]
    values, times, breaks, cuts = RowStore(width), RowStore(None), [], []
    for start, stop in zip([0, *series.cuts], [*series.cuts, len(series)], strict=True):
        grid = Resampler(period_s, channels=width)
        if start:
            cuts.append(np.array([len(times)]))
        for span in spans(series.values, start, stop):
            ticks = grid.feed(series.times[span], series.values[span])
            breaks.append(np.flatnonzero(ticks.broken) + len(times))
            values.append(ticks.rows)
            times.append(ticks.times)
    cut, broken = (np.concatenate([np.empty(0, np.int64), *found]) for found in (cuts, breaks))
    rows = np.unique(np.concatenate([cut, broken]))
    inside = (rows > 0) & (rows < len(times))
    return Series(values.finish(), times.finish(), rows[inside], np.unique(cut[(cut > 0) & (cut < len(times))]))


def hold(series: Series, max_hold: int) -> Values:
    """The values ``(n, channels)``, each missing one replaced by the channel's last, for at most ``max_hold`` rows and
    not across a break; NaN where there is none."""
    values, begins = series.values, np.concatenate([[0], series.breaks])
    held: RowStore | None = None
    last, seen_before = np.full(values.shape[1], np.nan), np.full(values.shape[1], -1)
    for span in spans(values):
        block, rows = values[span], np.arange(span.start, span.stop)
        finite = np.isfinite(block)
        if finite.all():
            last, seen_before = block[-1].copy(), np.full(values.shape[1], span.stop - 1)
        else:
            if held is None:
                held = RowStore(values.shape[1])
                for done in spans(values, 0, span.start):
                    held.append(values[done])
            seen = np.maximum.accumulate(np.where(finite, rows[:, None], seen_before))
            begin = begins[np.searchsorted(begins, rows, side="right") - 1]
            row, column = np.nonzero(~finite & (seen >= begin[:, None]) & (rows[:, None] - seen <= max_hold))
            source = seen[row, column] - span.start
            filled = block.copy()
            filled[row, column] = np.where(source >= 0, block[np.maximum(source, 0), column], last[column])
            new = seen[-1] >= span.start
            last = np.where(new, block[np.maximum(seen[-1] - span.start, 0), np.arange(len(last))], last)
            seen_before, block = seen[-1], filled
        if held is not None:
            held.append(block)
    return values if held is None else held.finish()


def complete_runs(values: Values, breaks: Positions) -> tuple[Positions, Positions]:
    """Where runs of complete, unbroken rows start and stop (the row after the last)."""
    starts, stops = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for span in spans(values):
        complete: npt.NDArray[np.bool_] = np.logical_and.reduce(np.isfinite(values[span]), axis=1)
        first, last = np.searchsorted(breaks, [span.start, span.stop])
        edges = np.union1d(np.flatnonzero(np.diff(complete)) + 1, breaks[first:last] - span.start)
        edges = np.union1d(edges, [0, len(complete)])
        whole = complete[edges[:-1]]
        starts.append(edges[:-1][whole] + span.start)
        stops.append(edges[1:][whole] + span.start)
    start, stop = np.concatenate(starts), np.concatenate(stops)
    # A run that was only cut by a block's end goes on.
    new = np.append(True, (start[1:] != stop[:-1]) | np.isin(start[1:], breaks))[: len(start)]
    return start[new], stop[np.append(new[1:], True)[: len(stop)]]
