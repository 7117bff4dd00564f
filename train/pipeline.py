"""``vedette train``: from a table of normal data to a model directory."""

from __future__ import annotations

import importlib.metadata
import platform
import re
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from vedette import __version__
from vedette.runtime.alerts import AlertPolicy
from vedette.runtime.interpreter import Model
from vedette.runtime.signal import FloatArray, SignalSpec
from vedette.train import model_dir
from vedette.train.config import AlertConfig, ProjectConfig
from vedette.train.convert import float_model
from vedette.train.data import Table, read_table
from vedette.train.fit import Progress, fit
from vedette.train.held_out import calibrate_held_out, score_held_out
from vedette.train.model_dir import CalibrationData, ModelDir
from vedette.train.prepare import NormalData, prepare
from vedette.train.threshold import event_rate
from vedette.train.windows import evenly, gather

# Windows kept for quantization: evenly spread ones, and those with the largest readings, which set the range.
REPRESENTATIVE_EVEN, REPRESENTATIVE_EXTREME = 256, 64
GOLDEN_WINDOWS = 16
# Rows of held-out data kept for calibration, the newest ones.
MAX_CALIBRATION_ROWS = 50_000
# An incident is over when no window was above the threshold for this many windows' length.
CLEAR_AFTER_WINDOWS = 2.0


def train(
    data_path: Path, config: ProjectConfig, output: Path, *, on_progress: Progress | None = None
) -> tuple[ModelDir, tuple[str, ...]]:
    """Train a detector on normal data and write its model directory.

    Returns it with notes on the data. Raises :class:`DataError`, :class:`ConfigError` or :class:`OutputError`.
    """
    model_dir.check_writable(output)
    table = read_table(data_path, channels=config.signal.channels, timestamp=config.signal.timestamp)
    data = prepare(table, config.signal)
    event_rate(config.threshold, data.signal.sample_period_s, data.signal.stride)  # refused before the work
    trained = fit(data, config.model, on_progress=on_progress)
    model = ModelDir(
        path=output,
        name=config.name or _name(output),
        version=config.version,
        sequence=config.sequence,
        model=config.model,
        threshold=config.threshold,
        alert=_alert_policy(config.alert, data.signal),
        signal=data.signal,
        score=trained.score,
        calibration={},
        provenance=_provenance(table, data, config, trained.losses),
    )
    kept = _calibration_data(data)
    deployed = Model(float_model(model, trained.core))
    calibration = calibrate_held_out(model, score_held_out(model, deployed, kept))
    model = replace(model, calibration=calibration.to_dict())
    model_dir.save(model, trained.core, kept)
    return model, data.notes


def _name(output: Path) -> str:
    """The model directory's name, with dashes for what a file name or a topic should not have."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", output.resolve().name).lstrip("-._")[:64] or "detector"


def _alert_policy(config: AlertConfig, signal: SignalSpec) -> AlertPolicy:
    clear_after_s = config.clear_after_s
    if clear_after_s is None:
        clear_after_s = CLEAR_AFTER_WINDOWS * signal.window * signal.period_s
    return AlertPolicy(config.min_windows, clear_after_s, config.cooldown_s)


def _calibration_data(data: NormalData) -> CalibrationData:
    signal, rows = data.signal, data.held_out
    times = rows.times if rows.times is not None else np.arange(len(rows), dtype=np.float64) * signal.period_s
    ends = data.held_out_ends[evenly(len(data.held_out_ends), GOLDEN_WINDOWS)]
    index = ends[:, None] - np.arange(signal.window - 1, -1, -1)
    return CalibrationData(
        rows=rows.values[-MAX_CALIBRATION_ROWS:],
        times=times[-MAX_CALIBRATION_ROWS:],
        representative=_representative(data),
        golden=data.rows[index],
    )


def _representative(data: NormalData) -> FloatArray:
    """Training windows for quantization that cover the range: spread over time, plus those with extreme readings."""
    ends = data.train_ends
    extremes = np.argsort(-np.abs(data.scaled[ends]).max(axis=1), kind="stable")[:REPRESENTATIVE_EXTREME]
    chosen = np.unique(np.concatenate([evenly(len(ends), REPRESENTATIVE_EVEN), extremes]))
    return gather(data.scaled, ends[chosen], data.signal.window)


def _provenance(
    table: Table, data: NormalData, config: ProjectConfig, losses: tuple[tuple[float, float], ...]
) -> dict[str, object]:
    packages = ("tensorflow", "tf-keras", "numpy")
    return {
        "vedette": __version__,
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in packages},
        "data_sha256": table.sha256,
        "data_rows": len(table),
        "train_windows": len(data.train_ends),
        "held_out_windows": len(data.held_out_ends),
        **asdict(config.model),
        "losses": [{"train": loss, "held_out": validation} for loss, validation in losses],
        "notes": list(data.notes),
    }
