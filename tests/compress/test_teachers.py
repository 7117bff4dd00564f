"""Teachers: other detectors, several of them, and baselines, for the same signal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small import WIDTH, WINDOW, Case, outputs, small_dir

from vedette.compress.compress import Workshop
from vedette.compress.steps import STEPS, distill
from vedette.compress.teachers import BASELINE_TEACHERS, teacher_of
from vedette.errors import ConfigError, ModelError
from vedette.runtime.detection.signal import FloatArray
from vedette.train.convert import deployed_head
from vedette.train.model_dir import ModelDir

pytestmark = pytest.mark.slow

Open = Callable[[Case], Workshop]
AE: Case = ("ae", True)


@pytest.fixture(scope="module")
def larger(tmp_path_factory: pytest.TempPathFactory) -> ModelDir:
    """A larger detector of another kind, for the same signal."""
    return small_dir(tmp_path_factory.mktemp("larger") / "model", ("conv_vae", True), hidden=48)


def taught(names: list[str], opened: Workshop) -> FloatArray:
    windows = opened.data.representative
    expected: FloatArray = teacher_of(names, opened.directory, opened.bench.data)(windows)
    assert expected.shape == (len(windows), WIDTH)
    return expected


def test_a_larger_network_of_another_kind_teaches_what_it_expects(larger: ModelDir, workshop: Open) -> None:
    opened = workshop(AE)
    head = deployed_head(larger, larger.load_network())
    np.testing.assert_allclose(taught([str(larger.path)], opened), outputs(head, opened.data.representative), atol=1e-6)


def test_several_teachers_teach_their_mean(larger: ModelDir, workshop: Open, small: Callable[[Case], ModelDir]) -> None:
    opened = workshop(AE)
    names = [str(larger.path), str(small(("vae", True)).path), "pca"]
    each = [taught([name], opened) for name in names]
    np.testing.assert_allclose(taught(names, opened), np.mean(each, axis=0), atol=1e-6)


@pytest.mark.parametrize("name", BASELINE_TEACHERS)
@pytest.mark.parametrize("predictive", [True, False])
def test_a_baseline_that_teaches_a_predictive_network_does_not_see_the_newest_row(
    name: str, predictive: bool, workshop: Open
) -> None:
    opened = workshop(("ae", predictive))
    teacher = teacher_of([name], opened.directory, opened.bench.data)
    windows = opened.bench.data.held_out.inputs
    changed = windows.copy()
    changed[:, -WIDTH:] = 5.0
    expected = teacher(windows)
    assert expected.dtype == np.float32
    assert np.isfinite(expected).all()
    assert np.array_equal(teacher(changed), expected) == predictive
    error = np.mean((expected - opened.bench.data.held_out.newest) ** 2)
    assert error < 0.7 * np.mean(opened.bench.data.held_out.newest**2), "better than expecting the mean"


def linear(count: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Windows of 6 rows of 2 channels that lie in a plane through a point; also the plane's basis and the point."""
    rng = np.random.default_rng(2)
    basis, _ = np.linalg.qr(rng.normal(size=(12, 3)))
    middle = rng.normal(size=12)
    windows = (rng.normal(size=(count, 3)) @ basis.T + middle).astype(np.float32)
    return windows, basis, middle


@pytest.mark.parametrize("blind", [True, False])
def test_principal_components_know_the_newest_row_of_linear_data(blind: bool) -> None:
    windows, _, _ = linear(400)
    teacher = BASELINE_TEACHERS["pca"](windows[:300], 2, blind)
    np.testing.assert_allclose(teacher(windows[300:]), windows[300:, -2:], atol=0.02)


def test_principal_components_teach_the_closed_form_of_the_nearest_point() -> None:
    """The point of the plane that is nearest to a window, by all rows or, blind, by least squares on those before."""
    windows, basis, middle = linear(3000)
    middle = windows.mean(axis=0)
    odd = windows[:50] + np.random.default_rng(4).normal(0.0, 0.5, (50, 12)).astype(np.float32)
    nearest = (odd - middle) @ basis @ basis.T + middle
    np.testing.assert_allclose(BASELINE_TEACHERS["pca"](windows, 2, False)(odd), nearest[:, -2:], atol=0.01)
    places = np.linalg.lstsq(basis[:-2], (odd - middle)[:, :-2].T, rcond=None)[0].T
    predicted = places @ basis[-2:].T + middle[-2:]
    np.testing.assert_allclose(BASELINE_TEACHERS["pca"](windows, 2, True)(odd), predicted, atol=0.02)


@pytest.mark.parametrize("blind", [True, False])
def test_the_nearest_neighbour_of_a_window_is_not_the_window_itself(blind: bool) -> None:
    windows = np.random.default_rng(3).normal(size=(200, 12)).astype(np.float32)
    seen = windows[:, : 10 if blind else 12]
    distances = np.linalg.norm(seen[:, None] - seen[None], axis=-1)
    np.fill_diagonal(distances, np.inf)
    expected = BASELINE_TEACHERS["nearest_neighbour"](windows, 2, blind)(windows)
    np.testing.assert_array_equal(expected, windows[distances.argmin(axis=1), -2:])
    assert (expected != windows[:, -2:]).all()


def test_a_window_that_is_not_among_the_known_ones_has_the_nearest_of_all() -> None:
    windows = np.random.default_rng(3).normal(size=(201, 12)).astype(np.float32)
    expected = BASELINE_TEACHERS["nearest_neighbour"](windows[1:], 2, False)(windows[:1])
    nearest = np.linalg.norm(windows[1:] - windows[0], axis=1).argmin()
    np.testing.assert_array_equal(expected[0], windows[1 + nearest, -2:])


def test_clusters_teach_the_newest_row_of_the_nearest_centre() -> None:
    rng = np.random.default_rng(7)
    centres = 20.0 * rng.normal(size=(3, 12))
    windows = (centres.repeat(100, axis=0) + rng.normal(0.0, 0.1, (300, 12))).astype(np.float32)
    for blind in (True, False):
        expected = BASELINE_TEACHERS["kmeans"](windows, 2, blind)(windows)
        np.testing.assert_allclose(expected, centres.repeat(100, axis=0)[:, -2:], atol=0.5)


def test_fewer_different_windows_than_clusters_are_no_trouble() -> None:
    windows = np.repeat(np.eye(3, 12, dtype=np.float32), 20, axis=0)
    for name in ("kmeans", "nearest_neighbour"):
        expected = BASELINE_TEACHERS[name](windows, 2, False)(windows)
        np.testing.assert_allclose(expected, windows[:, -2:], atol=1e-6)


def test_a_student_learns_from_the_teachers_that_it_is_given_and_the_record_names_them(
    larger: ModelDir, workshop: Open, one_round: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distill, "ROUNDS", 4)
    directory = workshop(AE).directory
    names = [str(larger.path), "pca"]
    opened = Workshop.open(directory, teachers=names)
    learned = opened.bench.data.learned
    expected = (teacher_of(names, directory, opened.bench.data)(learned.inputs) + learned.newest) / 2
    lessons = opened.bench.lessons.learned
    np.testing.assert_allclose(lessons.newest[: len(expected)], expected, atol=1e-6)
    others = lessons.inputs[len(expected) :]
    answers = teacher_of(names, directory, opened.bench.data)(others)
    np.testing.assert_allclose(lessons.newest[len(expected) :], answers, atol=1e-6)
    draft, record = STEPS["distill"].apply(opened.draft, opened.bench, 16.0)
    assert record["teacher"] == ", ".join([larger.path.name, "pca"])
    error = np.mean((outputs(draft.head, learned.inputs) - expected) ** 2)
    assert error < 0.5 * np.mean(expected**2)


# Teachers that do not see the same windows, and what is said of them.
OTHERS: dict[str, tuple[dict[str, Any], str]] = {
    "other channels": ({"names": ("flow", "level", "heat", "power", "speed")}, r"channels: expected \('flow',"),
    "channels in another order": ({"names": ("level", "flow", "heat", "power")}, r"channels: expected \('flow',"),
    "another window": ({"window": 12}, f"window: expected {WINDOW}, as in .*, found 12"),
    "a network that copies": ({"case": ("ae", False)}, "predictive: expected True, as in .*, found False"),
    "another scaling": ({"scale": 2.0}, "it was scaled on other data than .*; train both on the same data"),
}


@pytest.mark.parametrize("what", OTHERS)
def test_a_teacher_for_another_signal_is_refused(what: str, workshop: Open, tmp_path: Path) -> None:
    changes, message = OTHERS[what]
    opened = workshop(AE)
    other = small_dir(tmp_path / "other", **{"case": AE, **changes})
    with pytest.raises(ModelError, match=message) as refusal:
        teacher_of(["kmeans", str(other.path)], opened.directory, opened.bench.data)
    assert str(refusal.value).startswith(f"teacher {other.path}: ")


@pytest.mark.parametrize(
    ("name", "hint"), [("kmean", 'did you mean "kmeans"?'), ("../none", "valid: pca, kmeans, nearest_neighbour")]
)
def test_an_unknown_teacher_names_the_nearest(name: str, hint: str, workshop: Open) -> None:
    opened = workshop(AE)
    with pytest.raises(ConfigError) as refusal:
        teacher_of([name], opened.directory, opened.bench.data)
    assert f'teacher "{name}": expected a model directory or a baseline, found neither; ' in str(refusal.value)
    assert hint in str(refusal.value)


def test_a_folder_that_is_no_model_directory_is_no_teacher(workshop: Open, tmp_path: Path) -> None:
    opened = workshop(AE)
    with pytest.raises(ModelError, match="expected a model directory"):
        teacher_of([str(tmp_path)], opened.directory, opened.bench.data)
