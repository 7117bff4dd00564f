"""The same bundle under emulated aarch64 gives the same bits as here (``make environments`` builds that gateway).

qemu runs it as a Cortex-A72, the core of a Raspberry Pi 4: the emulator's own "max" has instructions that it computes
wrongly. That says that the arithmetic is the same, and nothing about speed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from required import missing
from test_bare_install import changed, packaged_files

ROOT = Path(__file__).parent.parent
HERE = Path(__file__).parent / "aarch64"
GATEWAY = ROOT / ".cache" / "aarch64"
CPU = "cortex-a72"
# Interpreter -> its environment, of the host in .venvs and of the emulated gateway.
INTERPRETERS = {"ai-edge-litert": "gateway", "tflite-runtime": "tflite-runtime"}
PATIENCE_S = 240.0
DEBIAN = shutil.which("apt-get") and shutil.which("dpkg")


@dataclass(frozen=True)
class Replayed:
    """The folders with the files of ``aarch64/replay.py``, of this machine and of the emulated one."""

    here: Path
    there: Path

    def names(self, suffix: str) -> list[str]:
        """The files of that kind, which both must have."""
        names = sorted(path.name for path in self.here.glob(f"*{suffix}"))
        assert names
        assert names == sorted(path.name for path in self.there.glob(f"*{suffix}"))
        return names


def run(command: list[str | Path], **variables: str) -> None:
    """Run a Python, with nothing of this one's environment; a warning is an error there too."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "LD_"))}
    result = subprocess.run(
        command, env={**clean, **variables}, capture_output=True, text=True, check=False, timeout=PATIENCE_S
    )
    assert result.returncode == 0, f"exit code {result.returncode}\n{result.stdout}{result.stderr}"


def require_gateways(environment: str) -> str:
    """The emulator, where it and both gateways are here and as new as the code."""
    if not DEBIAN:
        pytest.skip("the emulated gateway is made of Debian packages, and there is no apt-get and dpkg here")
    emulator = shutil.which("qemu-aarch64-static") or shutil.which("qemu-aarch64")
    if emulator is None:
        missing("qemu-aarch64 is not installed", "make system-packages")
    newest = max(changed(path) for path in packaged_files())
    for folder in (GATEWAY, ROOT / ".venvs" / environment):
        if changed(folder / ".wheel") < newest:
            missing(f"{folder.relative_to(ROOT)} is missing or older than the code", "make environments")
    if not (GATEWAY / environment).exists():
        pytest.skip(f"{environment} has no wheels for the Python of this Debian release")
    return emulator


@pytest.fixture(scope="module", params=INTERPRETERS)
def replayed(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> Replayed:
    """Every exported bundle, replayed on both."""
    environment = INTERPRETERS[request.param]
    emulator = require_gateways(environment)
    exported: dict[str, Path] = request.getfixturevalue("exported")  # trains, so only now
    data: Path = request.getfixturevalue("faulty_csv")
    here, there = tmp_path_factory.mktemp("here"), tmp_path_factory.mktemp("there")

    def replay(output: Path) -> list[str | Path]:
        return ["-W", "error", HERE / "replay.py", request.param, data, output, *exported.values()]

    run([ROOT / ".venvs" / environment / "bin" / "python", *replay(here)])
    system = GATEWAY / "root"
    run(
        [emulator, "-cpu", CPU, "-L", system, system / "usr/bin/python3", "-S", *replay(there)],
        PYTHONHOME=str(system / "usr"),
        PYTHONPATH=f"{GATEWAY / environment}:{GATEWAY / 'wheel'}",
    )
    return Replayed(here, there)


@pytest.mark.slow
def test_emulated_aarch64_gives_the_same_int8_outputs(replayed: Replayed) -> None:
    for name in replayed.names(".npz"):
        with np.load(replayed.here / name) as here, np.load(replayed.there / name) as there:
            for inputs in ("golden", "random"):
                assert here[inputs].dtype == there[inputs].dtype == np.int8
                np.testing.assert_array_equal(there[inputs], here[inputs], err_msg=f"{name}, {inputs} windows")


@pytest.mark.slow
def test_emulated_aarch64_gives_the_same_scores(replayed: Replayed) -> None:
    for name in replayed.names(".csv"):  # nine digits name a float32, so equal texts are equal bits
        here, there = ((folder / name).read_text().splitlines() for folder in (replayed.here, replayed.there))
        differing = sum(a != b for a, b in zip(here, there, strict=True))
        assert differing == 0, f"{name}: {differing} of {len(here) - 1} rows differ"


@pytest.mark.slow
@pytest.mark.skipif(not DEBIAN, reason="there is no apt-get and dpkg here")
def test_an_emulated_gateway_that_cannot_be_downloaded_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "apt.conf").write_text('Dir::Etc::sourcelist "/dev/null";\nDir::Etc::sourceparts "/dev/null";\n')
    folder = tmp_path / "cache" / "aarch64"
    folder.mkdir(parents=True)
    (folder / ".dependencies").touch()
    result = subprocess.run(
        [sys.executable, HERE / "build.py", folder],
        env={**os.environ, "APT_CONFIG": str(tmp_path / "apt.conf")},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert result.returncode == 1
    assert "downloading arm64 packages failed" in result.stderr
    assert "make environments" in result.stderr
    assert list(folder.parent.iterdir()) == []
