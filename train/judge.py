"""Judging trained candidates without labels: how well their scores find anomalies injected into held-out normal data.

A candidate is scored as it would be deployed, by the float model on the daemon's code path. What is judged does not
depend on the candidate: the rows, the anomalies' places, lengths and sizes, the rows at the beginning that do not count
because the longest window is not full there, and the tolerance of VUS-PR.

Each injection is made twice, with faults of one channel and with changed patterns of all (see
:mod:`vedette.train.injection`). They ask for different detectors, short windows find a fault sooner and long ones know
more of a pattern, and one is much harder to find than the other: the figure of an injection is the geometric mean of
both, in which equal *factors* count the same.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vedette.errors import DataError
from vedette.runtime.alerting.alerts import AlertPolicy
from vedette.runtime.detection.signal import SignalSpec
from vedette.runtime.inference.interpreter import Model
from vedette.runtime.streams.scoring import score_rows
from vedette.runtime.streams.stream import Stream
from vedette.train.config import ModelConfig, ThresholdConfig
from vedette.train.convert import float_model
from vedette.train.data.prepare import NormalData
from vedette.train.data.series import Series, resample
from vedette.train.evaluation.metrics import Labels, vus_pr
from vedette.train.fit import Trained
from vedette.train.held_out import draft_manifest
from vedette.train.injection import inject, inject_patterns
from vedette.train.model_dir import ModelDir

Rows = npt.NDArray[np.float64]
Figures = npt.NDArray[np.float64]
Injection = tuple[Rows, Labels]
# Rows of an anomaly: from half the shorter default window to the longer one, but at most this part of the judged rows.
SHORTEST, LONGEST = 8, 64
LONGEST_PART = 1 / 8
# With less data than this, the longest anomaly would hardly be longer than the shortest.
FEWEST_ROWS = 2 * SHORTEST * 8
# The newest held-out rows that are judged at most.
MOST_ROWS = 3_000
# Injections: so many that this many rows are scored with each family of anomalies, within these bounds.
SCORED_ROWS, FEWEST, MOST = 24_000, 8, 24


class TooLittleDataError(Exception):
    """There is too little held-out data to judge candidates by; the message says how much there is."""


@dataclass(frozen=True)
class Verdict:
    """VUS-PR on each injection, ``(injections,)``, of faults and of changed patterns."""

    faults: Figures
    patterns: Figures

    @property
    def figures(self) -> Figures:
        """The geometric mean of both, for each injection."""
        found: Figures = np.sqrt(self.faults * self.patterns)
        return found


@dataclass(frozen=True)
class Judge:
    """Held-out rows with anomalies.

    ``faults`` and ``patterns`` have one pair for each injection: rows ``(n, channels)`` in sensor units, and labels of
    all but the first ``unjudged`` ones, which only fill the windows. ``times`` ``(n,)`` are in seconds. ``lengths`` are
    the shortest and the longest anomaly, and ``buffer`` the tolerance of VUS-PR, all in rows.
    """

    times: Rows
    faults: tuple[Injection, ...]
    patterns: tuple[Injection, ...]
    unjudged: int
    lengths: tuple[int, int]
    buffer: int

    @classmethod
    def of(cls, data: NormalData, *, longest_window: int, buffer: int) -> Judge:
        """Take the newest held-out rows; raises :class:`TooLittleDataError` where they are too few."""
        times, normal = _held_out(data)
        judged = min(len(normal) - longest_window, MOST_ROWS)
        if judged < FEWEST_ROWS:
            raise TooLittleDataError(
                f"{len(normal):,} held-out rows, of which the first {longest_window} only fill a window; "
                f"{FEWEST_ROWS + longest_window:,} are needed"
            )
        start = len(normal) - longest_window - judged
        lengths = (SHORTEST, min(LONGEST, int(judged * LONGEST_PART)))
        lead, rest = normal[start : start + longest_window], normal[start + longest_window :]
        faults, patterns = list[Injection](), list[Injection]()
        for seed in range(injection_count(judged)):
            for family, found in ((inject, faults), (inject_patterns, patterns)):
                rows, label = family(rest, data.signal, seed=seed, lengths=lengths)
                found.append((np.concatenate([lead, rows]), label))
        return cls(times[start:], tuple(faults), tuple(patterns), longest_window, lengths, buffer)

    def verdict(self, signal: SignalSpec, config: ModelConfig, trained: Trained) -> Verdict:
        """Judge a trained candidate. Where the rows are so broken up that no window is complete, it finds nothing."""
        signal = replace(signal, resampled=False)  # the rows are on the grid already
        candidate = ModelDir(
            path=Path(),
            name="candidate",
            version="1",
            sequence=0,
            model=config,
            threshold=ThresholdConfig(),
            alert=AlertPolicy(min_windows=1, clear_after_s=0.0, cooldown_s=0.0),
            signal=signal,
            score=trained.score,
            calibration={},
            provenance={},
        )
        deployed = Model(float_model(candidate, trained.core))
        manifest = draft_manifest(candidate, deployed)

        def find(rows: Rows, label: Labels) -> float:
            try:
                scores = score_rows(Stream(manifest, deployed), zip(self.times.tolist(), rows, strict=True))
            except DataError:
                return 0.0
            return vus_pr(label, scores.score[self.unjudged :], self.buffer)

        return Verdict(
            faults=np.array([find(*injection) for injection in self.faults]),
            patterns=np.array([find(*injection) for injection in self.patterns]),
        )


def injection_count(rows: int) -> int:
    """How many injections so many judged rows get.

    >>> injection_count(200), injection_count(1500), injection_count(3000)
    (24, 16, 8)
    """
    return min(max(SCORED_ROWS // rows, FEWEST), MOST)


def _held_out(data: NormalData) -> tuple[Rows, Rows]:
    """Times and rows of the held-out part as the windows see them: on the grid, where there is one.

    Anomalies are then injected into its rows, so that their lengths compare with windows.
    """
    table, signal = data.held_out, data.signal
    if table.times is None:
        return np.arange(len(table), dtype=np.float64) * signal.period_s, table.values
    if not signal.resampled:
        return table.times, table.values
    none = np.empty(0, np.int64)
    grid = resample(Series(table.values, table.times, none, none), signal.period_s)
    assert grid.times is not None
    return grid.times, grid.values
