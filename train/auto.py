"""What "auto" in a project file comes to: the window from the signal's period, the network by training candidates.

Candidates are trained shortly, one after the other, and judged on held-out normal data with injected anomalies (see
:mod:`vedette.train.judge`); no label is looked at. In stages, each around the best so far: every kind with every
window, then other numbers of hidden units, then of latent units. The best is the candidate with the highest mean
figure; of those that are within the noise of it, the smallest is chosen. The noise of a difference has two parts: its
standard error over the injections, each of which is the same for all candidates, and how much the seed of training
alone makes figures differ.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from vedette.errors import DataError
from vedette.train.config import AUTO, ModelConfig, ModelKind, ModelSection, ProjectConfig
from vedette.train.data.prepare import NormalData, prepare
from vedette.train.data.table import Table
from vedette.train.evaluation.period import periodic_window, reference_window
from vedette.train.fit import STEPS_PER_ROUND, fit
from vedette.train.judge import Judge, TooLittleDataError, Verdict
from vedette.train.models import MODEL_KINDS
from vedette.train.models.layers import latent_units

# A candidate is trained for this many rounds; the chosen one is trained again, to the end.
ROUNDS = 3
# Sizes that are tried, relative to the default ones.
FACTORS = (0.5, 2.0)
# By how much the figures of two seeds differ, as a part of the figure: the median over four simulators and two kinds
# (six seeds each) of their standard deviation, 1.8% (0.5% to 3.9%), times the root of 2 for a difference.
SEED_NOISE = 0.025
# An automatic window has at most this many values, so that a dense first layer of 64 units is 64 kB as int8 ...
MOST_INPUTS = 1024
# ... and at most this part of the training rows, as fewer windows overlap less.
MOST_PART = 1 / 10

# Told before each candidate: its number, from 1, how many there are at most, and what it is.
OnCandidate = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Trial:
    """A candidate and how it was judged.

    ``size`` counts the values that it keeps, of its weights and its prototypes: as int8, a byte each.
    """

    model: ModelConfig
    window: int
    latent: int
    size: int
    verdict: Verdict

    @property
    def figure(self) -> float:
        """The mean figure over the injections."""
        return float(self.verdict.figures.mean())

    def behind(self, best: Trial) -> tuple[float, float]:
        """The mean difference from the best, and its noise."""
        difference = best.verdict.figures - self.verdict.figures
        error = float(difference.std(ddof=1)) / math.sqrt(len(difference))
        return float(difference.mean()), math.hypot(error, SEED_NOISE * best.figure)


@dataclass(frozen=True)
class Choice:
    """What to train: the data with its window, and the model with nothing left open.

    ``record`` is how it was found, for the provenance and the terminal; None where nothing was tried. ``notes`` are
    for the user.
    """

    data: NormalData
    model: ModelConfig
    record: dict[str, Any] | None = None
    notes: tuple[str, ...] = ()


def choose(table: Table, data: NormalData, config: ProjectConfig, *, on_candidate: OnCandidate | None = None) -> Choice:
    """Settle what the project leaves open.

    ``data`` is the table, prepared with the project's window or the default one. Where only the window is open, it
    spans the signal's period, and nothing is trained. Where the model is open, that window competes with the default
    one. With too little held-out data to judge by, the model is the default one, and a note says so.

    The same table, seed and versions give the same choice on the same machine.
    """
    windows, proposed, notes = {data.signal.window: data}, data, list[str]()
    if config.signal.window == AUTO:
        window = automatic_window(data)
        if window is None:
            notes.append(f"signal.window: no period was found, so it is the default of {data.signal.window} samples")
        elif window != data.signal.window:
            try:
                windows[window] = proposed = prepare(table, config.signal.fixed(window))
            except DataError:
                notes.append(f"signal.window: the data is too broken up for windows of {window} samples, its period")
    if not config.model.auto:
        if proposed is not data:
            notes.append(f"signal.window: {proposed.signal.window} samples, from the period of the signal")
        return Choice(proposed, config.model.fixed(), notes=tuple(notes))
    try:
        judge = Judge.of(data, longest_window=max(windows), buffer=reference_window(training_rows(data)))
    except TooLittleDataError as error:
        keys = ", ".join(f"model.{key}" for key in config.model.auto)
        notes.append(f"{keys}: too little held-out data to judge by, so the default is used ({error})")
        return Choice(proposed, config.model.fixed(), notes=tuple(notes))
    search = _Search(windows, judge, config.model, on_candidate or (lambda number, total, what: None))
    return search.run(tuple(notes))


def automatic_window(data: NormalData) -> int | None:
    """The samples that span one period of the signal, as far as the network stays small; None where there is no period.

    It is 16 to 128. Where the network would become too large, or the windows too few, it is as long as they allow, or
    as the default.
    """
    rows = training_rows(data)
    window = periodic_window(rows)
    if window is None:
        return None
    longest = min(MOST_INPUTS // len(data.signal.channels), int(len(rows) * MOST_PART))
    return min(window, max(longest, data.signal.window))


def training_rows(data: NormalData) -> npt.NDArray[np.float64]:
    """The rows that are trained on, ``(n, channels)`` in sensor units."""
    last = data.train_ends[np.array([len(data.train_ends) - 1])]
    return data.rows[: int(last[0]) + 1]


def pick(trials: Sequence[Trial]) -> Trial:
    """The smallest of the trials that are within the noise of the best; the better of equally small ones."""
    best = max(trials, key=lambda trial: trial.figure)
    close = [trial for trial in trials if trial.behind(best)[0] <= trial.behind(best)[1]]
    return min(close, key=lambda trial: (trial.size, -trial.figure))


class _Search:
    """The stages, and the trials so far."""

    def __init__(
        self, windows: dict[int, NormalData], judge: Judge, section: ModelSection, on_candidate: OnCandidate
    ) -> None:
        self._windows, self._judge, self._section, self._on_candidate = windows, judge, section, on_candidate
        self._kinds: tuple[ModelKind, ...] = get_args(ModelKind) if section.kind == AUTO else (section.kind,)
        self._trials: list[Trial] = []
        resized = [key for key in ("hidden", "latent") if key in section.auto]
        self._total = len(self._kinds) * len(windows) + len(FACTORS) * len(resized)

    def run(self, notes: tuple[str, ...]) -> Choice:
        for window in self._windows:
            for kind in self._kinds:
                self._try(window, self._section.fixed(kind=kind))
        if "hidden" in self._section.auto:
            now = pick(self._trials)
            for units in _other_sizes(now.model.hidden):
                self._try(now.window, replace(now.model, hidden=units))
        if "latent" in self._section.auto:
            now = pick(self._trials)
            for units in _other_sizes(now.latent):
                self._try(now.window, replace(now.model, latent=units))
        chosen = pick(self._trials)
        model = replace(chosen.model, latent=chosen.latent) if "latent" in self._section.auto else chosen.model
        return Choice(self._windows[chosen.window], model, self._record(chosen), notes)

    def _try(self, window: int, model: ModelConfig) -> None:
        """Train a candidate and judge it."""
        data = self._windows[window]
        latent = latent_units(window * len(data.signal.channels), model.latent)
        what = f"{model.kind}, window {window}, latent {latent}, hidden {model.hidden}"
        self._on_candidate(len(self._trials) + 1, self._total, what)
        trained = fit(data, model, rounds=ROUNDS)
        size = MODEL_KINDS[model.kind].head(trained.core, len(data.signal.channels)).count_params()
        if trained.score.nearest:
            size += trained.score.nearest.prototypes.windows().size
        self._trials.append(Trial(model, window, latent, int(size), self._judge.verdict(data.signal, model, trained)))

    def _record(self, chosen: Trial) -> dict[str, Any]:
        best = max(self._trials, key=lambda trial: trial.figure)
        return {
            "judged_by": "VUS-PR on held-out normal data with injected anomalies; figure: mean over the injections of "
            "the geometric mean of faults and changed patterns",
            "rule": "the smallest within the noise of the best, which is one standard error over the injections and "
            f"{SEED_NOISE:.1%} of the figure for the seed",
            "injections": len(self._judge.faults),
            "held_out_rows": len(self._judge.times) - self._judge.unjudged,
            "anomaly_rows": list(self._judge.lengths),
            "training_steps": ROUNDS * STEPS_PER_ROUND,
            "candidates": [_row(trial, best, chosen) for trial in self._trials],
        }


def _other_sizes(units: int) -> Iterable[int]:
    return (round(units * factor) for factor in FACTORS)


def _row(trial: Trial, best: Trial, chosen: Trial) -> dict[str, Any]:
    behind, noise = trial.behind(best)
    return {
        "kind": trial.model.kind,
        "window": trial.window,
        "latent": trial.latent,
        "hidden": trial.model.hidden,
        "faults": round(float(trial.verdict.faults.mean()), 4),
        "patterns": round(float(trial.verdict.patterns.mean()), 4),
        "figure": round(trial.figure, 4),
        "behind_best": round(behind, 4),
        "noise": round(noise, 4),
        "size": trial.size,
        "chosen": trial is chosen,
    }
