"""What compression is judged on: normal rows with anomalies injected, the same ones for every model.

There are two families (see :mod:`vedette.train.injection`). A network that expects nonsense still shows a *fault* of
one channel, as its residual is then the reading itself; *changed patterns*, whose readings are all normal ones, need a
network that knows the order in time. Quantization may cost either one, so each is judged by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from vedette.runtime.inference.interpreter import Model
from vedette.runtime.streams.scoring import score_rows
from vedette.runtime.streams.stream import Stream
from vedette.train.data.series import Series, resample
from vedette.train.evaluation.metrics import auc_roc
from vedette.train.held_out import draft_manifest
from vedette.train.injection import SPACING, inject, inject_patterns
from vedette.train.model_dir import CalibrationData, ModelDir

Family = Literal["faults", "changed_patterns"]
FAMILIES: tuple[Family, ...] = get_args(Family)
Rows = npt.NDArray[np.float64]
Label = npt.NDArray[np.int8]
Flags = npt.NDArray[np.bool_]

# Rows that get anomalies: the newest, all held-out ones up to the most. Where these are few, learned rows before them
# make up the fewest: with 400 rows alone, chance moves the difference of two models by more than what is allowed.
FEWEST_ROWS, MOST_ROWS = 1_500, 3_000
# Injections: so many that this many rows are scored for each family, within these bounds.
SCORED_ROWS, FEWEST, MOST = 30_000, 8, 100
# An anomaly takes at most this part of the rows; the rows after it that count as neither, this part of the spacing.
LONGEST_PART, LONGEST_AFTERMATH = 1 / 8, 1 / 4


@dataclass(frozen=True)
class Trial:
    """Rows to inject anomalies into.

    ``times`` ``(n,)`` in seconds and ``rows`` ``(n, channels)`` in sensor units; the first ``lead`` of them only fill
    the window and the score's memory. ``length`` is that of an anomaly, ``aftermath`` the number of rows behind one
    whose score still remembers it, and ``injections`` how often anomalies are injected anew, for each family.
    """

    times: Rows
    rows: Rows
    lead: int
    length: int
    aftermath: int
    injections: int

    @classmethod
    def of(cls, model: ModelDir, data: CalibrationData) -> Trial:
        """Take the newest normal rows, as the windows of ``model`` see them."""
        times, rows = _on_grid(model, data)
        held_out = int((times >= times[-1] - (data.times[-1] - data.times[0])).sum())
        window, memory = model.signal.window, score_memory(model)
        lead = min(window + memory, len(rows) // 2)
        judged = min(max(held_out, FEWEST_ROWS), MOST_ROWS, len(rows) - lead)
        newest = slice(len(rows) - lead - judged, None)
        length = max(1, min(window, int(judged * LONGEST_PART)))
        return cls(
            times=times[newest],
            rows=rows[newest],
            lead=lead,
            length=length,
            aftermath=min(memory, int(SPACING * length * LONGEST_AFTERMATH)),
            injections=min(max(SCORED_ROWS // (lead + judged), FEWEST), MOST),
        )

    def auc_roc(self, model: ModelDir, deployed: Model, family: Family) -> Rows:
        """AUC-ROC on each injection, ``(injections,)``; 0.5 for one in which nothing can be found."""
        model = replace(model, signal=replace(model.signal, resampled=False))  # the rows are on the grid already
        manifest = draft_manifest(model, deployed)
        found = []
        for rows, label, counted in self._injected(model, family):
            stream = Stream(manifest, deployed)
            score = score_rows(stream, zip(self.times.tolist(), rows, strict=True)).score[self.lead :]
            found.append(auc_roc(label[counted], score[counted]))
        figures: Rows = np.nan_to_num(np.array(found), nan=0.5)
        return figures

    def _injected(self, model: ModelDir, family: Family) -> Iterator[tuple[Rows, Label, Flags]]:
        """All rows with anomalies; of those after the lead, their labels and which of them count."""
        change: Callable[..., tuple[Rows, Label]] = inject if family == "faults" else inject_patterns
        lead, rest = self.rows[: self.lead], self.rows[self.lead :]
        for seed in range(self.injections):
            rows, label = change(rest, model.signal, seed=seed, lengths=(self.length, self.length))
            yield np.concatenate([lead, rows]), label, ~_after(label, self.aftermath)


def score_memory(model: ModelDir) -> int:
    """Span of the longest exponential mean in the score, in rows."""
    spans = [2.0 / term.smoothing - 1.0 for term in model.score.terms]
    return round(max(spans) * model.signal.stride)


def _on_grid(model: ModelDir, data: CalibrationData) -> tuple[Rows, Rows]:
    """Times and rows of all normal data as the windows see them: on the grid, where there is one, so that anomalies are
    as long as they should be."""
    held_out_times = data.times
    if len(data.learned_times) and data.times[0] <= data.learned_times[-1]:  # without timestamps, both begin at 0
        held_out_times = data.times - data.times[0] + data.learned_times[-1] + model.signal.period_s
    times, rows = np.concatenate([data.learned_times, held_out_times]), np.concatenate([data.learned_rows, data.rows])
    if not model.signal.resampled:
        return times, rows
    none = np.empty(0, np.int64)
    grid = resample(Series(rows, times, none, none), model.signal.period_s)
    assert grid.times is not None
    return grid.times, grid.values


def _after(label: Label, count: int) -> Flags:
    """Which rows are normal again, but at most ``count`` rows behind an anomaly.

    >>> _after(np.array([0, 1, 0, 0, 0], np.int8), 2).tolist()
    [False, False, True, True, False]
    """
    numbers = np.arange(len(label))
    last = np.maximum.accumulate(np.where(label == 1, numbers, -count - 1))
    near: Flags = (label == 0) & (numbers - last <= count)
    return near
