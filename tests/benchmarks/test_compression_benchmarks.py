"""The compression benchmarks on a small series of their own; the real ones take an hour."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click import Command
from click.testing import CliRunner
from trained import CHANNELS, machine

from vedette.benchmarks import auto_compression, gate

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data with one labelled series, and beside it room for the trained directories."""
    folder = tmp_path_factory.mktemp("benchmarks")
    values, label = machine(3000, 1), np.zeros(1000, np.int8)
    values[2500:2540, 0] += 3.0
    label[500:540] = 1
    (folder / "set" / "a").mkdir(parents=True)
    for part, rows, extra in (("train", values[:2000], {}), ("test", values[2000:], {"label": label})):
        frame = pl.DataFrame({**dict(zip(CHANNELS, rows.T, strict=True)), **extra})
        frame.write_csv(folder / "set" / "a" / f"{part}.csv.gz", compression="gzip")
    (folder / "series.json").write_text(json.dumps({"group": [{"id": "set/a", "dataset": "set", "window": 16}]}))
    return folder


def run(command: Command, folder: Path, *arguments: str) -> tuple[str, dict[str, dict[str, object]]]:
    output = folder / "results.json"
    output.unlink(missing_ok=True)
    options = ["--data", str(folder), "--models", str(folder / "models"), "-o", str(output), *arguments]
    outcome = CliRunner().invoke(command, options, catch_exceptions=False)
    assert outcome.exit_code == 0
    return outcome.stdout, json.loads(output.read_text())


def test_the_gate_benchmark_shows_what_a_broken_range_and_the_float_threshold_do(folder: Path) -> None:
    text, results = run(gate.main, folder)
    found = results["0/set/a"]
    assert not found[gate.HONEST]["broken"]  # type: ignore[index]
    assert found["int8, range 1,000 times too small"]["broken"]  # type: ignore[index]
    assert set(found["normal_test_rows"]) == {"rows", "float", "int8", "int8_at_float_threshold"}  # type: ignore[call-overload]
    assert "| int8, as it should be | 0 of 1 |" in text
    assert "| set/a |" in text


def test_the_search_benchmark_scores_what_was_chosen_on_the_labels(folder: Path) -> None:
    text, results = run(auto_compression.main, folder, "--trials", "1")
    found = results["1/set/a"]
    assert found["chosen"]["recipe"] == "ptq"  # type: ignore[index]
    assert found["tenth"] is None
    assert "| chosen | 1 |" in text
    assert "| set/a | ptq |" in text
