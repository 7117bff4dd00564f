"""The self-test in a process of its own: a damaged model can end its process without a word."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

from vedette.errors import SelfTestError

TIMEOUT_S = 120.0


def self_test_apart(path: Path, *, interpreter: str | None, name: str | None = None, fds: Collection[int] = ()) -> str:
    """Replay the golden windows of the bundle at ``path``, and return what the self-test says.

    The child inherits ``fds``; messages call the bundle ``name``, by default its path. Raises :class:`SelfTestError`.
    """
    name = name or str(path)
    command = [sys.executable, "-m", "vedette", "selftest", str(path)]
    command += ["--interpreter", interpreter] if interpreter else []
    try:
        child = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
            pass_fds=fds,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise SelfTestError(f"{name}: the self-test has not ended in {TIMEOUT_S:g} s") from None
    if child.returncode < 0:
        crash = signal.Signals(-child.returncode).name
        raise SelfTestError(f"{name}: it crashes the interpreter ({crash}); do not run it: export it again")
    if child.returncode:
        said = (child.stderr.strip().splitlines() or [f"exit code {child.returncode}"])[-1]
        raise SelfTestError(f"{name}: the self-test failed: {said.removeprefix('vedette: ').replace(str(path), name)}")
    return child.stdout.strip()
