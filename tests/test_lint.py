"""Style, formatting and types, as `make lint` checks them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def check(*command: str, **environment: str) -> None:
    tool = Path(sys.executable).with_name(command[0])
    result = subprocess.run(
        [tool, *command[1:]], cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_code_follows_the_style_rules() -> None:
    check("ruff", "check", ".")


def test_the_code_is_formatted() -> None:
    check("ruff", "format", "--check", ".")


@pytest.mark.slow
def test_the_types_hold() -> None:
    link = ROOT / ".cache" / "typing" / "vedette"
    if not link.exists():
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(Path("..") / "..", target_is_directory=True)
    check("mypy", "-p", "vedette", MYPYPATH=".cache/typing")
