"""The compilers and emulators that are used, and what to install where one is missing."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from vedette.errors import DependencyError

# Program -> the packages of Debian and Ubuntu that bring it, with the C library that it needs.
PACKAGES = {
    "arm-none-eabi-gcc": "gcc-arm-none-eabi libnewlib-arm-none-eabi",
    "gcc": "gcc libc6-dev",
    "aarch64-linux-gnu-gcc": "gcc-aarch64-linux-gnu libc6-dev-arm64-cross",
    "qemu-system-arm": "qemu-system-arm",
    "qemu-aarch64-static": "qemu-user-static",
    "riscv64-linux-gnu-gcc": "gcc-riscv64-linux-gnu libc6-dev-riscv64-cross",
    "qemu-riscv64-static": "qemu-user-static",
}
# Program -> what to install where it is no package.
ELSEWHERE = {"xtensa-esp32s3-elf-gcc": "the ESP-IDF tools of Espressif"}


def find(program: str) -> str:
    """The path of a program. Raises :class:`DependencyError` with what to install."""
    path = shutil.which(program)
    if path is None:
        raise DependencyError(f"{program} is needed and was not found on PATH; {remedy(program)}")
    return path


def remedy(program: str) -> str:
    """What to do to have that program."""
    if program in PACKAGES:
        return f"install it, on Debian and Ubuntu with: sudo apt-get install {PACKAGES[program]}"
    return f"install {ELSEWHERE.get(program, 'it')} and put it on PATH"


def run(command: Sequence[str | Path], folder: Path, timeout_s: float) -> subprocess.CompletedProcess[str]:
    """Run a program in a folder without input; what it says is text, with bytes that are none replaced.

    Raises :class:`subprocess.TimeoutExpired` when it takes longer; it is ended then.
    """
    return subprocess.run(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
        timeout=timeout_s,
    )
