"""From the rows of a table to series: late and labelled rows out, gaps found."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt

from vedette.runtime.detection.signal import GAP_PERIODS, SAMPLE_COUNT_PERIOD_S
from vedette.train.data.sampling import duration
from vedette.train.data.series import Positions, Series, Values, without
from vedette.train.data.table import Table
from vedette.train.data.table_store import release, spans
from vedette.train.data.timestamps import DAYLIGHT_SAVING_S, UTC_REMEDY


def tidy(table: Table, period_s: float | None) -> tuple[Series, list[str]]:
    """Leave out rows that are late or labelled 1, and find where the series is broken.

    It is broken by a step of more than ``signal.GAP_PERIODS`` periods, by labelled rows, and between
    files, unless the times go on. Files whose times begin anew follow each other after a gap, so that times
    increase. The second result are notes.
    """
    walk = _Walk(table, period_s)
    bounds = [*(recording.start for recording in table.recordings), len(table)]
    for start, stop in itertools.pairwise(bounds):
        walk.through(start, stop)
    return walk.series(), walk.notes()


class _Walk:
    """One pass over a table's rows, in which only the times and labels are looked at."""

    def __init__(self, table: Table, period_s: float | None) -> None:
        self._table, self._period_s = table, period_s
        self._longest_step_s = GAP_PERIODS * period_s if period_s else np.inf
        self._dropped: list[Positions] = []
        self._breaks: list[Positions] = []
        self._cuts: list[Positions] = []
        #: From which row on times are shifted, and by how much.
        self._shifts: list[tuple[int, float]] = []
        self._kept = self._late = self._labelled = 0
        self._last_time = self._newest = -np.inf
        self._cut = False
        self._gaps = self._hours = 0
        self._longest_gap = (0.0, 0)

    def through(self, start: int, stop: int) -> None:
        """Look at the rows of one recording."""
        times, shift = self._table.times, 0.0
        self._newest = -np.inf
        if times is None or stop == start:
            self._cut = self._cut or self._kept > 0
        elif times[start] <= self._last_time:
            shift = (
                self._last_time + (GAP_PERIODS + 1) * (self._period_s or SAMPLE_COUNT_PERIOD_S) - float(times[start])
            )
            self._cut = True
        if shift or self._shifts:
            self._shifts.append((start, shift))
        for span in spans(self._table.values, start, stop):
            self._look_at(span, shift)
            if times is not None:
                release(times)

    def _look_at(self, span: slice, shift: float) -> None:
        size = span.stop - span.start
        keep = np.ones(size, bool)
        marked = np.zeros(size, bool)
        if self._table.label is not None:
            marked = self._table.label[span] == 1
            keep &= ~marked
        times = None if self._table.times is None else self._table.times[span] + shift
        if times is not None:
            newest = np.maximum.accumulate(np.concatenate([[self._newest], times]))
            late = times <= newest[:-1]
            self._newest = float(newest[-1])
            self._late += int(late.sum())
            keep &= ~late
        self._labelled += int(marked.sum())
        kept = np.flatnonzero(keep)
        self._dropped.append(np.flatnonzero(~keep) + span.start)
        before = np.concatenate([[0], np.cumsum(marked)])
        cut = np.diff(before[kept + 1], prepend=-1 if self._cut else 0) > 0
        self._cut = bool(before[-1] > (before[kept[-1]] if len(kept) else 0)) or (self._cut and not len(kept))
        gap = np.zeros(len(kept), bool)
        if times is not None and len(kept):
            steps = np.diff(times[kept], prepend=self._last_time)
            gap = (steps > self._longest_step_s) & np.isfinite(steps)
            self._last_time = float(times[kept[-1]])
            self._count(steps, gap & ~cut, kept + span.start)
        self._breaks.append(np.flatnonzero(cut | gap) + self._kept)
        self._cuts.append(np.flatnonzero(cut & ~gap) + self._kept)
        self._kept += len(kept)

    def _count(self, steps: Values, gap: npt.NDArray[np.bool_], rows: Positions) -> None:
        """Remember what there is to say about gaps."""
        if not gap.any():
            return
        self._gaps += int(gap.sum())
        longest = int(np.argmax(np.where(gap, steps, 0.0)))
        if steps[longest] > self._longest_gap[0]:
            self._longest_gap = float(steps[longest]), int(rows[longest])
        period = self._period_s or np.inf
        if self._table.local_times and period < DAYLIGHT_SAVING_S / 2:
            extra = steps[gap] - DAYLIGHT_SAVING_S
            self._hours += int(((extra > 0) & (extra <= GAP_PERIODS * period)).sum())

    def series(self) -> Series:
        """What is left of the table."""
        nothing = np.empty(0, np.int64)
        dropped, breaks, cuts = (
            np.concatenate([nothing, *found]) for found in (self._dropped, self._breaks, self._cuts)
        )
        values, times = self._table.values, self._table.times
        if len(dropped):
            values = without(values, dropped)
        if times is not None and (len(dropped) or self._shifts):
            times = without(times, dropped, self._shifts)
        return Series(values, times, breaks[breaks > 0], cuts[cuts > 0])

    def notes(self) -> list[str]:
        """What was left out and found, in words."""
        notes = []
        if self._late:
            notes.append(f"{self._late} rows are not newer than the row before them and are left out")
        if self._labelled:
            notes.append(f"{self._labelled} rows are labelled 1 and are left out")
        if self._shifts:
            notes.append(
                f"times begin anew in {sum(shift > 0 for _, shift in self._shifts)} of {len(self._table.recordings)} "
                "files: these are taken as later recordings"
            )
        if self._gaps:
            step, row = self._longest_gap
            splits = "1 gap splits" if self._gaps == 1 else f"{self._gaps} gaps split"
            notes.append(
                f"{splits} the series: steps of more than {duration(self._longest_step_s)}, the longest "
                f"{duration(step)}, before {self._table.where(row)}; windows do not cross them, nothing is filled in"
            )
        if self._hours:
            notes.append(
                f"{self._hours} of the gaps {'is' if self._hours == 1 else 'are'} an hour long, as where local time "
                f"begins daylight saving: if nothing is missing there, {UTC_REMEDY}"
            )
        return notes
