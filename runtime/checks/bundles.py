"""Bundles: whole, unchanged, and giving the promised outputs on this machine."""

from __future__ import annotations

import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from vedette.errors import VedetteError
from vedette.runtime import bundle as bundles
from vedette.runtime.checks.findings import Finding, fail, ok, warn

SELF_TEST_S = 120.0


def check_bundle(path: Path, *, interpreter: str | None) -> Iterator[Finding]:
    """Checksums, who could replace it, and the self-test in a process of its own: a bad model can crash it."""
    try:
        bundle = bundles.read(path)
    except VedetteError as error:
        yield fail("bundle", str(error), f"copy the bundle here again, then: vedette inspect {path}")
        return
    manifest = bundle.manifest
    yield ok("bundle", f"{path}: {manifest.name} {manifest.version}, checksums match (sha256 {bundle.sha256[:12]}…)")
    yield warn(
        "bundle",
        f"{path}: unsigned: the checksums show damage, not who made it",
        "let only the service's user and root write its folder",
    )
    for place in (path, path.parent):
        mode = place.stat().st_mode
        if mode & stat.S_IWOTH and not (place.is_dir() and mode & stat.S_ISVTX):
            yield fail("bundle", f"{place}: everybody can replace the model", f"chmod o-w {place}")
    yield _self_test(path, interpreter)


def _self_test(path: Path, interpreter: str | None) -> Finding:
    command = [sys.executable, "-m", "vedette", "selftest", str(path)]
    if interpreter is not None:
        command += ["--interpreter", interpreter]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SELF_TEST_S, check=False
        )
    except subprocess.TimeoutExpired:
        return fail("bundle", f"{path}: the self-test has not ended in {SELF_TEST_S:g} s", "another bundle")
    if done.returncode == 0:
        return ok("bundle", f"{path}: self-test {done.stdout.strip()}")
    if done.returncode < 0:
        return fail(
            "bundle",
            f"{path}: it crashes the interpreter (signal {-done.returncode})",
            "do not run it; export again",
        )
    last = (done.stderr.strip().splitlines() or ["no message"])[-1]
    return fail("bundle", f"{path}: self-test: {last.removeprefix('vedette: ')}", "export it again for this board")
