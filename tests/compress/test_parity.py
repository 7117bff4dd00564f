"""From the float network through a recipe to `vedette score`: the bits are those of the board's rounding family."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from command import vedette
from required import missing
from small import Case
from trained import CHANNELS, faulty_machine, write_csv

from vedette.runtime.bundles import bundle as bundles
from vedette.runtime.inference.interpreter import Model
from vedette.train.model_dir import ModelDir

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_round")]

# Between them every step, both ways to int8, and every form of network.
RECIPES: dict[Case, str] = {
    ("ae", False): "prune:0.5,thin:0.5,qat",
    ("vae", True): "distill:8,prune:0.5,ptq",
    ("conv_vae", True): "distill:8,sparsify:0.5,qat",
}
# A board of each rounding family, and the one that wants one scale for a layer and one window.
BOARDS = {"rpi4": "S", "rpi-zero2w": "H", "nano33-ble": "D", "coral-usb": "S"}
TFLITE_RUNTIME = Path(__file__).parents[2] / ".venvs" / "tflite-runtime" / "bin" / "vedette"

Bundles = dict[str, Path]


@pytest.fixture(scope="module", params=RECIPES, ids=lambda case: f"{case[0]}: {RECIPES[case]}")
def compressed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, small: Callable[[Case], ModelDir]
) -> Bundles:
    """The bundles of one compressed directory, by board."""
    folder = tmp_path_factory.mktemp("parity")
    made = vedette("compress", small(request.param).path, "-o", folder / "small", "--recipe", RECIPES[request.param])
    assert made.code == 0, made.stderr
    boards = [word for board in BOARDS for word in ("--board", board)]
    exported = vedette("export", folder / "small", *boards, "-o", folder / "bundles", "--accept")
    assert exported.code == 0, exported.stderr
    found = {bundles.read(path).manifest.board["name"]: path for path in (folder / "bundles").iterdir()}
    assert sorted(found) == sorted(BOARDS)
    return found


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows of the channels that the small detectors have, with faults."""
    values, label = faulty_machine(5)
    return write_csv(
        tmp_path_factory.mktemp("data") / "test.csv", values[:400, :4], label=label[:400], names=CHANNELS[:4]
    )


def scores(bundle: Path, data: Path, output: Path, *options: str) -> str:
    outcome = vedette("score", bundle, data, "-o", output, *options)
    assert outcome.code == 0, outcome.stderr
    return output.read_text()


def test_a_bundle_declares_the_family_that_it_was_calibrated_in(compressed: Bundles) -> None:
    for board, family in BOARDS.items():
        manifest = bundles.read(compressed[board]).manifest
        assert manifest.runtime.family == family
        assert f"rounding family {family}" in str(manifest.provenance["calibrated_on"])
        assert vedette("selftest", compressed[board], "--interpreter", f"reference-{family}").code == 0


def test_scores_in_family_s_are_the_interpreters_to_the_last_bit(
    compressed: Bundles, data: Path, tmp_path: Path
) -> None:
    for board in ("rpi4", "coral-usb"):
        wanted = scores(compressed[board], data, tmp_path / f"{board}-litert.csv", "--interpreter", "ai-edge-litert")
        found = scores(compressed[board], data, tmp_path / f"{board}-reference.csv", "--interpreter", "reference-S")
        assert found == wanted


def test_scores_in_family_h_are_those_of_tflite_runtime_in_its_own_environment(
    compressed: Bundles, data: Path, tmp_path: Path
) -> None:
    if not TFLITE_RUNTIME.exists():
        missing("the environment with tflite-runtime is missing", "make environments")
    command = [TFLITE_RUNTIME, "score", compressed["rpi-zero2w"], data, "-o", tmp_path / "theirs.csv"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    found = scores(compressed["rpi-zero2w"], data, tmp_path / "ours.csv", "--interpreter", "reference-H")
    assert found == (tmp_path / "theirs.csv").read_text()


def test_a_microcontrollers_bundle_scores_in_its_own_family_by_default(
    compressed: Bundles, data: Path, tmp_path: Path
) -> None:
    wanted = scores(compressed["nano33-ble"], data, tmp_path / "named.csv", "--interpreter", "reference-D")
    assert scores(compressed["nano33-ble"], data, tmp_path / "default.csv") == wanted


def test_golden_outputs_are_those_of_the_family_and_others_stay_near(compressed: Bundles) -> None:
    for board, family in BOARDS.items():
        bundle = bundles.read(compressed[board])
        inputs = np.random.default_rng(4).integers(-128, 128, (200, 1, bundle.load_model().input.shape[1]), np.int8)
        outputs = {
            name: np.concatenate([Model(bundle.model_bytes, package=f"reference-{name}").run(x) for x in inputs])
            for name in "DHS"
        }
        for other in outputs.values():
            assert np.abs(other.astype(int) - outputs[family].astype(int)).max() <= 4
