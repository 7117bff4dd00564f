"""The baselines: as strong as they should be, causal, seeded, and sound on odd data."""

from __future__ import annotations

import json

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from required import missing
from trained import FAULTS, faulty_machine, machine

from vedette.benchmarks.real_series import shared_data
from vedette.train.data.table import NEVER_CHANNELS
from vedette.train.evaluation import baselines
from vedette.train.evaluation.baseline_kinds import BASELINES
from vedette.train.evaluation.baselines import FIT_WINDOWS, THRESHOLD_QUANTILE, run_baselines
from vedette.train.evaluation.metrics import auc_roc, vus_pr

# Each fits several detectors.
pytestmark = pytest.mark.slow

NORMAL = machine(2000, 1)
LEARNING = [name for name in BASELINES if name != "random"]
Rows = npt.NDArray[np.float64]


@pytest.fixture(params=list(BASELINES))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("name", LEARNING)
@pytest.mark.parametrize("channels", [slice(None), slice(0, 1)])
def test_labelled_faults_score_higher(name: str, channels: slice) -> None:
    rows, _ = faulty_machine(2)
    faulty = np.zeros(len(rows), np.int8)
    for first, last, channel, _ in FAULTS:
        faulty[first : last + 1] = channel < NORMAL[:, channels].shape[1]
    found = run_baselines(rows[:, channels], NORMAL[:, channels], names=[name])[name]
    assert auc_roc(faulty, found.score) > 0.75


def test_random_is_chance() -> None:
    rows, label = faulty_machine(2)
    assert auc_roc(label, run_baselines(rows, NORMAL, names=["random"])["random"].score) == pytest.approx(0.5, abs=0.1)


def test_a_score_uses_its_row_and_earlier_ones_only(name: str) -> None:
    rows, _ = faulty_machine(2)
    whole, part = (run_baselines(values, NORMAL, names=[name])[name] for values in (rows, rows[:300]))
    np.testing.assert_allclose(part.score, whole.score[:300], rtol=1e-4, atol=1e-5)
    assert part.threshold == pytest.approx(whole.threshold, abs=0.01) if name == "random" else whole.threshold


def test_the_same_data_gives_the_same_scores(name: str) -> None:
    once, again = (run_baselines(NORMAL[:400], NORMAL, names=[name])[name] for _ in range(2))
    assert once.score.tolist() == again.score.tolist()
    assert once.threshold == again.threshold


def test_scores_do_not_depend_on_the_unit(name: str) -> None:
    rows, unit = machine(400, 3), np.array([1e-9, 1e6, 1.0, 1e-3, 5.0, 1.0])
    plain = run_baselines(rows, NORMAL, names=[name])[name]
    scaled = run_baselines(rows * unit, NORMAL * unit, names=[name])[name]
    np.testing.assert_allclose(scaled.score, plain.score, rtol=1e-3, atol=1e-4)


def test_about_the_promised_part_of_fresh_normal_rows_is_above_the_threshold(name: str) -> None:
    found = run_baselines(machine(4000, 9), NORMAL, names=[name])[name]
    assert (found.score > found.threshold).mean() < 6 * (1 - THRESHOLD_QUANTILE)


def test_bounded_pieces_give_the_scores_of_the_whole(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = machine(700, 3)
    whole = run_baselines(rows, NORMAL, names=[name])[name]
    monkeypatch.setattr(baselines, "CHUNK_WINDOWS", 64)
    pieces = run_baselines(rows, NORMAL, names=[name])[name]
    np.testing.assert_allclose(pieces.score, whole.score, rtol=1e-4, atol=1e-5)
    assert pieces.threshold == pytest.approx(whole.threshold, rel=1e-4)


@pytest.mark.parametrize("rows", [1, 2, 17, 80])
@pytest.mark.parametrize("normal", [None, 1, 40])
def test_fewer_rows_than_a_window_are_scored(rows: int, normal: int | None, name: str) -> None:
    found = run_baselines(machine(rows, 3), None if normal is None else NORMAL[:normal], names=[name])[name]
    assert len(found.score) == rows
    assert np.isfinite(found.score).all()
    assert np.isfinite(found.threshold)


def test_missing_values_and_huge_ones_give_scores_that_are_numbers(name: str) -> None:
    rows, normal = machine(300, 3), machine(400, 4)
    rows[:5, 0] = rows[50:90, 1] = rows[200] = np.nan
    rows[120, 2] = 1e36
    normal[:3] = normal[100:110, 3] = np.nan
    normal[:, 4] = np.nan
    for reference in (normal, None):
        found = run_baselines(rows, reference, names=[name])[name]
        assert np.isfinite(found.score).all()
        assert np.isfinite(found.threshold)


@pytest.mark.parametrize("name", LEARNING)
def test_rows_that_never_change_are_scored_and_a_change_is_seen(name: str) -> None:
    constant = np.tile(machine(1, 3), (300, 1))
    moved = constant.copy()
    moved[200:] += 3.0
    found = run_baselines(moved, constant, names=[name])[name]
    if name != "isolation_forest":  # no cut sets constant rows apart
        assert found.score[299] > found.threshold >= found.score[100]
    assert np.isfinite(found.score).all()


def test_a_neighbour_is_not_the_window_itself() -> None:
    found = run_baselines(NORMAL[:500], names=["nearest_neighbour"])["nearest_neighbour"]
    assert found.score.min() > 0.0
    assert found.score.argmax() > 0


def test_windows_are_seen_of_one_channel_and_rows_of_several() -> None:
    one, several = run_baselines(NORMAL[:, :1], NORMAL[:, :1]), run_baselines(NORMAL, NORMAL)
    window = one["pca"].window
    assert window > 1
    assert {name: found.window for name, found in one.items()} == dict.fromkeys(BASELINES, window) | {
        "l2_norm": 1,
        "random": 1,
    }
    assert {name: found.window for name, found in several.items()} == dict.fromkeys(BASELINES, 1) | {
        "kmeans": several["pca"].window,
        "pca": several["pca"].window,
    }


def test_progress_ends_at_one() -> None:
    parts: list[float] = []
    run_baselines(NORMAL[:100], NORMAL, names=["l2_norm", "random"], on_progress=parts.append)
    assert parts == [0.5, 1.0]


def test_long_data_is_fitted_on_a_bounded_number_of_windows() -> None:
    seen: list[int] = []
    kind = baselines.BaselineKind("spy", lambda sample: seen.append(len(sample)) or (lambda rows: rows[:, 0]), "rows")
    baselines._run(kind, np.zeros((10, 2), np.float32), np.zeros((50_000, 2), np.float32), 1)
    assert seen == [FIT_WINDOWS]


# Mean causal VUS-PR over the ten series of the Numenta Anomaly Benchmark, measured with peers' own implementations.
PEERS_ON_NAB = {"kmeans": 0.331, "nearest_neighbour": 0.358, "pca": 0.280, "isolation_forest": 0.323, "random": 0.142}


@pytest.mark.slow
def test_the_baselines_are_as_strong_as_peers() -> None:
    folder = shared_data()
    if not (folder / "series.json").is_file():
        missing(f"the real series are not in {folder}", "set VEDETTE_SHARED")
    entries = [entry for group in json.loads((folder / "series.json").read_text()).values() for entry in group]
    found: dict[str, list[float]] = {name: [] for name in PEERS_ON_NAB}
    for entry in entries:
        if entry["dataset"] != "nab":
            continue
        frames = [
            pl.read_csv(folder / entry["id"] / f"{part}.csv.gz", infer_schema_length=None) for part in ("train", "test")
        ]
        normal, rows = (frame.drop(NEVER_CHANNELS, strict=False).cast(pl.Float64).to_numpy() for frame in frames)
        label = frames[1]["label"].to_numpy().astype(np.int8)
        for name, baseline in run_baselines(rows, normal, names=list(found)).items():
            found[name].append(vus_pr(label, baseline.score, entry["window"]))
    assert {name: float(np.mean(values)) for name, values in found.items()} == pytest.approx(PEERS_ON_NAB, abs=0.01)
