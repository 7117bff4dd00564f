"""The model directory: everything that compression and export need from training, and nothing from this machine."""

from __future__ import annotations

import io
import json
import shutil
import tempfile
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vedette.errors import ConfigError, DataError, ModelError, OutputError
from vedette.runtime import strict_json
from vedette.runtime.alerting.alerts import AlertPolicy
from vedette.runtime.bundles.bundle import UNREADABLE_ARCHIVE
from vedette.runtime.bundles.manifest import read_alert_policy, read_score, read_signal
from vedette.runtime.detection.score_spec import ScoreSpec
from vedette.runtime.detection.signal import FloatArray, SignalSpec
from vedette.runtime.json_keys import Keys
from vedette.train.config import CompressConfig, ModelConfig, ThresholdConfig, read_section
from vedette.train.recipe import parse_recipe
from vedette.train.tensorflow import import_tensorflow, quantize_scope, quiet_tensorflow

FORMAT = 2
DETECTOR, CALIBRATION = "detector.json", "calibration.npz"
# The network of a trained directory is the whole of it; that of a compressed one is the deployed part, and the float
# model that it is measured against stays beside it.
CORE, HEAD, ORIGINAL = "core.h5", "head.h5", "original.tflite"
MAX_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True)
class CalibrationData:
    """Normal data kept for compression.

    ``rows`` ``(n, channels)`` in sensor units and ``times`` ``(n,)`` in seconds are the held-out part, never trained
    on; ``learned_rows`` ``(k, channels)`` and ``learned_times`` ``(k,)`` are the samples before it, the newest
    ones where they are many. ``representative`` are flat scaled windows ``(m, window * channels)`` that cover the
    ranges of the network. ``golden`` are complete held-out windows ``(k, window, channels)`` in sensor units.
    """

    rows: npt.NDArray[np.float64]
    times: npt.NDArray[np.float64]
    learned_rows: npt.NDArray[np.float64]
    learned_times: npt.NDArray[np.float64]
    representative: FloatArray
    golden: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Compressed:
    """What was done to a trained network: the steps in their order, what each of them changed, and how the residuals of
    the network before, which stays in the directory as float32 .tflite, become scores."""

    recipe: tuple[str, ...]
    steps: tuple[dict[str, Any], ...]
    original_score: ScoreSpec


@dataclass(frozen=True)
class ModelDir:
    """A trained detector, compressed or not yet. ``calibration`` is that of the float model as it was trained."""

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
    compress: CompressConfig = field(default_factory=CompressConfig)
    compressed: Compressed | None = None

    @property
    def recipe(self) -> tuple[str, ...]:
        """The compression steps behind it."""
        return self.compressed.recipe if self.compressed else ()

    def load_network(self) -> Any:
        """The network as a tf_keras model: the trained core, or the deployed part of a compressed one."""
        _, tf_keras = import_tensorflow()
        path = self.path / (HEAD if self.compressed else CORE)
        try:
            with quantize_scope() if "qat" in self.recipe else nullcontext():
                return tf_keras.models.load_model(path, compile=False)
        except (OSError, ValueError) as error:
            again = "compress" if self.compressed else "train"
            raise ModelError(f"{path}: cannot be loaded: {error}; {again} again") from error

    def load_original(self) -> bytes:
        """The float32 .tflite that a compressed network came from."""
        path = self.path / ORIGINAL
        try:
            return path.read_bytes()
        except OSError as error:
            raise ModelError(f"{path}: cannot be read: {error.strerror}; compress again") from error

    def load_calibration_data(self) -> CalibrationData:
        """The normal data kept for compression. Raises :class:`ModelError` where it is missing or damaged."""
        path = self.path / CALIBRATION
        try:
            with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as arrays:
                data = CalibrationData(**{item.name: arrays[item.name] for item in fields(CalibrationData)})
        except UNREADABLE_ARCHIVE as error:
            raise ModelError(f"{path}: cannot be read: {error}; train again") from error
        window, channels = self.signal.window, len(self.signal.channels)
        each = {
            "rows": (channels,),
            "times": (),
            "learned_rows": (channels,),
            "learned_times": (),
            "representative": (window * channels,),
            "golden": (window, channels),
        }
        arrays = {name: getattr(data, name) for name in each}
        fit = all(array.ndim and array.shape[1:] == each[name] for name, array in arrays.items())
        filled = len(data.rows) and len(data.representative) and len(data.golden)
        lengths = (len(data.rows), len(data.learned_rows)) == (len(data.times), len(data.learned_times))
        if not (fit and filled and lengths):
            raise ModelError(f"{path}: its arrays do not fit {DETECTOR}; train again")
        return data


def save(model: ModelDir, network: Any, data: CalibrationData, *, original: bytes | None = None) -> None:
    """Write a model directory whole or not at all; ``original`` is the float32 .tflite that a compressed one came from.

    Raises :class:`OutputError` where ``model.path`` exists.
    """
    check_absent(model.path)
    try:
        model.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=model.path.parent, prefix=f".{model.path.name}."))
    except OSError as error:
        raise OutputError(f"{model.path}: cannot be written: {error.strerror}") from error
    try:
        for name, content in _files(model, network, data, original).items():
            (temporary / name).write_bytes(content)
        temporary.chmod(0o755)
        temporary.rename(model.path)
    except OSError as error:
        check_absent(model.path)  # somebody else may have been faster
        raise OutputError(f"{model.path}: cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _files(model: ModelDir, network: Any, data: CalibrationData, original: bytes | None) -> dict[str, bytes]:
    """The files of a model directory. They are made in memory: on a full disk, HDF5 would crash the process."""
    import h5py

    with h5py.File(CORE, "w", driver="core", backing_store=False) as file:
        with quiet_tensorflow():
            network.save(file, save_format="h5", include_optimizer=False)
        file.flush()
        image: bytes = file.id.get_file_image()
    arrays = io.BytesIO()
    np.savez_compressed(arrays, **asdict(data))
    document = {"format": FORMAT, **asdict(model)}
    del document["path"]
    text = json.dumps(document, indent=1, allow_nan=False) + "\n"
    networks = {HEAD: image, ORIGINAL: original} if original else {CORE: image}
    return {**networks, CALIBRATION: arrays.getvalue(), DETECTOR: text.encode()}


def check_absent(path: Path) -> None:
    """Raise :class:`OutputError` where an output exists already: nothing is overwritten."""
    try:
        exists = path.exists()
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}; give another -o") from error
    if exists:
        raise OutputError(f"{path} exists already; give another -o, or remove it first")


def check_writable(path: Path) -> None:
    """Raise :class:`OutputError`, before the work, where an output exists already or its folder takes no files."""
    check_absent(path)
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OutputError(f"{path}: {folder} cannot be written to: {error.strerror}; give another -o") from error


def load(path: Path) -> ModelDir:
    """Read a model directory. Raises :class:`ModelError` that says what is missing or wrong."""
    file = path / DETECTOR
    if not file.is_file() or not ((path / CORE).is_file() or (path / HEAD).is_file()):
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
        network = read_section(ModelConfig, keys.section("model").document, f"{file}: model")
        budget = read_section(ThresholdConfig, keys.section("threshold").document, f"{file}: threshold")
        wanted = CompressConfig()
        if "compress" in document:
            wanted = read_section(CompressConfig, keys.section("compress").document, f"{file}: compress")
        if isinstance(wanted.recipe, list):
            parse_recipe(wanted.recipe, where=f"{file}: compress: recipe")
        compressed = keys.optional("compressed", lambda key: _compressed(keys.section(key), signal, str(file)))
    except ConfigError as error:
        raise ModelError(str(error)) from error
    calibration = keys.section("calibration")
    calibration.number("threshold", above=0)
    return ModelDir(
        path=path,
        name=keys.text("name"),
        version=keys.text("version"),
        sequence=keys.integer("sequence", low=0),
        model=network,
        threshold=budget,
        alert=read_alert_policy(keys.section("alert")),
        signal=signal,
        score=read_score(keys.section("score"), signal),
        calibration=calibration.document,
        provenance=keys.section("provenance").document,
        compress=wanted,
        compressed=compressed,
    )


def _compressed(keys: Keys, signal: SignalSpec, where: str) -> Compressed:
    recipe = parse_recipe([str(word) for word in keys.get("recipe", list)], where=f"{where}: compressed: recipe")
    return Compressed(
        recipe=tuple(str(step) for step in recipe),
        steps=tuple(keys.get("steps", list)),
        original_score=read_score(keys.section("original_score"), signal),
    )
