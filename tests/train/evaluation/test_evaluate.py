"""``vedette evaluate``: what it measures, and what it says where there is nothing to measure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from command import Refused, vedette
from tiny import CHANNELS, SIGNAL

from vedette.errors import DataError
from vedette.train.data.table import read_signal
from vedette.train.evaluation.baseline_kinds import BASELINES
from vedette.train.evaluation.evaluate import DAY_S, measure, row_seconds

ROWS = 300
# Rows of the labelled fault.
FAULT = slice(200, 220)


def values() -> npt.NDArray[np.float64]:
    """Samples that the tiny bundle takes for normal, and a fault in y."""
    found = np.random.default_rng(5).normal(0, 1, (ROWS, len(CHANNELS)))
    found[FAULT, 1] += 12.0
    return found


def write(path: Path, label: npt.NDArray[np.int8] | None, *, times: npt.NDArray[np.float64] | None = None) -> Path:
    columns = {"time": np.arange(ROWS, dtype=float) if times is None else times}
    columns |= dict(zip(CHANNELS, values().T, strict=True)) | ({} if label is None else {"label": label})
    lines = [",".join(columns), *(",".join(f"{cell:g}" for cell in row) for row in zip(*columns.values(), strict=True))]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def label() -> npt.NDArray[np.int8]:
    found = np.zeros(ROWS, np.int8)
    found[FAULT] = 1
    return found


def evaluate(bundle: Path, data: Path, *options: str | Path) -> dict[str, Any]:
    outcome = vedette("evaluate", bundle, data, "--json", "-", *options)
    assert outcome.code == 0, outcome.stderr
    found = json.loads(outcome.stdout)
    assert isinstance(found, dict)
    return found


def test_the_fault_is_found_and_its_channel_named(
    tiny_bundle: Path, label: npt.NDArray[np.int8], tmp_path: Path
) -> None:
    found = evaluate(tiny_bundle, write(tmp_path / "x.csv", label))
    assert (found["events_found"], found["events_total"], found["event_recall"]) == (1, 1, 1.0)
    assert (found["alarms"], found["false_alarms"], found["event_precision"]) == (1, 0, 1.0)
    assert (found["detection_delay_s"], found["detection_delay_median_s"]) == (1.0, 1.0)  # two windows for an alert
    assert found["false_alarms_per_day"] == 0.0
    assert max(found["channel_shares"], key=found["channel_shares"].get) == "y"
    assert sum(found["channel_shares"].values()) == pytest.approx(1.0, abs=1e-5)
    assert list(found["baselines"]) == list(BASELINES)
    assert found["baselines"]["random"]["auc_roc"] == pytest.approx(0.5, abs=0.2)


@pytest.mark.parametrize("name", ["labels.csv", "labels.csv.gz"])
def test_labels_may_come_from_another_file_and_then_the_datas_own_are_not_read(
    name: str, tiny_bundle: Path, label: npt.NDArray[np.int8], tmp_path: Path
) -> None:
    import gzip

    expected = evaluate(tiny_bundle, write(tmp_path / "x.csv", label))
    text = ("label\n" + "\n".join(map(str, label)) + "\n").encode()
    (tmp_path / name).write_bytes(gzip.compress(text) if name.endswith("gz") else text)
    other = write(tmp_path / "other.csv", np.full(ROWS, 7, np.int8))
    assert evaluate(tiny_bundle, other, "--labels", tmp_path / name) == expected


@pytest.mark.parametrize("labels", [ROWS - 1, ROWS + 1, 1])
def test_a_label_file_of_another_length_is_refused(
    labels: int, refused: Refused, tiny_bundle: Path, tmp_path: Path
) -> None:
    data = write(tmp_path / "x.csv", None)
    (tmp_path / "labels.csv").write_text("label\n" + "0\n" * labels)
    refused(
        DataError,
        ["labels.csv", f"expected {ROWS} labels", "x.csv", f"found {labels}"],
        *("evaluate", tiny_bundle, data, "--labels", tmp_path / "labels.csv"),
    )


def test_data_without_labels_is_refused_and_says_how_to_give_them(
    refused: Refused, tiny_bundle: Path, tmp_path: Path
) -> None:
    refused(DataError, ['"label"', "--labels", "vedette score"], "evaluate", tiny_bundle, write(tmp_path / "x", None))


NEEDS_EVENTS = (
    "auc_roc",
    "auc_pr",
    "vus_pr",
    "f1_at_threshold",
    "event_recall",
    "event_precision",
    "detection_delay_s",
)
NEEDS_NORMAL_ROWS = ("auc_roc", "auc_pr", "vus_pr", "false_alarms_per_day", "normal_time_in_alarm")


@pytest.mark.slow
def test_where_nothing_is_labelled_false_alarms_are_counted_and_the_rest_is_null(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    data = write(tmp_path / "x.csv", np.zeros(ROWS, np.int8))
    found = evaluate(tiny_bundle, data)
    assert found["false_alarms"] == 1
    assert found["false_alarms_per_day"] == pytest.approx(DAY_S / ROWS)
    for row in (found, *found["baselines"].values()):
        assert [row[key] for key in NEEDS_EVENTS] == [None] * len(NEEDS_EVENTS)
        assert row["false_alarms"] == row["alarms"]
    shown = vedette("evaluate", tiny_bundle, data, "--plot", tmp_path / "x.png")
    assert shown.code == 0, shown.stderr
    assert "no row is anomalous" in shown.stdout


@pytest.mark.slow
def test_where_everything_is_labelled_nothing_can_be_false(tiny_bundle: Path, tmp_path: Path) -> None:
    data = write(tmp_path / "x.csv", np.ones(ROWS, np.int8))
    found = evaluate(tiny_bundle, data)
    assert (found["events_found"], found["events_total"], found["false_alarms"]) == (1, 1, 0)
    for row in (found, *found["baselines"].values()):
        assert [row[key] for key in NEEDS_NORMAL_ROWS] == [None] * len(NEEDS_NORMAL_ROWS)
    shown = vedette("evaluate", tiny_bundle, data, "--plot", tmp_path / "x.svg")
    assert shown.code == 0, shown.stderr
    assert "every row is anomalous" in shown.stdout


@pytest.mark.slow
@pytest.mark.parametrize(("name", "begins"), [("x.png", b"\x89PNG"), ("x.SVG", b"<?xml")])
def test_the_picture_is_written_beside_the_table(
    name: str, begins: bytes, tiny_bundle: Path, label: npt.NDArray[np.int8], tmp_path: Path
) -> None:
    outcome = vedette("evaluate", tiny_bundle, write(tmp_path / "x.csv", label), "--plot", tmp_path / name)
    assert outcome.code == 0, outcome.stderr
    assert "nearest neighbour" in outcome.stdout
    assert (tmp_path / name).read_bytes().startswith(begins)


def test_a_picture_of_another_kind_is_refused_before_the_work(tiny_bundle: Path, tmp_path: Path) -> None:
    outcome = vedette("evaluate", tiny_bundle, tmp_path / "none.csv", "--plot", tmp_path / "x.jpg")
    assert outcome.code == 2
    assert "ends in .png or .svg" in outcome.stderr


def test_an_alarm_that_flickers_is_one_for_a_baseline_and_alerts_are_counted_as_raised() -> None:
    label, score = np.zeros(100, np.int8), np.zeros(100)
    label[90:] = 1
    score[[10, 14, 18, 95]] = 2.0
    above = score > 1
    baseline = measure(label, score, above, buffer=5, seconds=None)
    assert (baseline["alarms"], baseline["false_alarms"]) == (2, 1)
    assert baseline["false_alarms_per_10k_samples"] == pytest.approx(10_000 / 90)
    assert (baseline["detection_delay_samples"], baseline["detection_delay_s"]) == (5.0, None)
    deployed = measure(label, score, above, buffer=5, seconds=None, alert=above)
    assert (deployed["alarms"], deployed["false_alarms"]) == (4, 3)


def test_rates_and_delays_are_in_the_datas_own_time(
    tiny_bundle: Path, label: npt.NDArray[np.int8], tmp_path: Path
) -> None:
    """A gap is no time that was watched, and a row may last longer than the one before."""
    times = np.arange(ROWS, dtype=float)
    times[100:] += 5000.0
    times[FAULT.start + 1 :] += 1.5
    found = evaluate(tiny_bundle, write(tmp_path / "x.csv", label, times=times))
    assert found["detection_delay_samples"] == 1.0
    assert found["detection_delay_s"] == 2.5
    table = read_signal(tmp_path / "x.csv", SIGNAL)
    seconds = row_seconds(table, SIGNAL)
    assert seconds is not None
    assert seconds.sum() == pytest.approx(ROWS + 1.5 + 2.0)  # a gap counts for three periods
