"""What every model kind must be, in its float and in its int8 form."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from command import vedette
from required import missing
from trained import BOARDS, KINDS, TrainedDir

from vedette.errors import ModelError
from vedette.runtime.bundles import bundle as bundles
from vedette.runtime.bundles.bundle import Bundle
from vedette.runtime.inference.interpreter import Model
from vedette.runtime.streams.scoring import score_rows
from vedette.runtime.streams.stream import Stream
from vedette.train import model_dir
from vedette.train.config import ModelConfig, ProjectConfig
from vedette.train.convert import float_model
from vedette.train.data.table import Table, read_signal
from vedette.train.evaluation.metrics import auc_roc
from vedette.train.held_out import calibrate_detector, draft_manifest, score_held_out
from vedette.train.injection import inject
from vedette.train.pipeline import train
from vedette.train.windows import gather

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent.parent
TFLITE_RUNTIME = ROOT / ".venvs" / "tflite-runtime" / "bin" / "python"
FORMS = ["float", *BOARDS]


class Form:
    """One model kind in one form, ready to score."""

    def __init__(self, kind: str, form: str, trained: TrainedDir, exported: dict[str, Path]) -> None:
        self.directory = model_dir.load(trained.path)
        self.data = self.directory.load_calibration_data()
        self.bundle: Bundle | None = None
        if form == "float":
            self.model = Model(float_model(self.directory, self.directory.load_network()))
            self.manifest = draft_manifest(self.directory, self.model)
        else:
            self.bundle = bundles.read(exported[f"{kind}-{form}"])
            self.model = self.bundle.load_model()
            self.manifest = self.bundle.manifest

    def scores(self, table: Table, rows: int | None = None) -> np.ndarray[Any, np.dtype[np.float32]]:
        assert table.times is not None
        pairs = zip(table.times[:rows].tolist(), table.values[:rows], strict=True)
        return score_rows(Stream(self.manifest, self.model), pairs).score


@pytest.fixture(scope="module", params=[(kind, form) for kind in KINDS for form in FORMS], ids="-".join)
def form(request: pytest.FixtureRequest, trained: dict[str, TrainedDir], exported: dict[str, Path]) -> Form:
    kind, name = request.param
    return Form(kind, name, trained[kind], exported)


@pytest.fixture(scope="module")
def faulty(form: Form, faulty_csv: Path) -> Table:
    return read_signal(faulty_csv, form.directory.signal)


def test_scores_are_causal(form: Form, faulty: Table) -> None:
    whole = form.scores(faulty)
    for cut in (16, 17, 215, 480):
        assert form.scores(faulty, cut).tolist() == whole[:cut].tolist()


def test_scores_are_finite_whatever_arrives(form: Form, faulty: Table) -> None:
    rng = np.random.default_rng(1)
    odd = rng.choice([1e30, -1e30, 0.0, 1e-300, np.nan, np.inf], size=faulty.values.shape)
    values = np.where(rng.random(faulty.values.shape) < 0.1, odd, faulty.values)
    values[:16] = faulty.values[:16]
    pairs = zip(np.arange(len(values)) * 2.0, values, strict=True)
    assert np.isfinite(score_rows(Stream(form.manifest, form.model), pairs).score).all()


def test_labelled_faults_score_higher(form: Form, faulty: Table) -> None:
    assert faulty.label is not None
    # The score's memory, 64 windows, outlasts the faults.
    assert auc_roc(faulty.label, form.scores(faulty)) > 0.8


def test_injected_anomalies_score_higher(form: Form) -> None:
    rows, label = inject(form.data.rows, form.directory.signal, seed=3)
    assert label.any()
    assert auc_roc(label, score_held_out(form.directory, form.model, form.data, rows=rows).score) > 0.6


def test_the_disturbed_channel_is_named(form: Form, faulty: Table) -> None:
    """One spread more in one channel moves the largest share to it, whatever the other channels do."""
    rows = faulty.values[:100].copy()
    for channel, name in enumerate(form.manifest.signal.names):
        disturbed = rows.copy()
        disturbed[90:, channel] += 10 * form.manifest.signal.scale[channel]
        stream = Stream(form.manifest, form.model)
        for row, values in enumerate(disturbed):
            stream.push(row * 2.0, values)
        assert stream.reading is not None
        shares = stream.reading.shares
        assert shares.sum() == pytest.approx(1.0, abs=1e-5)
        assert form.manifest.signal.names[int(np.argmax(shares))] == name


def test_the_edges_are_of_the_forms_type(form: Form) -> None:
    kind = "int8" if form.bundle else "float32"
    window, channels = form.manifest.signal.window, len(form.manifest.signal.channels)
    assert (form.model.input.dtype, form.model.output.dtype) == (kind, kind)
    assert form.model.input.shape == (1, window * channels)
    assert form.model.output.shape == (1, channels)
    assert form.manifest.quantization == {
        "input": form.model.input.quantization,
        "output": form.model.output.quantization,
    }


def tensors(data: bytes) -> tuple[set[int], list[int]]:
    """The tensor types of a model's graph, and the number of scales of each dense layer's weights."""
    graph = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(data, 0)).subgraphs[0]
    weights = [tensor for tensor in graph.tensors if len(tensor.shape) == 2 and tensor.shape[0] > 1]
    return {tensor.type for tensor in graph.tensors}, [len(tensor.quantization.scale) for tensor in weights]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("board", BOARDS)
def test_int8_models_are_int8_throughout(kind: str, board: str, exported: dict[str, Path]) -> None:
    types, scales = tensors(bundles.read(exported[f"{kind}-{board}"]).model_bytes)
    assert types == {schema.TensorType.INT8, schema.TensorType.INT32}, "int32 are biases and shapes"
    assert scales
    if board == "coral-usb":
        assert set(scales) == {1}, "an Edge TPU wants one scale for each dense layer"


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_for_coral_computes_no_shapes(kind: str, exported: dict[str, Path]) -> None:
    content = bundles.read(exported[f"{kind}-coral-usb"]).model_bytes
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(content, 0))
    unwanted = {schema.BuiltinOperator.SHAPE, schema.BuiltinOperator.STRIDED_SLICE, schema.BuiltinOperator.PACK}
    assert not unwanted & {code.builtinCode for code in model.operatorCodes}


@pytest.mark.parametrize("kind", KINDS)
def test_coral_takes_one_window_at_a_time_and_others_any_number(kind: str, exported: dict[str, Path]) -> None:
    with pytest.raises(ModelError, match="one window at a time"):
        bundles.read(exported[f"{kind}-coral-usb"]).load_model().resize_batch(4)
    bundle = bundles.read(exported[f"{kind}-x86-64"])
    single, batch = bundle.load_model(), bundle.load_model()
    windows = np.random.default_rng(6).integers(-128, 128, (7, batch.input.shape[1]), np.int8)
    batch.resize_batch(len(windows))
    np.testing.assert_array_equal(batch.run(windows), np.concatenate([single.run(window[None]) for window in windows]))


@pytest.mark.parametrize("kind", KINDS)
def test_the_saved_core_is_the_trained_one(kind: str, trained: dict[str, TrainedDir]) -> None:
    """The calibration in the directory was found with the network before it was saved."""
    directory = model_dir.load(trained[kind].path)
    model, data = Model(float_model(directory, directory.load_network())), directory.load_calibration_data()
    found = calibrate_detector(directory, model, data, score_held_out(directory, model, data))
    assert json.loads(json.dumps(found.to_dict())) == directory.calibration


@pytest.mark.parametrize("kind", KINDS)
def test_float_tflite_gives_what_keras_gives(kind: str, trained: dict[str, TrainedDir]) -> None:
    directory = model_dir.load(trained[kind].path)
    core, windows = directory.load_network(), directory.load_calibration_data().representative[:64]
    outputs = core.predict(windows, verbose=0)
    reconstruction = outputs[0] if isinstance(outputs, list) else outputs
    model = Model(float_model(directory, core))
    found = np.concatenate([model.run(window[None]) for window in windows])
    np.testing.assert_allclose(found, reconstruction[:, -len(directory.signal.channels) :], atol=1e-4)


def test_the_same_seed_gives_the_same_weights_and_the_same_bundle(
    trained: dict[str, TrainedDir], exported: dict[str, Path], tmp_path: Path
) -> None:
    kind = ModelConfig().kind
    config = ProjectConfig(model=ModelConfig(kind=kind, hidden=32, seed=5))
    again, _ = train(trained[kind].data, config, tmp_path / kind)
    first = model_dir.load(trained[kind].path)
    weights = zip(first.load_network().get_weights(), again.load_network().get_weights(), strict=True)
    assert all(np.array_equal(one, other) for one, other in weights)
    path = tmp_path / "again.vdt"
    outcome = vedette("export", again.path, "--board", "x86-64", "-o", path)
    assert outcome.code == 0, outcome.stderr
    assert path.read_bytes() == exported[f"{kind}-x86-64"].read_bytes()


def test_a_window_is_flat_with_its_rows_oldest_first() -> None:
    rows = np.arange(12, dtype=np.float32).reshape(6, 2)
    assert gather(rows, np.array([2, 5]), 3).tolist() == [[0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10, 11]]


@pytest.fixture(scope="module")
def beside_tflite_runtime(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which the other interpreter's Python finds this source tree, and nothing of the desktop."""
    if not TFLITE_RUNTIME.exists():
        missing("the environment .venvs/tflite-runtime is missing", "make environments")
    folder = tmp_path_factory.mktemp("source")
    (folder / "vedette").symlink_to(ROOT, target_is_directory=True)
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}


@pytest.mark.parametrize("name", [f"{kind}-{board}" for kind in KINDS for board in BOARDS])
def test_the_other_interpreter_gives_nearly_the_same(
    name: str, exported: dict[str, Path], faulty_csv: Path, beside_tflite_runtime: dict[str, str], tmp_path: Path
) -> None:
    bundle, output = exported[name], tmp_path / "scores.csv"
    for command in (["selftest", bundle], ["score", bundle, faulty_csv, "-o", output]):
        result = subprocess.run(
            [TFLITE_RUNTIME, "-m", "vedette", *command, "--interpreter", "tflite-runtime"],
            env=beside_tflite_runtime,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stderr
    here = tmp_path / "here.csv"
    assert vedette("score", bundle, faulty_csv, "-o", here).code == 0
    there, expected = (np.loadtxt(path, delimiter=",", skiprows=1, usecols=(1, 2)) for path in (output, here))
    assert np.median(np.abs(there[:, 0] / expected[:, 0] - 1)) < 0.02
    assert (there[:, 1] == expected[:, 1]).mean() > 0.97
