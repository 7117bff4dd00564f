"""What a program can be built for and run on, and what building and running on any of them has in common."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from vedette.firmware_bridge.machine.compiler import Toolchain
from vedette.firmware_bridge.machine.program import Program
from vedette.firmware_bridge.machine.run import INPUT, OUTPUT, REPORT, Run
from vedette.firmware_bridge.machine.support_files import write_support

HEADER = "program.h"


class Machine(Protocol):
    """A machine, real or emulated, that programs are built for and run on."""

    @property
    def name(self) -> str:
        """What tables call it."""

    def build(self, program: Program, folder: Path) -> Path:
        """Compile and link into an empty folder; returns the program file.

        Raises DependencyError where a tool is missing, ModelError where the C is refused, BoardError where it does
        not fit.
        """

    def run(self, executable: Path, inputs: bytes, timeout_s: float) -> Run:
        """Run it on those bytes. Raises DependencyError where the emulator is missing."""


def compile_harness(toolchain: Toolchain, program: Program, ports: tuple[str, ...], folder: Path) -> list[Path]:
    """The objects of a program, of its harness and of those ports, in that folder."""
    (folder / HEADER).write_text(program.header(), encoding="utf-8")
    write_support(folder, "port.h")
    harness = write_support(folder, program.harness, *ports)
    objects = []
    for number, source in enumerate([*program.sources, *harness]):
        output = folder / f"{number}_{source.stem}.o"
        objects.append(toolchain.compile(source.resolve(), [program.include_dir.resolve(), folder], output))
    return objects


def prepare(folder: Path, inputs: bytes) -> None:
    """Write the input beside the program, and remove what an earlier run left."""
    (folder / INPUT).write_bytes(inputs)
    for name in (OUTPUT, REPORT):
        (folder / name).unlink(missing_ok=True)
