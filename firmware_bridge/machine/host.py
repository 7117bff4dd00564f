"""Programs on this machine, plain and with sanitizers, and emulated processors of other kinds."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vedette.firmware_bridge.machine.compiler import LINES, Toolchain, host_toolchain
from vedette.firmware_bridge.machine.machines import compile_harness, prepare
from vedette.firmware_bridge.machine.program import Program
from vedette.firmware_bridge.machine.run import Run, collect
from vedette.firmware_bridge.machine.tools import find, run


@dataclass(frozen=True)
class Host:
    """This machine; ``sanitize`` has each memory access and each undefined operation checked, at some cost."""

    sanitize: bool = False

    @property
    def name(self) -> str:
        """What tables call it."""
        return f"{os.uname().machine}, sanitizers" if self.sanitize else os.uname().machine

    def build(self, program: Program, folder: Path) -> Path:
        """Compile and link into an empty folder; returns the program file."""
        return _build(host_toolchain(sanitize=self.sanitize), program, folder)

    def run(self, executable: Path, inputs: bytes, timeout_s: float) -> Run:
        """Run it on those bytes; nothing is counted."""
        return _run([executable], executable.parent, inputs, timeout_s)


@dataclass(frozen=True)
class EmulatedLinux:
    """Linux on a core of another kind, emulated, with programs that bring their C library with them."""

    name: str
    compiler: str
    emulator: str
    cpu: str

    def build(self, program: Program, folder: Path) -> Path:
        """Compile and link into an empty folder; returns the program file."""
        return _build(Toolchain(self.name, self.compiler, ("-static",)), program, folder)

    def run(self, executable: Path, inputs: bytes, timeout_s: float) -> Run:
        """Run it on those bytes; nothing is counted."""
        return _run([find(self.emulator), "-cpu", self.cpu, executable], executable.parent, inputs, timeout_s)


# The core of a Raspberry Pi 4. Not the emulator's default of all features, some of which it computes wrongly.
AARCH64 = EmulatedLinux("aarch64", "aarch64-linux-gnu-gcc", "qemu-aarch64-static", "cortex-a72")
RISCV64 = EmulatedLinux("riscv64", "riscv64-linux-gnu-gcc", "qemu-riscv64-static", "rv64")


def emulated_hosts() -> list[EmulatedLinux]:
    """The other processors that programs can be built for and run on with what is installed here."""
    return [host for host in (AARCH64, RISCV64) if shutil.which(host.compiler) and shutil.which(host.emulator)]


def _build(toolchain: Toolchain, program: Program, folder: Path) -> Path:
    objects = compile_harness(toolchain, program, ("port_host.c",), folder)
    return toolchain.link(objects, [], folder / program.name)


def _run(command: Sequence[str | Path], folder: Path, inputs: bytes, timeout_s: float) -> Run:
    prepare(folder, inputs)
    failure = None
    try:
        result = run(command, folder, timeout_s)
    except subprocess.TimeoutExpired:
        failure = f"not finished after {timeout_s:g} s"
    else:
        if result.returncode != 0:
            said = "\n".join(result.stderr.strip().splitlines()[:LINES])
            failure = said or f"ended with exit code {result.returncode}"
    return collect(folder, failure, None)
