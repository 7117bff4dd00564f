"""The benchmark of the serial link, in short."""

from __future__ import annotations

import shutil

import pytest
from click.testing import CliRunner
from required import missing

from vedette.benchmarks.link import main


@pytest.mark.slow
def test_the_links_promises_are_kept_in_a_short_run() -> None:
    if shutil.which("gcc") is None:
        missing("gcc is not installed", "apt install gcc")
    result = CliRunner().invoke(main, ["--frames", "5000", "--frames-c", "2000", "--seconds", "1"])
    assert "bad accepted" in result.output
    assert " 0 frames lost" in result.output
    assert result.exit_code == 0, result.output
