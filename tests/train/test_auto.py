"""What "auto" comes to: the window of the signal's period, and the network that finds injected anomalies best."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from command import Outcome, vedette

from vedette.train import auto, judge, model_dir
from vedette.train.auto import Choice, Trial, automatic_window, choose, pick
from vedette.train.config import ModelConfig, ModelKind, ModelSection, ProjectConfig, SignalSection, load_config
from vedette.train.data.prepare import NormalData, prepare
from vedette.train.data.table import Table
from vedette.train.judge import Judge, TooLittleDataError, Verdict
from vedette.train.models.layers import latent_units

PERIOD = 48
CHANNELS = 5


def pulses(count: int, *, channels: int = CHANNELS, period: int = PERIOD) -> np.ndarray:
    """Flat channels with a pulse at the same time, once in a period: only who remembers the last one expects it."""
    clock = np.arange(count) % period < 4
    return clock[:, None] + np.random.default_rng(channels).normal(0, 0.05, (count, channels))


def table(values: np.ndarray, times: np.ndarray | None = None) -> Table:
    names = tuple(f"c{i}" for i in range(values.shape[1]))
    return Table(names, values.astype(float), None if times is None else "time", times, None, "", ())


def prepared(values: np.ndarray, window: int | None = None) -> NormalData:
    return prepare(table(values), SignalSection().fixed(window))


def trial(figures: list[float], size: int) -> Trial:
    return Trial(ModelConfig(), 16, 4, size, Verdict(np.array(figures), np.array(figures)))


def project(folder: Path, text: str) -> ProjectConfig:
    path = folder / "vedette.toml"
    path.write_text(text)
    return load_config(path)


# --- the project file


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("", ()),
        ('kind = "auto"', ("kind",)),
        ('latent = "auto"\nhidden = 12', ("latent",)),
        ('kind = "ae"\nhidden = "auto"', ("hidden",)),
        ('kind = "auto"\nlatent = "auto"\nhidden = "auto"', ("kind", "latent", "hidden")),
    ],
)
def test_each_key_of_the_model_can_be_left_to_the_data(text: str, keys: tuple[str, ...], tmp_path: Path) -> None:
    model = project(tmp_path, f"[model]\n{text}").model
    assert model.auto == keys
    fixed = model.fixed()
    assert isinstance(fixed, ModelConfig)
    assert fixed.auto == ()
    kept = {name: value for name, value in asdict(model).items() if name not in keys}
    assert kept.items() <= asdict(fixed).items()
    assert {name: asdict(fixed)[name] for name in keys}.items() <= asdict(ModelConfig()).items()


def test_nothing_is_left_to_the_data_unless_the_project_says_so() -> None:
    assert ProjectConfig().model.auto == ()
    assert ProjectConfig().signal.window is None


# --- the window


@pytest.mark.parametrize(
    ("values", "window"),
    [
        (pulses(3000), PERIOD),
        (pulses(3000, channels=1, period=100), 100),
        (pulses(3000, channels=60), 17),  # 1,024 values
        (pulses(3000, channels=100), 16),  # more values, but no more than by default
        (pulses(300, channels=5), 24),  # a tenth of the training rows
        (pulses(3000, period=10), 16),
        (pulses(3000, channels=1, period=10), 16),  # shorter than by default
        (np.random.default_rng(1).normal(size=(3000, 2)).cumsum(axis=0), None),
    ],
)
def test_an_automatic_window_spans_the_period_and_stays_small(values: np.ndarray, window: int | None) -> None:
    found = automatic_window(prepared(values))
    assert found == window if window is None else found == pytest.approx(window, abs=1)


def test_the_window_is_found_in_the_rows_that_are_trained_on() -> None:
    values = np.concatenate([pulses(2400), pulses(600, period=20)])
    assert automatic_window(prepared(values)) == PERIOD
    assert len(auto.training_rows(prepared(values))) == 2400


def choose_window(values: np.ndarray, times: np.ndarray | None = None) -> Choice:
    rows, signal = table(values, times), SignalSection(window="auto")
    return choose(rows, prepare(rows, signal.fixed(None)), ProjectConfig(signal=signal))


def test_an_open_window_needs_no_training() -> None:
    choice = choose_window(pulses(3000))
    assert choice.data.signal.window == PERIOD
    assert choice.model == ModelConfig()
    assert choice.record is None
    assert choice.notes == (f"signal.window: {PERIOD} samples, from the period of the signal",)


def test_without_a_period_the_window_is_the_default_and_a_note_says_so() -> None:
    choice = choose_window(np.random.default_rng(1).normal(size=(3000, CHANNELS)).cumsum(axis=0))
    assert choice.data.signal.window == 16
    assert choice.notes == ("signal.window: no period was found, so it is the default of 16 samples",)


def test_data_too_broken_up_for_its_period_gets_the_default_window() -> None:
    times = np.arange(3000.0) + np.arange(3000) // 40 * 100.0
    choice = choose_window(pulses(3000), times)
    assert choice.data.signal.window == 16
    assert choice.notes == (f"signal.window: the data is too broken up for windows of {PERIOD} samples, its period",)


# --- the rule


def test_the_best_is_chosen_where_it_is_better_than_the_noise() -> None:
    small, large = trial([0.5, 0.6, 0.5, 0.6], 10), trial([0.7, 0.81, 0.7, 0.8], 1000)
    assert pick([small, large]) is large


def test_the_smallest_is_chosen_within_the_noise() -> None:
    small, large = trial([0.5, 0.6, 0.5, 0.6], 10), trial([0.6, 0.5, 0.6, 0.51], 1000)
    assert pick([large, small]) is small
    assert pick([large, replace(small, size=1000)]) is large, "equally small: the better one"


@pytest.mark.parametrize(("difference", "large_is_chosen"), [(0.02, True), (0.01, False)])
def test_what_every_injection_shows_counts_if_it_is_more_than_seeds_differ(
    difference: float, large_is_chosen: bool
) -> None:
    hard_and_easy = np.array([0.1, 0.9, 0.2, 0.8])
    small, large = trial([*hard_and_easy], 10), trial([*(hard_and_easy + difference)], 1000)
    behind, noise = small.behind(large)
    assert behind == pytest.approx(difference)
    assert noise == pytest.approx(auto.SEED_NOISE * large.figure), "injections that differ alike are no noise"
    assert (pick([small, large]) is large) == large_is_chosen


# --- the judge


def make_judge(data: NormalData, longest_window: int = 64) -> Judge:
    return Judge.of(data, longest_window=longest_window, buffer=16)


def test_what_is_judged_does_not_depend_on_the_window() -> None:
    one, other = (make_judge(prepared(pulses(3000), window)) for window in (16, 64))
    for mine, others in zip((*one.faults, *one.patterns), (*other.faults, *other.patterns), strict=True):
        np.testing.assert_array_equal(mine[0], others[0])
        np.testing.assert_array_equal(mine[1], others[1])
    assert (one.unjudged, one.lengths, len(one.times)) == (other.unjudged, other.lengths, len(other.times))


def test_the_rows_that_fill_the_longest_window_are_not_disturbed() -> None:
    data = prepared(pulses(3000))
    judge = make_judge(data)
    for rows, label in (*judge.faults, *judge.patterns):
        assert len(rows) == judge.unjudged + len(label) == len(judge.times) == 600
        np.testing.assert_array_equal(rows[:64], data.held_out.values[:64])
        assert label.any()


def test_of_much_data_the_newest_held_out_rows_are_judged() -> None:
    data = prepared(pulses(60_000))
    judge = make_judge(data)
    assert [len(label) for _, label in judge.faults] == [len(label) for _, label in judge.patterns] == [3000] * 8
    np.testing.assert_array_equal(judge.times, np.arange(12_000 - 3064, 12_000))


def test_irregular_samples_are_judged_on_their_grid() -> None:
    rng = np.random.default_rng(2)
    times = np.sort(rng.choice(400_000, 40_000, replace=False)) / 10.0
    rows = table(pulses(40_000), times)
    data = prepare(rows, SignalSection(sample_period_s=10.0, resample=True).fixed(16))
    judge = make_judge(data)
    assert np.diff(judge.times).max() == pytest.approx(10.0)
    assert len(judge.times) == pytest.approx(40_000 / 10 * 0.2, abs=3)


def test_too_little_held_out_data_is_told_with_how_much_is_needed() -> None:
    enough = judge.FEWEST_ROWS + 64
    make_judge(prepared(pulses(5 * enough)))
    with pytest.raises(TooLittleDataError, match=f"{enough - 1} held-out rows, .* 64 only fill .* {enough} are needed"):
        make_judge(prepared(pulses(5 * enough - 5)))


# --- training


SMALL = ProjectConfig(signal=SignalSection(window=16), model=ModelSection(kind="ae", latent="auto", hidden=16))


@pytest.mark.slow
def test_with_too_little_data_to_judge_the_default_is_trained_and_a_note_says_so(tmp_path: Path) -> None:
    data = write(tmp_path / "data.csv", pulses(400))
    outcome = vedette(
        "train", data, "-c", written(tmp_path, 'kind = "auto"\nhidden = "auto"'), "-o", tmp_path / "model"
    )
    assert outcome.code == 0, outcome.stderr
    told = "note: model.kind, model.hidden: too little held-out data to judge by, so the default is used (80 held-out"
    assert told in outcome.stderr
    assert "chosen" not in outcome.stderr
    directory = model_dir.load(tmp_path / "model")
    assert directory.model == ModelConfig()
    assert told.removeprefix("note: ") in " ".join(directory.provenance["notes"])
    assert "auto" not in directory.provenance


@pytest.mark.slow
def test_the_same_seed_makes_the_same_choice_and_the_candidates_are_told_before_each() -> None:
    rows, told = table(pulses(1500)), list[tuple[int, int, str]]()
    data = prepare(rows, SMALL.signal.fixed(16))
    one, again = (choose(rows, data, SMALL, on_candidate=lambda *what: told.append(what)) for _ in range(2))
    assert one.record == again.record
    assert one.model == again.model
    assert told[:3] == told[3:]
    assert [(number, total) for number, total, _ in told[:3]] == [(1, 3), (2, 3), (3, 3)]
    default = latent_units(16 * CHANNELS, None)
    sizes = (default, default // 2, 2 * default)
    assert [what for *_, what in told[:3]] == [f"ae, window 16, latent {units}, hidden 16" for units in sizes]
    assert one.model.latent in sizes
    assert one.model.hidden == 16


def write(path: Path, values: np.ndarray) -> Path:
    names = ",".join(f"c{i}" for i in range(values.shape[1]))
    np.savetxt(path, values, delimiter=",", header=names, comments="", fmt="%.4f")
    return path


def written(folder: Path, model: str, window: str = '"auto"') -> Path:
    path = folder / "vedette.toml"
    path.write_text(f"[signal]\nwindow = {window}\n[model]\n{model}\n")
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Outcome, model_dir.ModelDir]:
    """Everything left to the data, on a signal that a window of the default 16 rows cannot predict."""
    folder = tmp_path_factory.mktemp("auto")
    data = write(folder / "data.csv", pulses(3000))
    keys = 'kind = "auto"\nlatent = "auto"\nhidden = "auto"'
    outcome = vedette("train", data, "-c", written(folder, keys), "-o", folder / "model")
    assert outcome.code == 0, outcome.stderr
    return outcome, model_dir.load(folder / "model")


@pytest.mark.slow
def test_the_window_that_finds_more_is_chosen(trained: tuple[Outcome, model_dir.ModelDir]) -> None:
    _, directory = trained
    assert directory.signal.window == PERIOD
    found: dict[int, list[float]] = {16: [], PERIOD: []}
    for row in directory.provenance["auto"]["candidates"]:
        found[row["window"]].append(row["figure"])
    assert min(found[PERIOD]) > max(found[16]) + 0.1


@pytest.mark.slow
def test_the_model_directory_has_what_was_chosen_and_every_candidate(
    trained: tuple[Outcome, model_dir.ModelDir],
) -> None:
    _, directory = trained
    record = directory.provenance["auto"]
    rows = record["candidates"]
    kinds = get_args(ModelKind)
    assert [(row["kind"], row["window"]) for row in rows[:-4]] == [(k, w) for w in (16, PERIOD) for k in kinds]
    (chosen,) = [row for row in rows if row["chosen"]]
    model = directory.model
    assert (model.kind, model.latent, model.hidden) == (chosen["kind"], chosen["latent"], chosen["hidden"])
    assert {"kind": model.kind, "latent": model.latent, "hidden": model.hidden}.items() <= directory.provenance.items()
    best = max(row["figure"] for row in rows)
    within = [row for row in rows if row["behind_best"] <= row["noise"]]
    assert chosen["size"] == min(row["size"] for row in within)
    for row in rows:
        assert 0.0 < row["figure"] <= 1.0
        assert 0.0 < min(row["faults"], row["patterns"]) < row["figure"] < max(row["faults"], row["patterns"])
        assert row["behind_best"] == pytest.approx(best - row["figure"], abs=2e-4)
    assert record["injections"] >= judge.FEWEST
    assert record["anomaly_rows"] == [judge.SHORTEST, judge.LONGEST]


@pytest.mark.slow
def test_the_network_has_the_chosen_sizes(trained: tuple[Outcome, model_dir.ModelDir]) -> None:
    _, directory = trained
    core = directory.load_network()
    assert core.input_shape == (None, PERIOD * CHANNELS)
    latent = core.get_layer("z_mean" if directory.model.kind.endswith("vae") else "latent")
    assert latent.output_shape == (None, directory.model.latent)
    assert core.get_layer("decoder").output_shape[1] == directory.model.hidden


@pytest.mark.slow
def test_the_candidates_are_told_in_a_table_with_the_chosen_one(trained: tuple[Outcome, model_dir.ModelDir]) -> None:
    outcome, directory = trained
    assert outcome.stdout == ""
    table = [line for line in outcome.stderr.splitlines() if re.search(r"\b(conv_)?v?ae\b.*│", line)]
    rows: list[dict[str, Any]] = directory.provenance["auto"]["candidates"]
    assert len(table) == len(rows)
    for line, row in zip(table, rows, strict=True):
        assert f"{row['figure']:.3f}" in line
        assert f"{row['size']:,}" in line
        assert ("chosen" in line) == row["chosen"]


@pytest.mark.slow
def test_the_chosen_detector_is_exported_with_how_it_was_chosen(
    trained: tuple[Outcome, model_dir.ModelDir], tmp_path: Path
) -> None:
    _, directory = trained
    bundle = tmp_path / "pulses.vdt"
    outcome = vedette("export", directory.path, "--board", "x86-64", "-o", bundle)
    assert outcome.code == 0, outcome.stderr
    shown = json.loads(vedette("inspect", bundle, "--json").stdout)
    assert shown["window"] == PERIOD
    assert shown["provenance"]["auto"] == directory.provenance["auto"]
