"""Export: what a bundle holds, what it promises, and what is refused."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import Outcome, vedette
from trained import BOARDS, CHANNELS, KINDS, TrainedDir, machine, write_csv

from vedette import __version__
from vedette.compress.comparison import FloatReference
from vedette.errors import (
    BoardError,
    DependencyError,
    ExportRefusedError,
    ModelError,
    OutputError,
)
from vedette.runtime.bundles import bundle as bundles
from vedette.runtime.inference.interpreter import Model
from vedette.train import model_dir
from vedette.train.convert import float_model
from vedette.train.held_out import calibrate_detector, score_held_out

NAMES = [f"{kind}-{board}" for kind in KINDS for board in BOARDS]


@pytest.fixture
def copied(trained: dict[str, TrainedDir], tmp_path: Path) -> Path:
    """A model directory of the test's own, to break."""
    return Path(shutil.copytree(trained["ae"].path, tmp_path / "ae"))


def change_calibration(directory: Path, **changes: Any) -> None:
    path = directory / "calibration.npz"
    with np.load(path) as arrays:
        kept = {name: arrays[name] for name in arrays}
    np.savez_compressed(path, **{**kept, **changes})


def change_detector(directory: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = directory / "detector.json"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def export(directory: Path, output: Path, *options: str, board: str = "x86-64") -> Outcome:
    return vedette("export", directory, "--board", board, "-o", output, *options)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_threshold_is_calibrated_on_the_artefacts_own_scores(
    name: str, exported: dict[str, Path], trained: dict[str, TrainedDir]
) -> None:
    bundle = bundles.read(exported[name])
    directory = model_dir.load(trained[name.split("-", maxsplit=1)[0]].path)
    model, data = bundle.load_model(), directory.load_calibration_data()
    float_bytes = float_model(directory, directory.load_network())
    above = FloatReference.of(directory, data, Model(float_bytes)).above
    again = calibrate_detector(directory, model, data, score_held_out(directory, model, data), float_above=above)
    assert bundle.manifest.threshold == again.threshold
    assert bundle.manifest.calibration == json.loads(json.dumps(again.to_dict()))
    assert bundle.manifest.threshold != directory.calibration["threshold"], "that is the float model's"
    assert bundle.manifest.provenance["training_calibration"] == directory.calibration


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_manifest_says_what_the_format_promises(
    name: str, exported: dict[str, Path], trained: dict[str, TrainedDir]
) -> None:
    kind, board = name.split("-", 1)
    manifest = bundles.read(exported[name]).manifest
    assert (manifest.name, manifest.version, manifest.sequence) == (kind, "1", 1)
    assert manifest.board["name"] == board
    assert manifest.board["interpreter"]["package"] == manifest.runtime.package
    assert set(manifest.members) == {"model.tflite", "golden.npz"}
    assert manifest.signal.names == CHANNELS
    assert manifest.signal.timestamp == "time"
    assert manifest.signal.sample_period_s == 2.0
    assert all(channel.low <= channel.mean <= channel.high for channel in manifest.signal.channels)
    assert all(q is not None and q.scale > 0 for q in manifest.quantization.values())
    assert len(manifest.score.prediction.residual_scale) == len(CHANNELS)
    assert manifest.recipe == ["ptq"]
    calibration, accuracy, provenance = manifest.calibration, manifest.accuracy, manifest.provenance
    assert calibration["budget"] == {"false_alarms_per_day": 0.1}
    assert {"method", "supported", "interval", "normal_samples", "quantiles", "tail"} <= set(calibration)
    assert accuracy["obtained"].startswith("measured")
    assert accuracy["accepted"] == []
    assert accuracy["float_auc_roc"] - accuracy["int8_auc_roc"] <= 0.01
    assert provenance["data_sha256"] == model_dir.load(trained[kind].path).provenance["data_sha256"]
    assert provenance["vedette"] == __version__
    assert provenance["kind"] == kind
    assert provenance["weights"] == ("per-tensor" if board == "coral-usb" else "per-channel")
    assert {"tensorflow", "ai-edge-litert"} <= set(provenance["export_packages"])


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_nothing_of_this_machine_is_in_a_bundle(name: str, exported: dict[str, Path]) -> None:
    data = exported[name].read_bytes()
    secrets = [str(Path.home()), os.uname().nodename, str(exported[name].parent), "pytest"]
    # A host name of a few letters is in any bytes by chance.
    for secret in (word for word in secrets if len(word) > 4):
        assert secret.encode() not in data


@pytest.mark.slow
def test_the_same_model_directory_gives_the_same_bytes(
    exported: dict[str, Path], trained: dict[str, TrainedDir], tmp_path: Path
) -> None:
    """In a process of its own, so that nothing of this one can be the reason."""
    path = tmp_path / "again.vdt"
    command = [sys.executable, "-m", "vedette", "export", trained["vae"].path, "--board", "coral-usb", "-o", path]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert path.read_bytes() == exported["vae-coral-usb"].read_bytes()


@pytest.mark.slow
def test_golden_windows_are_held_out_normal_data(exported: dict[str, Path]) -> None:
    bundle = bundles.read(exported["ae-x86-64"])
    golden = bundle.golden
    assert golden.windows.shape == (16, 16, len(CHANNELS))
    assert golden.outputs.dtype == np.int8
    assert (golden.scores < bundle.manifest.threshold * 20).all()
    assert (np.abs(bundle.manifest.signal.standardise(golden.windows)) < 8).all()


@pytest.mark.slow
def test_a_model_that_quantization_broke_is_refused_with_numbers_and_accept_records_it(
    copied: Path, tmp_path: Path
) -> None:
    """Compressed already, so that the broken ranges are not found anew."""
    ready = tmp_path / "ready"
    assert vedette("compress", copied, "-o", ready, "--recipe", "ptq").code == 0
    with np.load(ready / "calibration.npz") as arrays:
        change_calibration(ready, representative=arrays["representative"] * np.float32(1e-3))
    copied = ready
    output = tmp_path / "x.vdt"
    refused = export(copied, output)
    assert refused.code == ExportRefusedError.exit_code, refused.stderr
    assert "AUC points" in refused.stderr
    assert "--accept" in refused.stderr
    assert not output.exists()
    accepted = export(copied, output, "--accept")
    assert accepted.code == 0, accepted.stderr
    recorded = bundles.read(output).manifest.accuracy["accepted"]
    assert recorded
    assert all(reason in refused.stderr for reason in recorded)
    assert "accepted" in vedette("inspect", output, "--json").stdout
    assert f"waived      {recorded[0]}" in vedette("inspect", output).stdout


@pytest.mark.slow
def test_very_little_held_out_data_still_gives_a_decision(tmp_path: Path) -> None:
    """82 rows are the fewest that training takes; a comparison must not end in NaN."""
    data = write_csv(tmp_path / "short.csv", machine(90, 4))
    assert vedette("train", data, "-o", tmp_path / "model").code == 0
    outcome = export(tmp_path / "model", tmp_path / "x.vdt", "--accept")
    assert outcome.code == 0, outcome.stderr
    accuracy = bundles.read(tmp_path / "x.vdt").manifest.accuracy
    assert np.isfinite([value for value in accuracy.values() if isinstance(value, float)]).all()
    assert vedette("inspect", tmp_path / "x.vdt").code == 0


@pytest.mark.slow
def test_missing_values_in_the_held_out_data_are_held_not_zero(copied: Path, tmp_path: Path) -> None:
    directory = model_dir.load(copied)
    data = directory.load_calibration_data()
    rows = data.rows.copy()
    rows[::9, 1] = np.nan
    change_calibration(copied, rows=rows)
    outcome = export(copied, tmp_path / "x.vdt", "--accept")
    assert outcome.code == 0, outcome.stderr
    accuracy = bundles.read(tmp_path / "x.vdt").manifest.accuracy
    assert accuracy["float_auc_roc"] > 0.55, "held values are as normal as the others"


@pytest.mark.slow
def test_an_unknown_board_suggests_the_nearest(copied: Path, tmp_path: Path) -> None:
    outcome = export(copied, tmp_path / "x.vdt", board="x86_64")
    assert outcome.code == BoardError.exit_code
    assert 'board "x86_64" is not known; did you mean "x86-64"?' in outcome.stderr


@pytest.mark.slow
def test_an_output_that_exists_is_not_touched(copied: Path, tmp_path: Path) -> None:
    output = tmp_path / "x.vdt"
    output.write_text("precious")
    outcome = export(copied, output)
    assert outcome.code == OutputError.exit_code
    assert "exists already; give another -o" in outcome.stderr
    assert output.read_text() == "precious"


@pytest.mark.slow
@pytest.mark.parametrize("place", ["detector.json/x.vdt", "y" * 300 + ".vdt"])
def test_an_output_that_cannot_be_written_is_told_before_the_work(place: str, copied: Path) -> None:
    outcome = export(copied, copied / place)
    assert outcome.code == OutputError.exit_code
    assert "quantize" not in outcome.stderr
    assert {path.name for path in copied.iterdir()} == {"calibration.npz", "core.h5", "detector.json"}


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "another format": (
        lambda path: change_detector(path, lambda document: document.update(format=1)),
        "written in format 1; this vedette reads format 2: train again",
    ),
    "no network": (lambda path: (path / "core.h5").unlink(), "expected a model directory with detector.json and core"),
    "no calibration data": (lambda path: (path / "calibration.npz").unlink(), "calibration.npz: cannot be read"),
    "empty calibration data": (lambda path: (path / "calibration.npz").write_bytes(b""), "cannot be read"),
    "half the calibration data": (
        lambda path: (path / "calibration.npz").write_bytes((path / "calibration.npz").read_bytes()[:5000]),
        "calibration.npz: cannot be read",
    ),
    "calibration data of another model": (
        lambda path: change_calibration(path, rows=np.zeros((100, 2)), times=np.arange(100.0)),
        "its arrays do not fit detector.json; train again",
    ),
    "half the description": (
        lambda path: (path / "detector.json").write_bytes((path / "detector.json").read_bytes()[:900]),
        "detector.json: not valid JSON",
    ),
    "a description without a calibration": (
        lambda path: change_detector(path, lambda document: document["calibration"].pop("threshold")),
        "calibration: threshold: expected number",
    ),
    "an unknown kind": (
        lambda path: change_detector(path, lambda document: document["model"].update(kind="gan")),
        'unknown value "gan"; valid: ae, conv_ae, vae, conv_vae',
    ),
    "a model key from the future": (
        lambda path: change_detector(path, lambda document: document["model"].update(depth=3)),
        'unknown key "depth"',
    ),
    "half the network": (
        lambda path: (path / "core.h5").write_bytes((path / "core.h5").read_bytes()[:20_000]),
        "core.h5: cannot be loaded",
    ),
    "no network but text": (lambda path: (path / "core.h5").write_text("hello"), "core.h5: cannot be loaded"),
}


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_model_directory_is_a_model_error(damage: str, copied: Path, tmp_path: Path) -> None:
    break_it, message = DAMAGES[damage]
    break_it(copied)
    outcome = export(copied, tmp_path / "x.vdt")
    assert outcome.code == ModelError.exit_code, outcome.stderr
    assert message in outcome.stderr
    assert not (tmp_path / "x.vdt").exists()


@pytest.mark.parametrize("path", ["none", "file"])
def test_what_is_no_model_directory_says_how_to_make_one(path: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("hello")
    outcome = export(tmp_path / path, tmp_path / "x.vdt")
    assert outcome.code == ModelError.exit_code
    assert "make one with: vedette train" in outcome.stderr


@pytest.mark.slow
def test_a_full_disk_leaves_nothing_under_the_final_name(copied: Path, tmp_path: Path) -> None:
    """Files may have 8 kB here, less than a bundle."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))

    folder = tmp_path / "out"
    folder.mkdir()
    command = [sys.executable, "-m", "vedette", "export", copied, "--board", "x86-64", "-o", folder / "x.vdt"]
    result = subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=limit)
    assert result.returncode == OutputError.exit_code, result.stderr
    assert "cannot be written: File too large" in result.stderr
    assert "Traceback" not in result.stderr
    assert list(folder.iterdir()) == []


@pytest.mark.slow
def test_without_an_output_the_bundle_is_named_after_model_and_board(
    copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    change_detector(copied, lambda document: document.update(name="pump", version="2.1"))
    outcome = vedette("export", copied, "--board", "rpi4")
    # A board whose interpreter is not installed here says which.
    assert outcome.code in (0, DependencyError.exit_code)
    if outcome.code == 0:
        assert bundles.read(tmp_path / "pump-2.1-rpi4.vdt").manifest.board["name"] == "rpi4"
    else:
        assert "is not installed; try: pip install" in outcome.stderr
