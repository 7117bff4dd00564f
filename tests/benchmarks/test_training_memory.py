"""Training on data of any size: the memory it takes for itself stays where it is."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from vedette.benchmarks.training_memory import generate, measure, watched
from vedette.errors import VedetteError
from vedette.train.data.table import read_table

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")


@pytest.mark.slow
def test_six_times_the_data_take_no_more_memory(tmp_path: Path) -> None:
    """The large table alone would be 190 MB as float64."""
    small, large = measure(tmp_path, 40), measure(tmp_path, 240)
    assert large.rows > 5 * small.rows
    assert large.reading.anonymous < small.reading.anonymous + 80
    assert large.training.anonymous < small.training.anonymous + 80
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model-240", "model-40", "vedette.toml"]


def test_generated_data_is_read_whole(tmp_path: Path) -> None:
    generate(tmp_path / "data.csv", 1)
    table = read_table(tmp_path / "data.csv")
    assert len(table) == 100_000
    assert len(table.channels) == 8
    assert table.notes == ()


def test_a_command_that_fails_says_why() -> None:
    with pytest.raises(VedetteError, match="ended with code 3"):
        watched([sys.executable, "-c", "import sys; sys.exit(3)"])


def test_memory_is_seen_from_outside() -> None:
    code = "import time; block = bytearray(80 * 2**20); block[::4096] = b'x' * len(block[::4096]); time.sleep(0.3)"
    output, seconds, peaks = watched([sys.executable, "-c", code])
    assert output == ""
    assert seconds > 0.3
    assert 80 < peaks.anonymous < 200
    assert peaks.resident >= peaks.anonymous
