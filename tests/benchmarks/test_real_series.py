"""The tables of the run on real series; the run itself is `make bench`."""

from __future__ import annotations

import numpy as np
import pytest
from click.testing import CliRunner

from vedette.benchmarks.real_series import COLUMNS, MAX_ROWS, main, measure, summarise, tables
from vedette.train.evaluation.baseline_kinds import BASELINES


def result(dataset: str, value: float, precision: float | None) -> dict[str, object]:
    metrics = dict.fromkeys(COLUMNS, value) | {"event_precision": precision}
    return {"dataset": dataset, "detectors": {"vedette": metrics, "random": dict.fromkeys(COLUMNS, 0.1)}}


def test_means_are_over_series_and_leave_out_what_is_not_defined() -> None:
    summary = summarise([result("a", 0.2, None), result("a", 0.4, 0.5), result("b", 0.9, None)])
    assert summary["vedette"]["a"]["vus_pr"] == pytest.approx(0.3)
    assert summary["vedette"]["all"]["vus_pr"] == pytest.approx(0.5)
    assert summary["vedette"]["all"]["event_precision"] == 0.5
    assert summary["vedette"]["b"]["event_precision"] is None
    text = tables(summary)
    assert "Means over 3 series" in text
    assert "| detector | a (2) | b (1) |" in text
    assert "| vedette | 0.300 | 0.900 |" in text
    assert "| random | 0.10 / 0.1 | 0.10 / 0.1 |" in text


def test_alarms_are_counted_over_all_rows_up_to_the_limit_of_the_peers() -> None:
    label, score = np.zeros(MAX_ROWS + 100, np.int8), np.zeros(MAX_ROWS + 100)
    label[500:510] = 1
    score[[100, 505, MAX_ROWS + 5]] = 1.0
    found = measure(label, score, score > 0.5, 16)
    assert (found["event_recall"], found["event_precision"]) == (1.0, 0.5)
    assert found["false_alarms_per_10k"] == pytest.approx(1e4 / MAX_ROWS)


@pytest.mark.parametrize(("option", "says"), [("pcs", 'did you mean "pca"'), ("", "valid: all, none")])
def test_a_baseline_that_does_not_exist_is_a_usage_error(option: str, says: str) -> None:
    outcome = CliRunner().invoke(main, ["--baselines", option])
    assert outcome.exit_code == 2
    assert says in outcome.output
    assert all(name in outcome.output for name in BASELINES)
