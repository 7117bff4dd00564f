"""Export for several boards: each gets what it runs best, and a refusal keeps no other from its bundle."""

from __future__ import annotations

import json
import shutil
import stat
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from command import vedette
from small import Case

from vedette.compress import this_machine
from vedette.compress.boards import get_board
from vedette.errors import BoardError
from vedette.runtime.bundles import bundle as bundles
from vedette.train.model_dir import ModelDir

pytestmark = pytest.mark.slow

CASE: Case = ("vae", True)
# Writes what it was given as its result, with an operator of the Edge TPU's in place of all others.
COMPILER = """#!{python}
import sys
from pathlib import Path
from ai_edge_litert import schema_py_generated as schema
import flatbuffers
source, folder = Path(sys.argv[-1]), Path(sys.argv[sys.argv.index("--out_dir") + 1])
model = schema.ModelT.InitFromPackedBuf(source.read_bytes(), 0)
graph = model.subgraphs[0]
code = schema.OperatorCodeT()
code.builtinCode, code.deprecatedBuiltinCode, code.customCode = 32, 32, b"edgetpu-custom-op"
model.operatorCodes = [code]
operator = schema.OperatorT()
operator.opcodeIndex, operator.inputs, operator.outputs = 0, graph.inputs, graph.outputs
print("Number of operations that will run on Edge TPU:", len(graph.operators))
print("Number of operations that will run on CPU: 0")
graph.operators = [operator]
builder = flatbuffers.Builder(1024)
builder.Finish(model.Pack(builder), b"TFL3")
(folder / (source.stem + "_edgetpu.tflite")).write_bytes(bytes(builder.Output()))
"""


@pytest.fixture
def directory(small: Callable[[Case], ModelDir], one_round: None) -> Path:
    """A small detector; what comes of it is compared on few anomalies."""
    return small(CASE).path


def test_several_boards_go_into_a_folder_each_under_its_name(directory: Path, tmp_path: Path) -> None:
    boards = ["--board", "rpi4", "--board", "rp2040", "--board", "rpi4"]
    outcome = vedette("export", directory, *boards, "-o", tmp_path / "bundles", "--accept", "--json")
    assert outcome.code == 0, outcome.stderr
    told = json.loads(outcome.stdout)
    assert [entry["board"] for entry in told] == ["rpi4", "rp2040"], "a board that is named twice is one"
    for entry in told:
        manifest = bundles.read(Path(entry["bundle"])).manifest
        assert manifest.board["name"] == entry["board"]
        assert manifest.threshold == entry["threshold"]
        assert Path(entry["bundle"]).parent == tmp_path / "bundles"


def test_a_board_that_is_refused_keeps_no_other_from_its_bundle(
    directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = get_board("nano33-ble")
    assert board.flash_kb
    tiny = replace(board, flash_kb=replace(board.flash_kb, value=1))
    monkeypatch.setattr(
        "vedette.compress.boards.get_board", lambda name: tiny if name == tiny.name else get_board(name)
    )
    boards = ["--board", "nano33-ble", "--board", "rpi4"]
    outcome = vedette("export", directory, *boards, "-o", tmp_path, "--accept")
    assert outcome.code == BoardError.exit_code
    assert "nano33-ble: refused: flash: needs" in outcome.stderr
    assert "1 of 2 boards were refused" in outcome.stderr
    assert [bundles.read(path).manifest.board["name"] for path in tmp_path.iterdir()] == ["rpi4"]


def test_thinning_behind_the_quantizer_of_a_projects_recipe_is_no_reason_to_quantize_again(
    directory: Path, tmp_path: Path
) -> None:
    asked = Path(shutil.copytree(directory, tmp_path / "asked"))
    document = json.loads((asked / "detector.json").read_text())
    document["compress"]["recipe"] = ["ptq", "thin:0.5"]
    (asked / "detector.json").write_text(json.dumps(document))
    outcome = vedette("export", asked, "--board", "rpi4", "-o", tmp_path / "x.vdt", "--accept")
    assert outcome.code == 0, outcome.stderr
    assert bundles.read(tmp_path / "x.vdt").manifest.recipe == ["ptq", "thin:0.5"]


@pytest.mark.parametrize("option", [("--max-bytes", "9000"), ("--trials", "3"), ("--min-auc-retention", "0.9")])
def test_options_of_the_search_are_refused_with_a_recipe_of_steps(option: tuple[str, str], directory: Path) -> None:
    outcome = vedette("compress", directory, "-o", directory / "small", "--recipe", "prune", *option)
    assert outcome.code == 2
    assert f"{option[0]} is for --recipe auto" in outcome.stderr


def test_boards_are_named_or_all_are_meant(directory: Path) -> None:
    for arguments in ([], ["--all", "--board", "rpi4"]):
        outcome = vedette("export", directory, *arguments)
        assert outcome.code == 2
        assert "give --board NAME, as often as there are boards, or --all" in outcome.stderr


def test_without_its_compiler_a_coral_bundle_says_how_to_compile_it_and_runs_on_the_cpu(
    directory: Path, tmp_path: Path
) -> None:
    path = tmp_path / "coral.vdt"
    outcome = vedette("export", directory, "--board", "coral-dev-board", "-o", path, "--accept")
    assert outcome.code == 0, outcome.stderr
    assert "4 of 4 operators run on the Edge TPU" in outcome.stderr
    assert "edgetpu_compiler is not installed here, so the bundle runs on the CPU" in outcome.stderr
    assert f"unzip -p {path} model.tflite > {path.with_suffix('.tflite')} && edgetpu_compiler" in outcome.stderr
    assert "the Edge TPU would be slower than the CPU" in outcome.stderr
    assert bundles.read(path).compiled is None


def test_with_its_compiler_a_coral_bundle_carries_the_compiled_model(
    directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The compiler cannot be had here; one of the test's own stands for it."""
    compiler = tmp_path / "bin" / "edgetpu_compiler"
    compiler.parent.mkdir()
    compiler.write_text(COMPILER.format(python=sys.executable))
    compiler.chmod(compiler.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(compiler.parent), prepend=":")
    path = tmp_path / "coral.vdt"
    outcome = vedette("export", directory, "--board", "coral-usb", "-o", path, "--accept")
    assert outcome.code == 0, outcome.stderr
    assert "compiled: 4 operators on the Edge TPU, 0 on the CPU" in outcome.stderr
    bundle = bundles.read(path)
    assert bundle.compiled
    assert b"edgetpu-custom-op" in bundle.compiled
    assert set(bundle.manifest.members) == {"model.tflite", "golden.npz", "model_edgetpu.tflite"}
    assert vedette("selftest", path).code == 0


def test_float16_is_timed_on_the_board_itself_and_mentioned_elsewhere(
    directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = ["--board", "jetson-orin-nano", "--accept"]
    outcome = vedette("export", directory, *board, "-o", tmp_path / "elsewhere.vdt")
    assert outcome.code == 0, outcome.stderr
    assert "float16 may be faster than int8 there" in outcome.stderr
    # A machine that says it is that board.
    tree = tmp_path / "model"
    tree.write_text(f"{get_board('jetson-orin-nano').device_tree} Developer Kit\0")
    monkeypatch.setattr(this_machine, "DEVICE_TREE_MODEL", tree)
    outcome = vedette("export", directory, *board, "-o", tmp_path / "there.vdt")
    assert outcome.code == 0, outcome.stderr
    assert "float16 may be faster" not in outcome.stderr
    model = bundles.read(tmp_path / "there.vdt").load_model()
    assert model.input.dtype in ("int8", "float32")
    assert vedette("selftest", tmp_path / "there.vdt").code == 0
