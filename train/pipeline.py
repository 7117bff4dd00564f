"""``vedette train``: from a table of normal data to a model directory."""

from __future__ import annotations

import importlib.metadata
import platform
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vedette import __version__
from vedette.runtime.alerting.alerts import AlertPolicy
from vedette.runtime.detection.signal import SignalSpec
from vedette.runtime.inference.interpreter import Model
from vedette.train import model_dir
from vedette.train.auto import Choice, OnCandidate, choose
from vedette.train.config import AUTO, AlertConfig, ProjectConfig
from vedette.train.convert import deployed_head, float_model
from vedette.train.data.prepare import NormalData, prepare
from vedette.train.data.table import Table, read_table
from vedette.train.fit import Progress, fit
from vedette.train.held_out import calibrate_detector, score_held_out
from vedette.train.model_dir import CalibrationData, ModelDir
from vedette.train.representative import covering
from vedette.train.threshold import event_rate
from vedette.train.windows import evenly, gather

# Windows that those for quantization are chosen from.
COVERED_WINDOWS = 20_000
GOLDEN_WINDOWS = 16
# Readings of normal data kept, the newest ones, first of the held-out part: to calibrate with, and, of the part before
# it, in any case a quarter as many, as compression trains on it.
MAX_CALIBRATION_READINGS, MAX_CALIBRATION_ROWS = 2_000_000, 200_000
# An incident is over when no window was above the threshold for this many windows' length.
CLEAR_AFTER_WINDOWS = 2.0


def train(
    paths: Path | Sequence[Path],
    config: ProjectConfig,
    output: Path,
    *,
    on_read: Callable[[float], None] | None = None,
    on_candidate: OnCandidate | None = None,
    on_progress: Progress | None = None,
) -> tuple[ModelDir, tuple[str, ...]]:
    """Train a detector on normal data, of any size, and write its model directory.

    ``paths`` are files, folders and patterns. ``on_read`` is told the part of them that is read, ``on_candidate`` what
    :func:`~vedette.train.auto.choose` and ``on_progress`` what :func:`~vedette.train.fit.fit` tells. Returns the
    directory with notes on the data. Raises :class:`DataError`, :class:`ConfigError` or :class:`OutputError`.
    """
    model_dir.check_writable(output)
    table = read_table(paths, channels=config.signal.channels, timestamp=config.signal.timestamp, on_progress=on_read)
    window = config.signal.window
    data = prepare(table, config.signal.fixed(None if window == AUTO else window))
    event_rate(config.threshold, data.signal.sample_period_s, data.signal.stride)  # refused before the work
    choice = choose(table, data, config, on_candidate=on_candidate)
    data = choice.data
    trained = fit(data, choice.model, on_progress=on_progress)
    model = ModelDir(
        path=output,
        name=config.name or _name(output),
        version=config.version,
        sequence=config.sequence,
        model=choice.model,
        threshold=config.threshold,
        alert=_alert_policy(config.alert, data.signal),
        signal=data.signal,
        score=trained.score,
        calibration={},
        provenance=_provenance(table, choice, trained.losses),
        compress=config.compress,
    )
    kept = _calibration_data(data, deployed_head(model, trained.core))
    deployed = Model(float_model(model, trained.core))
    calibration = calibrate_detector(model, deployed, kept, score_held_out(model, deployed, kept))
    model = replace(model, calibration=calibration.to_dict())
    model_dir.save(model, trained.core, kept)
    return model, (*data.notes, *choice.notes)


def _name(output: Path) -> str:
    """The model directory's name, with dashes for what a file name or a topic should not have."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", output.resolve().name).lstrip("-._")[:64] or "detector"


def _alert_policy(config: AlertConfig, signal: SignalSpec) -> AlertPolicy:
    clear_after_s = config.clear_after_s
    if clear_after_s is None:
        clear_after_s = CLEAR_AFTER_WINDOWS * signal.window * signal.period_s
    return AlertPolicy(config.min_windows, clear_after_s, config.cooldown_s, config.of_windows, config.clear_ratio)


def _calibration_data(data: NormalData, head: Any) -> CalibrationData:
    signal = data.signal
    most = min(MAX_CALIBRATION_ROWS, MAX_CALIBRATION_READINGS // len(signal.channels))
    rows, times = _newest(data.held_out, most, signal)
    learned_rows, learned_times = _newest(data.learned, max(most - len(rows), most // 4), signal)
    chosen = evenly(len(data.train_ends), COVERED_WINDOWS)
    ends = data.held_out_ends[evenly(len(data.held_out_ends), GOLDEN_WINDOWS)]
    index = ends[:, None] - np.arange(signal.window - 1, -1, -1)
    return CalibrationData(
        rows=rows,
        times=times,
        learned_rows=learned_rows,
        learned_times=learned_times,
        representative=covering(head, gather(data.scaled, data.train_ends[chosen], signal.window), signal.input_clip),
        golden=data.rows[index],
    )


def _newest(table: Table, most: int, signal: SignalSpec) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """At most so many rows from a table's end, and their times."""
    part = slice(max(0, len(table) - most), len(table))
    times = np.arange(part.start, part.stop) * signal.period_s if table.times is None else table.times[part]
    return table.values[part], times.astype(np.float64)


def _provenance(table: Table, choice: Choice, losses: tuple[tuple[float, float], ...]) -> dict[str, object]:
    data = choice.data
    packages = ("tensorflow", "tf-keras", "numpy")
    return {
        "vedette": __version__,
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in packages},
        "data_sha256": table.sha256,
        "data_rows": len(table),
        "train_windows": len(data.train_ends),
        "held_out_windows": len(data.held_out_ends),
        **asdict(choice.model),
        **({"auto": choice.record} if choice.record else {}),
        "losses": [{"train": loss, "held_out": validation} for loss, validation in losses],
        "notes": [*data.notes, *choice.notes],
    }
