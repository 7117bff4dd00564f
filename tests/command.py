"""The command line, run inside the test's own process: nothing heavy is imported twice."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import pytest

from vedette.cli import main
from vedette.errors import VedetteError


@dataclass(frozen=True)
class Outcome:
    """What a command left: its exit code and its output."""

    code: int
    stdout: str
    stderr: str


Refused = Callable[..., Outcome]


def vedette(*arguments: str | Path) -> Outcome:
    """Run a command as a shell would; an error that is not explained to the user comes out as itself."""
    stdout, stderr = io.StringIO(), io.StringIO()
    with (
        patch.object(sys, "argv", ["vedette", *map(str, arguments)]),
        contextlib.redirect_stdout(stdout),
        contextlib.redirect_stderr(stderr),
        pytest.raises(SystemExit) as stop,
    ):
        main()
    code = stop.value.code or 0
    assert isinstance(code, int)
    return Outcome(code, stdout.getvalue(), stderr.getvalue())


def files(folder: Path) -> dict[Path, bytes]:
    """Everything below a folder."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def refused(tmp_path: Path) -> Refused:
    """Runs a command that must fail: with that error's code, those words on stderr, and no file made or changed."""

    def run(error: type[VedetteError], says: list[str], *arguments: str | Path) -> Outcome:
        before = files(tmp_path)
        outcome = vedette(*arguments)
        assert outcome.code == error.exit_code, outcome
        assert outcome.stderr.startswith("vedette: ") or "\nvedette: " in outcome.stderr
        for words in says:
            assert words in outcome.stderr
        assert len(outcome.stderr) < 1500, "a message is for reading"
        assert outcome.stdout == ""
        assert files(tmp_path) == before
        return outcome

    return run
