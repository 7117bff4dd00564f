"""The model directory: everything that compression and export need from training, and nothing from this machine."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vedette.errors import DataError, ModelError, OutputError
from vedette.runtime import strict_json
from vedette.runtime.alerts import AlertPolicy
from vedette.runtime.detector import ScoreSpec
from vedette.runtime.json_keys import Keys
from vedette.runtime.manifest import read_alert_policy, read_score, read_signal
from vedette.runtime.signal import FloatArray, SignalSpec
from vedette.train.config import ModelConfig, ThresholdConfig

FORMAT = 1
DETECTOR, CORE, CALIBRATION = "detector.json", "core.h5", "calibration.npz"
MAX_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True)
class CalibrationData:
    """Normal data kept for compression.

    ``rows`` ``(n, channels)`` in sensor units and ``times`` ``(n,)`` in seconds are the held-out part, never trained
    on. ``representative`` are flat scaled training windows ``(m, window * channels)`` that cover the calibrated range.
    ``golden`` are complete held-out windows ``(k, window, channels)`` in sensor units.
    """

    rows: npt.NDArray[np.float64]
    times: npt.NDArray[np.float64]
    representative: FloatArray
    golden: npt.NDArray[np.float64]


@dataclass(frozen=True)
class ModelDir:
    """A trained detector. ``core_path`` is the trained network (tf_keras HDF5)."""

    path: Path
    name: str
    version: str
    sequence: int
    model: ModelConfig
    threshold: ThresholdConfig
    alert: AlertPolicy
    signal: SignalSpec
    score: ScoreSpec
    calibration: dict[str, Any]
    provenance: dict[str, Any]

    @property
    def core_path(self) -> Path:
        """Where the trained network is."""
        return self.path / CORE

    def load_core(self) -> Any:
        """The trained core as a tf_keras model."""
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        import tf_keras

        try:
            return tf_keras.models.load_model(self.core_path, compile=False)
        except (OSError, ValueError) as error:
            raise ModelError(f"{self.core_path}: cannot be loaded: {error}; train again") from error

    def load_calibration_data(self) -> CalibrationData:
        """The normal data kept for compression. Raises :class:`ModelError` where it is missing or damaged."""
        path = self.path / CALIBRATION
        try:
            with np.load(path, allow_pickle=False) as arrays:
                return CalibrationData(**{name: arrays[name] for name in ("rows", "times", "representative", "golden")})
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise ModelError(f"{path}: cannot be read: {error}; train again") from error


def save(model: ModelDir, core: Any, data: CalibrationData) -> None:
    """Write a model directory whole or not at all. Raises :class:`OutputError` where ``model.path`` exists."""
    check_absent(model.path)
    try:
        model.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=model.path.parent, prefix=f".{model.path.name}."))
    except OSError as error:
        raise OutputError(f"{model.path}: cannot be written: {error.strerror}") from error
    try:
        core.save(temporary / CORE, save_format="h5", include_optimizer=False)
        np.savez_compressed(temporary / CALIBRATION, **asdict(data))
        document = {"format": FORMAT, **asdict(model)}
        del document["path"]
        (temporary / DETECTOR).write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        temporary.chmod(0o755)
        temporary.rename(model.path)
    except OSError as error:
        raise OutputError(f"{model.path}: cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def check_absent(path: Path) -> None:
    """Raise :class:`OutputError` where an output exists already: nothing is overwritten."""
    if path.exists():
        raise OutputError(f"{path} exists already; give another -o, or remove it first")


def load(path: Path) -> ModelDir:
    """Read a model directory. Raises :class:`ModelError` that says what is missing or wrong."""
    file = path / DETECTOR
    if not file.is_file() or not (path / CORE).is_file():
        raise ModelError(f"{path}: expected a model directory with {DETECTOR} and {CORE}; make one with: vedette train")
    try:
        document = strict_json.loads(file.read_bytes(), max_bytes=MAX_BYTES, what=str(file))
    except (OSError, DataError) as error:
        raise ModelError(f"{file}: cannot be read: {error}") from error
    keys = Keys(document, str(file), ModelError)
    found = keys.integer("format", low=1)
    if found != FORMAT:
        raise ModelError(f"{path}: written in format {found}; this vedette reads format {FORMAT}: train again")
    signal = read_signal(keys.section("signal"))
    try:
        configs = ModelConfig(**keys.section("model").document), ThresholdConfig(**keys.section("threshold").document)
    except TypeError as error:
        raise ModelError(f"{file}: {error}") from error
    return ModelDir(
        path=path,
        name=keys.text("name"),
        version=keys.text("version"),
        sequence=keys.integer("sequence", low=0),
        model=configs[0],
        threshold=configs[1],
        alert=read_alert_policy(keys.section("alert")),
        signal=signal,
        score=read_score(keys.section("score"), len(signal.channels)),
        calibration=keys.section("calibration").document,
        provenance=keys.section("provenance").document,
    )
