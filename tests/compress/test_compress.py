"""From a model directory and a recipe to a smaller model directory."""

from __future__ import annotations

import json
import resource
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import files
from small import WIDTH, WINDOW, Case, blind, name, outputs

from vedette.compress import compress as module
from vedette.compress.compress import Workshop, compress
from vedette.compress.network import cost
from vedette.errors import ConfigError, ModelError, OutputError
from vedette.runtime.inference.interpreter import Model
from vedette.train import model_dir
from vedette.train.config import CompressConfig
from vedette.train.convert import float_model
from vedette.train.model_dir import ModelDir
from vedette.train.recipe import Step, parse_recipe

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_round")]

Small = Callable[[Case], ModelDir]
AE: Case = ("ae", True)
# Every step at once, in orders that make sense.
WHOLE: dict[Case, str] = {
    ("ae", True): "distill:12,prune:0.75,thin:0.5,sparsify:0.5,qat",
    ("conv_ae", False): "thin,distill:14,ptq",
}


@pytest.fixture
def copied(small: Small, tmp_path: Path) -> Path:
    """A model directory of the test's own, to break."""
    return Path(shutil.copytree(small(AE).path, tmp_path / "trained"))


def change_detector(directory: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = directory / "detector.json"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def change_calibration(directory: Path, **changes: Any) -> None:
    path = directory / "calibration.npz"
    with np.load(path) as arrays:
        kept = {name: arrays[name] for name in arrays}
    np.savez_compressed(path, **{**kept, **changes})


@pytest.mark.parametrize("case", WHOLE, ids=name)
def test_a_recipe_makes_a_smaller_directory_that_loads_and_computes_the_same(
    case: Case, small: Small, tmp_path: Path
) -> None:
    source, recipe, told = small(case), parse_recipe(WHOLE[case]), list[Step]()
    windows = source.load_calibration_data().learned_rows
    before = files(source.path)
    opened = Workshop.open(source)
    draft, records = opened.run(recipe, on_step=told.append)
    module.save(opened, draft, recipe, records, tmp_path / "small")
    assert told == list(recipe)
    assert files(source.path) == before

    made = model_dir.load(tmp_path / "small")
    assert {path.name for path in made.path.iterdir()} == {
        "detector.json", "calibration.npz", "head.h5", "original.tflite",
    }  # fmt: skip
    assert made.recipe == tuple(str(step) for step in recipe)
    assert made.score == draft.score
    assert (made.name, made.signal, made.calibration) == (source.name, source.signal, source.calibration)
    kept = made.load_calibration_data()
    np.testing.assert_array_equal(kept.learned_rows, windows)
    np.testing.assert_array_equal(kept.representative, draft.representative)
    network = made.load_network()
    np.testing.assert_array_equal(outputs(network, kept.representative), outputs(draft.head, kept.representative))
    assert blind(network, kept.representative) == case[1]
    assert cost(network, made.score) == cost(draft.head, draft.score)
    assert cost(network, made.score).arithmetic < cost(opened.draft.head, opened.draft.score).arithmetic

    assert made.compressed is not None
    assert made.compressed.original_score == source.score
    record = made.compressed.steps
    assert json.loads(json.dumps(record, allow_nan=False)) == list(record)
    assert [step["step"] for step in record] == list(made.recipe)
    for one, after in pairwise(record):
        assert one["cost"] == after["cost_before"]

    original = made.load_original()
    assert original == float_model(source, source.load_network())
    model = Model(original)
    found = np.concatenate([model.run(window[None]) for window in kept.representative[:8]])
    np.testing.assert_allclose(found, outputs(opened.draft.head, kept.representative[:8]), atol=1e-5)


def test_a_recipe_goes_on_in_a_directory_that_was_compressed_before(small: Small, tmp_path: Path) -> None:
    source = small(AE)
    first = compress(source.path, tmp_path / "first", parse_recipe("prune"))
    second = compress(first.path, tmp_path / "second", parse_recipe("thin,ptq"))
    again = model_dir.load(second.path)
    assert again.recipe == second.recipe == ("prune", "thin", "ptq")
    assert again.compressed is not None
    assert first.compressed is not None
    assert again.compressed.steps[:1] == model_dir.load(first.path).compressed.steps  # type: ignore[union-attr]
    assert again.compressed.original_score == source.score, "the detector that all of it is measured against"
    assert again.load_original() == first.load_original() == float_model(source, source.load_network())
    for recipe, message in (
        ("distill", "distill cannot come after prune: the student would take the place of the pruned network"),
        ("prune:0.9", r"prune was done before \(prune, thin, ptq\)"),
        ("qat", "qat cannot come after ptq: ptq has quantized the network already"),
        ("sparsify", "sparsify cannot come after ptq"),
    ):
        with pytest.raises(ConfigError, match=message):
            compress(second.path, tmp_path / "third", parse_recipe(recipe))
    assert not (tmp_path / "third").exists()


def test_an_order_that_makes_no_sense_is_refused_however_it_comes(small: Small, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="prune cannot come after qat"):
        compress(small(AE).path, tmp_path / "small", (Step("qat"), Step("prune")))


def test_the_same_seed_compresses_to_the_same_network(small: Small, tmp_path: Path) -> None:
    recipe = parse_recipe("distill:12")
    one, two = (compress(small(AE).path, tmp_path / word, recipe) for word in ("one", "two"))
    assert one.compressed == two.compressed
    assert one.score == two.score
    weights = zip(one.load_network().get_weights(), two.load_network().get_weights(), strict=True)
    assert all(np.array_equal(first, second) for first, second in weights)


def test_nothing_of_this_machine_is_in_a_compressed_directory(small: Small, tmp_path: Path) -> None:
    teacher = small(("vae", True)).path
    made = compress(small(AE).path, tmp_path / "small", parse_recipe("distill:8"), teachers=[str(teacher), "pca"])
    assert made.compressed is not None
    assert made.compressed.steps[0]["teacher"] == f"{teacher.name}, pca"
    for content in files(made.path).values():
        assert b"pytest" not in content
        assert str(Path.home()).encode() + b"/" not in content


# Outputs.


@pytest.mark.parametrize("exists", ["a folder", "a file"])
def test_an_output_that_exists_is_refused_before_the_work(exists: str, small: Small, tmp_path: Path) -> None:
    output = tmp_path / "small"
    output.mkdir() if exists == "a folder" else output.write_text("precious")
    with pytest.raises(OutputError, match="small exists already; give another -o"):
        compress(small(AE).path, output, parse_recipe("ptq"), on_step=lambda step: pytest.fail("it began"))
    assert files(tmp_path) == ({} if exists == "a folder" else {output: b"precious"})


def test_of_two_compressions_into_one_directory_the_slower_fails_and_the_other_stays(
    small: Small, tmp_path: Path
) -> None:
    """The second one runs from begin to end while the first one works."""
    output, fast = tmp_path / "small", parse_recipe("ptq")
    finished: list[dict[Path, bytes]] = []

    def overtake(_: Step) -> None:
        compress(small(AE).path, output, fast)
        finished.append(files(output))

    with pytest.raises(OutputError, match="small exists already; give another -o"):
        compress(small(AE).path, output, parse_recipe("thin"), on_step=overtake)
    assert files(output) == finished[0]
    assert [path.name for path in tmp_path.iterdir()] == ["small"]
    assert model_dir.load(output).recipe == ("ptq",)


def test_a_directory_that_appears_while_another_is_written_stays(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the check and the final name there is a moment: renaming decides."""
    source, output = small(AE), tmp_path / "small"
    rename = Path.rename

    def late(self: Path, target: Path) -> Path:
        shutil.copytree(source.path, target)
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", late)
    with pytest.raises(OutputError, match="small exists already"):
        compress(source.path, output, parse_recipe("ptq"))
    assert {path.name for path in tmp_path.iterdir()} == {"small"}
    assert model_dir.load(output).recipe == ()


@contextmanager
def disk_with(room: int) -> Iterator[None]:
    """Files may have so many bytes."""
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("room", [0, 8192, 40_000])
def test_a_full_disk_leaves_nothing_under_the_final_name(room: int, small: Small, tmp_path: Path) -> None:
    opened, recipe = Workshop.open(small(AE)), parse_recipe("ptq")
    draft, records = opened.run(recipe)
    with disk_with(room), pytest.raises(OutputError, match="small: cannot be written: File too large"):
        module.save(opened, draft, recipe, records, tmp_path / "small")
    assert list(tmp_path.iterdir()) == []
    module.save(opened, draft, recipe, records, tmp_path / "small")
    assert model_dir.load(tmp_path / "small").recipe == ("ptq",)


# Inputs.

DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a format from the past": (
        lambda path: change_detector(path, lambda document: document.update(format=1)),
        "written in format 1; this vedette reads format 2: train again",
    ),
    "a format from the future": (
        lambda path: change_detector(path, lambda document: document.update(format=3)),
        "written in format 3; this vedette reads format 2",
    ),
    "no network": (lambda path: (path / "core.h5").unlink(), "expected a model directory with detector.json and core"),
    "half the network": (
        lambda path: (path / "core.h5").write_bytes((path / "core.h5").read_bytes()[:20_000]),
        "core.h5: cannot be loaded: .*; train again",
    ),
    "an empty network": (lambda path: (path / "core.h5").write_bytes(b""), "core.h5: cannot be loaded"),
    "no calibration data": (lambda path: (path / "calibration.npz").unlink(), "calibration.npz: cannot be read"),
    "half the calibration data": (
        lambda path: (path / "calibration.npz").write_bytes((path / "calibration.npz").read_bytes()[:5000]),
        "calibration.npz: cannot be read",
    ),
    "calibration data without what was learned from": (
        lambda path: change_calibration(path, learned_rows=np.empty((0, WIDTH)), learned_times=np.empty(0)),
        "expected at least 50 windows to train on in calibration.npz and one held out, found 0 and .*; train again",
    ),
    "too little that was learned from": (
        lambda path: change_calibration(path, learned_rows=np.zeros((40, WIDTH)), learned_times=np.arange(40.0)),
        f"expected at least 50 windows .* found {40 - WINDOW + 1} and",
    ),
    "nothing but missing values": (
        lambda path: change_calibration(path, rows=np.full((100, WIDTH), np.nan), times=np.arange(100.0)),
        "and one held out, found .* and 0; train again",
    ),
    "calibration data of another signal": (
        lambda path: change_calibration(path, learned_rows=np.zeros((900, 2)), learned_times=np.arange(900.0)),
        "its arrays do not fit detector.json; train again",
    ),
    "a recipe of a step that is not known": (
        lambda path: change_detector(path, lambda document: document.update(compress={"recipe": ["shrink"]})),
        'detector.json: compress: recipe: "shrink" is no step',
    ),
    "an empty folder": (lambda path: [file.unlink() for file in path.iterdir()], "make one with: vedette train"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_directory_is_a_model_error(damage: str, copied: Path, tmp_path: Path) -> None:
    break_it, message = DAMAGES[damage]
    break_it(copied)
    with pytest.raises(ModelError, match=message) as refusal:
        compress(copied, tmp_path / "small", parse_recipe("ptq"))
    assert str(copied) in str(refusal.value)
    assert [path.name for path in tmp_path.iterdir()] == ["trained"]


# What may be wrong with a directory that was compressed before.
COMPRESSED_DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no network": (lambda path: (path / "head.h5").unlink(), "expected a model directory"),
    "the network of before": (
        lambda path: (path / "head.h5").rename(path / "core.h5"),
        "head.h5: cannot be loaded: .*; compress again",
    ),
    "half the network": (
        lambda path: (path / "head.h5").write_bytes((path / "head.h5").read_bytes()[:9_000]),
        "head.h5: cannot be loaded: .*; compress again",
    ),
    "no float model": (lambda path: (path / "original.tflite").unlink(), "original.tflite: cannot be read: No such"),
    "a step from the future": (
        lambda path: change_detector(path, lambda document: document["compressed"].update(recipe=["fold"])),
        'detector.json: compressed: recipe: "fold" is no step',
    ),
    "no recipe": (
        lambda path: change_detector(path, lambda document: document["compressed"].update(recipe=[])),
        "compressed: recipe: expected one step or more, found none",
    ),
    "no score of the float model": (
        lambda path: change_detector(path, lambda document: document["compressed"].pop("original_score")),
        "compressed: original_score: expected an object",
    ),
}


@pytest.fixture(scope="module")
def compressed(small: Small, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that was compressed before."""
    return compress(small(AE).path, tmp_path_factory.mktemp("compressed") / "small", parse_recipe("thin")).path


@pytest.mark.parametrize("damage", COMPRESSED_DAMAGES)
def test_a_damaged_compressed_directory_is_a_model_error(damage: str, compressed: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(compressed, tmp_path / "copy"))
    break_it, message = COMPRESSED_DAMAGES[damage]
    break_it(copy)
    with pytest.raises(ModelError, match=message) as refusal:
        compress(copy, tmp_path / "smaller", parse_recipe("ptq"))
    assert str(copy) in str(refusal.value)
    assert [path.name for path in tmp_path.iterdir()] == ["copy"]


@pytest.mark.parametrize("recipe", [["distill:24", "qat"], "auto", None])
def test_the_projects_recipe_stays_with_the_model(recipe: Any, small: Small, tmp_path: Path) -> None:
    source = small(AE)
    asked = replace(source, path=tmp_path / "model", compress=CompressConfig(recipe))
    model_dir.save(asked, source.load_network(), source.load_calibration_data())
    assert model_dir.load(asked.path).compress == CompressConfig(recipe)
    assert json.loads((asked.path / "detector.json").read_text())["compress"] == {"recipe": recipe}
    made = compress(asked.path, tmp_path / "small", parse_recipe("thin"))
    assert model_dir.load(made.path).compress == CompressConfig(recipe)
