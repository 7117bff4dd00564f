"""``vedette score`` and ``vedette evaluate``: what scripts outside rely on."""

from __future__ import annotations

import csv
import gzip
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import polars as pl
import pytest
from command import vedette
from trained import CHANNELS, FAULTS, TEST_ROWS, faulty_machine, machine, write_csv

from vedette.errors import DataError, OutputError
from vedette.runtime.bundles import bundle as bundles
from vedette.train.evaluation.baseline_kinds import BASELINES

pytestmark = pytest.mark.slow

WINDOW = 16
CONTRACTED = {
    "auc_roc",
    "auc_pr",
    "vus_pr",
    "f1_at_threshold",
    "detection_delay_s",
    "events_found",
    "events_total",
}
RATES = {"false_alarms_per_day", "false_alarms_per_10k_samples"}
SHARED = Path(os.environ.get("VEDETTE_SHARED", Path(__file__).parents[3] / "shared")) / "data"


@dataclass(frozen=True)
class Scored:
    """What ``vedette score`` wrote."""

    header: list[str]
    index: list[str]
    score: np.ndarray[Any, np.dtype[np.float64]]
    alert: list[str]


def read(text: str) -> Scored:
    header, *rows = csv.reader(text.splitlines())
    index, score, alert = zip(*rows, strict=True)
    return Scored(header, list(index), np.array(score, float), list(alert))


def score(bundle: Path, data: Path, *options: str) -> Scored:
    outcome = vedette("score", bundle, data, *options)
    assert outcome.code == 0, outcome.stderr
    return read(outcome.stdout)


def evaluate(bundle: Path, data: Path, *options: str | Path) -> dict[str, Any]:
    outcome = vedette("evaluate", bundle, data, "--json", "-", *options)
    assert outcome.code == 0, outcome.stderr
    return strict(outcome.stdout)


def strict(text: str) -> dict[str, Any]:
    """JSON as other languages read it: no NaN, no Infinity."""

    def refuse(constant: str) -> NoReturn:
        raise AssertionError(f"{constant} is not JSON")

    document = json.loads(text, parse_constant=refuse)
    assert isinstance(document, dict)
    return document


@pytest.fixture(scope="module")
def bundle(exported: dict[str, Path]) -> Path:
    return exported["vae-x86-64"]


@pytest.fixture(scope="module")
def untimed_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A detector of data without a time base."""
    folder = tmp_path_factory.mktemp("untimed")
    data = write_csv(folder / "train.csv", machine(600, 1), times=False)
    config = folder / "vedette.toml"
    config.write_text('[model]\nkind = "ae"\nhidden = 8\n')
    assert vedette("train", data, "-c", config, "-o", folder / "model").code == 0
    exported = vedette("export", folder / "model", "--board", "x86-64", "-o", folder / "x.vdt", "--accept")
    assert exported.code == 0, exported.stderr
    return folder / "x.vdt"


def test_one_row_for_each_input_row_with_its_timestamp(bundle: Path, faulty_csv: Path, tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    outcome = vedette("score", bundle, faulty_csv, "-o", path)
    assert (outcome.code, outcome.stdout) == (0, "")
    found = read(path.read_text())
    assert found.header == ["time", "score", "alert"]
    assert found.index == [line.split(",")[0] for line in faulty_csv.read_text().splitlines()[1:]]
    assert set(found.alert) == {"0", "1"}
    assert np.isfinite(found.score).all()
    assert read(vedette("score", bundle, faulty_csv).stdout).score.tolist() == found.score.tolist()


def test_without_the_timestamp_column_rows_are_named_by_their_number(bundle: Path, tmp_path: Path) -> None:
    values, _ = faulty_machine(2)
    with_times = score(bundle, write_csv(tmp_path / "a.csv", values))
    without = score(bundle, write_csv(tmp_path / "b.csv", values, times=False))
    assert without.header == ["index", "score", "alert"]
    assert without.index == [str(number) for number in range(TEST_ROWS)]
    assert without.score.tolist() == with_times.score.tolist()


def test_rows_before_the_first_window_repeat_the_first_score(bundle: Path, faulty_csv: Path) -> None:
    found = score(bundle, faulty_csv).score
    assert len(set(found[:WINDOW].tolist())) == 1
    assert found[WINDOW] != found[WINDOW - 1]


@pytest.mark.parametrize("rows", [WINDOW, 210, 455])
def test_a_truncated_file_gives_the_same_first_scores_and_alerts(
    rows: int, bundle: Path, faulty_csv: Path, tmp_path: Path
) -> None:
    path = tmp_path / "part.csv"
    path.write_text("".join(faulty_csv.read_text().splitlines(keepends=True)[: rows + 1]))
    part, whole = score(bundle, path), score(bundle, faulty_csv)
    assert part.score.tolist() == whole.score[:rows].tolist()
    assert part.alert == whole.alert[:rows]


def test_window_scores_are_one_row_for_each_window(bundle: Path, faulty_csv: Path) -> None:
    windows, rows = score(bundle, faulty_csv, "--window-scores"), score(bundle, faulty_csv)
    assert windows.header == rows.header
    assert windows.index == rows.index[WINDOW - 1 :]
    assert windows.score.tolist() == rows.score[WINDOW - 1 :].tolist()
    assert windows.alert == rows.alert[WINDOW - 1 :]


def test_an_alert_is_active_in_the_faults_and_seldom_else(bundle: Path, faulty_csv: Path) -> None:
    alert = np.array(score(bundle, faulty_csv).alert) == "1"
    for first, last, _, _ in FAULTS:
        assert alert[first : last + 1].mean() > 0.5
    label = faulty_machine(2)[1]
    after = np.convolve(label, np.ones(100), "full")[: len(label)] > 0
    assert alert[~after].mean() < 0.05


def test_packed_csv_and_parquet_give_the_scores_of_the_csv(bundle: Path, faulty_csv: Path, tmp_path: Path) -> None:
    expected = score(bundle, faulty_csv)
    packed, columns, dated = tmp_path / "x.csv.gz", tmp_path / "x.parquet", tmp_path / "dated.parquet"
    packed.write_bytes(gzip.compress(faulty_csv.read_bytes()))
    frame = pl.read_csv(faulty_csv)
    frame.write_parquet(columns)
    frame.with_columns(pl.col("time").str.to_datetime(time_zone="UTC")).write_parquet(dated)
    for path in (packed, columns, dated):
        found = score(bundle, path)
        assert found.score.tolist() == expected.score.tolist()
        assert found.alert == expected.alert
        assert found.header == expected.header
        if path != dated:
            assert found.index == expected.index
    assert score(bundle, dated).index[1] == "2026-01-01T00:00:02.000Z"


@pytest.mark.parametrize("label", ["2", "", "yes", "NaN"])
def test_the_label_is_not_looked_at(label: str, bundle: Path, tmp_path: Path) -> None:
    values = machine(60, 3)
    plain = score(bundle, write_csv(tmp_path / "plain.csv", values))
    lines = (tmp_path / "plain.csv").read_text().splitlines()
    path = tmp_path / "labelled.csv"
    path.write_text("\n".join([lines[0] + ",label", *(f"{line},{label}" for line in lines[1:])]) + "\n")
    assert score(bundle, path).score.tolist() == plain.score.tolist()
    columns = tmp_path / "labelled.parquet"
    pl.read_csv(path).write_parquet(columns)
    assert score(bundle, columns).score.tolist() == plain.score.tolist()


def test_the_order_of_the_columns_and_other_columns_do_not_matter(bundle: Path, tmp_path: Path) -> None:
    values = machine(80, 3)
    plain = score(bundle, write_csv(tmp_path / "plain.csv", values))
    frame = pl.read_csv(tmp_path / "plain.csv").select("valve", "heat", "time", "power", "speed", "flow", "level")
    frame.with_columns(comment=pl.lit("hello, world")).write_csv(tmp_path / "other.csv")
    assert score(bundle, tmp_path / "other.csv").score.tolist() == plain.score.tolist()


def test_a_row_that_cannot_be_scored_is_told_and_repeats_the_score_before(bundle: Path, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "late.csv", machine(60, 3))
    lines = path.read_text().splitlines()
    lines[41] = "2025-01-01T00:00:00Z," + lines[41].split(",", 1)[1]
    path.write_text("\n".join(lines) + "\n")
    outcome = vedette("score", bundle, path)
    assert outcome.code == 0
    assert "warning: 1 rows could not be scored" in outcome.stderr
    found = read(outcome.stdout)
    assert len(found.score) == 60
    assert found.score[40] == found.score[39]


@pytest.mark.parametrize("options", [[], ["--window-scores"]])
def test_missing_values_give_scores_that_are_numbers(options: list[str], bundle: Path, tmp_path: Path) -> None:
    values = machine(300, 3)
    values[30:40, 0] = np.nan
    values[100:200, 1] = np.inf
    values[250, :] = np.nan
    assert np.isfinite(score(bundle, write_csv(tmp_path / "gaps.csv", values), *options).score).all()


def test_an_output_that_exists_is_not_touched(bundle: Path, faulty_csv: Path, tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    path.write_text("precious")
    outcome = vedette("score", bundle, faulty_csv, "-o", path)
    assert outcome.code == OutputError.exit_code
    assert path.read_text() == "precious"


def check_contract(metrics: dict[str, Any]) -> None:
    """The keys that scripts rely on, for the bundle and for every baseline."""
    for found in (metrics, *metrics["baselines"].values()):
        assert set(found) >= CONTRACTED
        assert len(RATES & set(found)) == 1
        assert all(
            found[key] is None or isinstance(found[key], int | float) for key in (CONTRACTED | RATES) & set(found)
        )


def test_evaluate_has_every_contracted_key(bundle: Path, faulty_csv: Path, tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    outcome = vedette("evaluate", bundle, faulty_csv, "--json", path)
    assert outcome.code == 0, outcome.stderr
    assert "AUC-ROC" in outcome.stdout
    metrics = strict(path.read_text())
    check_contract(metrics)
    assert metrics == evaluate(bundle, faulty_csv)
    assert set(metrics["baselines"]) == set(BASELINES)
    assert metrics["auc_roc"] > metrics["baselines"]["random"]["auc_roc"]
    assert (metrics["events_found"], metrics["events_total"]) == (len(FAULTS), len(FAULTS))
    assert metrics["auc_roc"] > 0.9
    assert 0 < metrics["detection_delay_s"] < 40
    assert "false_alarms_per_day" in metrics


def test_evaluate_scores_what_score_writes(bundle: Path, faulty_csv: Path) -> None:
    from sklearn.metrics import average_precision_score, roc_auc_score

    found, metrics, label = score(bundle, faulty_csv), evaluate(bundle, faulty_csv), faulty_machine(2)[1]
    assert metrics["auc_roc"] == pytest.approx(roc_auc_score(label, found.score), abs=1e-6)
    assert metrics["auc_pr"] == pytest.approx(average_precision_score(label, found.score), abs=1e-6)
    above = found.score > bundles.read(bundle).manifest.threshold
    expected = 2 * (above & (label == 1)).sum() / (above.sum() + label.sum())
    assert metrics["f1_at_threshold"] == pytest.approx(expected)


@pytest.mark.parametrize("label", [0, 1])
def test_evaluate_writes_json_where_only_one_class_is_there(label: int, bundle: Path, tmp_path: Path) -> None:
    data = write_csv(tmp_path / "x.csv", machine(200, 3), label=np.full(200, label, np.int8))
    metrics = evaluate(bundle, data)
    check_contract(metrics)
    assert [metrics[key] for key in ("auc_roc", "auc_pr", "vus_pr")] == [None] * 3
    assert metrics["events_total"] == label
    assert vedette("evaluate", bundle, data).code == 0


def test_evaluate_of_one_window_and_of_rows_that_never_change(bundle: Path, tmp_path: Path) -> None:
    one = write_csv(tmp_path / "one.csv", machine(WINDOW, 3), label=np.arange(WINDOW).astype(np.int8) % 2)
    check_contract(evaluate(bundle, one))
    same = write_csv(
        tmp_path / "same.csv", np.tile(machine(1, 3), (100, 1)), label=np.arange(100).astype(np.int8) // 60
    )
    check_contract(evaluate(bundle, same))
    check_contract(evaluate(bundle, one, "--normal", same))


def test_evaluate_with_missing_values(bundle: Path, tmp_path: Path) -> None:
    values, label = faulty_machine(2)
    values[::50, 0] = np.nan
    values[300:400, 2] = np.nan
    check_contract(evaluate(bundle, write_csv(tmp_path / "gaps.csv", values, label=label)))


def test_baselines_may_be_fitted_to_normal_data(bundle: Path, faulty_csv: Path, normal_csv: Path) -> None:
    without, with_normal = evaluate(bundle, faulty_csv), evaluate(bundle, faulty_csv, "--normal", normal_csv)
    assert without["baselines"]["pca"]["fitted_on"] == "the evaluated rows, without labels"
    assert with_normal["baselines"]["pca"]["fitted_on"] == str(normal_csv)
    assert without["auc_roc"] == with_normal["auc_roc"]


def test_without_a_time_base_rates_are_by_samples(untimed_bundle: Path, tmp_path: Path) -> None:
    values, label = faulty_machine(2)
    data = write_csv(tmp_path / "x.csv", values, label=label, times=False)
    metrics = evaluate(untimed_bundle, data)
    check_contract(metrics)
    assert "false_alarms_per_10k_samples" in metrics
    assert metrics["detection_delay_s"] is None
    assert metrics["detection_delay_samples"] is not None
    assert vedette("evaluate", untimed_bundle, data).code == 0
    assert score(untimed_bundle, data).header == ["index", "score", "alert"]


def test_evaluate_needs_a_label(bundle: Path, normal_csv: Path) -> None:
    outcome = vedette("evaluate", bundle, normal_csv)
    assert outcome.code == DataError.exit_code
    assert 'expected a column "label" with 0 and 1, found none; to take the labels' in outcome.stderr


def test_inspect_has_every_contracted_key(bundle: Path) -> None:
    found = strict(vedette("inspect", bundle, "--json").stdout)
    assert found["name"] == "vae"
    assert found["board"] == "x86-64"
    assert found["channels"] == list(CHANNELS)
    assert (found["window"], found["stride"]) == (WINDOW, 1)
    assert found["threshold"] > 0
    assert found["model_bytes"] == len(bundles.read(bundle).model_bytes)


@pytest.mark.parametrize(("series", "kind"), [("nab/ec2_disk_write_bytes_1ef3de", "vae"), ("ceiling_fan/low", "ae")])
def test_the_loop_holds_on_real_series(series: str, kind: str, tmp_path: Path) -> None:
    """The first has a timestamp twice, the second no time base and 60,000 rows."""
    folder = SHARED / series
    if not folder.is_dir():
        pytest.skip(f"the real series {series} are not in {SHARED}")
    config = tmp_path / "vedette.toml"
    config.write_text(f'[model]\nkind = "{kind}"\n')
    trained = vedette("train", folder / "train.csv.gz", "-c", config, "-o", tmp_path / "model")
    assert trained.code == 0, trained.stderr
    exported = vedette("export", tmp_path / "model", "--board", "x86-64", "-o", tmp_path / "x.vdt", "--accept")
    assert exported.code == 0, exported.stderr
    found = score(tmp_path / "x.vdt", folder / "test.csv.gz")
    assert np.isfinite(found.score).all()
    assert np.isfinite(bundles.read(tmp_path / "x.vdt").manifest.threshold)
    metrics = evaluate(tmp_path / "x.vdt", folder / "test.csv.gz")
    check_contract(metrics)
    assert metrics["rows"] == len(found.score)
