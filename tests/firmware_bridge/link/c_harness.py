"""The C half of the link as a program on this machine, with sanitizers."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from required import missing

from vedette import benchmarks
from vedette.firmware_bridge.link import c_side

STRICT = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-Wconversion", "-Wshadow", "-pedantic")
SANITIZED = ("-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
HARNESS = Path(benchmarks.__file__).with_name("link_harness.c")


def gcc() -> str:
    """The host's compiler."""
    return shutil.which("gcc") or missing("gcc is not installed", "apt install gcc")


def run(program: Path, mode: str, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run the harness; a sanitizer's finding fails."""
    return subprocess.run([program, mode], input=data, capture_output=True, check=True, timeout=60)


@pytest.fixture(scope="session")
def c_harness(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled harness."""
    program = tmp_path_factory.mktemp("link") / "harness"
    files = [HARNESS, c_side.SOURCE]
    subprocess.run([gcc(), *STRICT, *SANITIZED, "-I", c_side.HEADER.parent, *files, "-o", program], check=True)
    return program
