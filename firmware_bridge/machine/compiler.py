"""Compiling and linking C as a careful user would: C99, every warning an error, no optimisation that changes bits."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vedette.errors import BoardError, DependencyError, ModelError
from vedette.firmware_bridge.machine.tools import PACKAGES, find, run
from vedette.firmware_bridge.target import Target

# -ffp-contract=off: a fused multiply-add rounds once where the gateway rounds twice.
FLAGS = (
    "-std=c99",
    "-O2",
    "-ffp-contract=off",
    "-ffunction-sections",
    "-fdata-sections",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-Wconversion",
    "-Wshadow",
    "-pedantic",
)
SANITIZERS = ("-O1", "-g", "-fno-omit-frame-pointer", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
# The compiler of the host, where it is not named by the environment variable CC.
HOST = "gcc"
# Seconds; the largest models are some hundred kB of constants.
PATIENCE_S = 120.0
# What a compiler says that was installed without its C library, or without its sanitizers.
NO_LIBRARY = re.compile(r"\b(std\w+|string)\.h: No such file|cannot find (-l(c|gcc|asan|ubsan)\b|libasan)")
# Lines of a compiler's complaint that are passed on.
LINES = 20


@dataclass(frozen=True)
class Toolchain:
    """A compiler with the flags that select a core; ``target`` names both in messages."""

    target: str
    command: str
    flags: tuple[str, ...] = ()

    def compile(self, source: Path, include: Sequence[Path], output: Path) -> Path:
        """One source into an object file. Raises :class:`ModelError` with what the compiler says."""
        includes = [f"-I{folder}" for folder in include]
        self._run(["-c", *FLAGS, *self.flags, *includes, source, "-o", output], output.parent, source.name)
        return output

    def link(self, objects: Sequence[Path], arguments: Sequence[str], output: Path) -> Path:
        """Objects into a program, without sections that nothing refers to.

        Raises :class:`BoardError` where it is larger than the memory, :class:`ModelError` for all else that the
        linker says.
        """
        command: list[str | Path] = [*self.flags, "-Wl,--gc-sections", *objects, *arguments, "-o", output]
        self._run(command, output.parent, output.name)
        return output

    def _run(self, arguments: Sequence[str | Path], folder: Path, what: str) -> None:
        try:
            result = run([find(self.command), *arguments], folder, PATIENCE_S)
        except subprocess.TimeoutExpired:
            raise ModelError(
                f"{self.command} took more than {PATIENCE_S:g} s to make {what} for {self.target}"
            ) from None
        if result.returncode == 0:
            return
        said = result.stderr.strip().splitlines()
        text = "\n".join([*said[:LINES], *([f"… and {len(said) - LINES} lines more"] if len(said) > LINES else [])])
        if NO_LIBRARY.search(text):
            packages = PACKAGES.get(self.command, "its C library")
            raise DependencyError(
                f"{self.command} misses its C library or a part of it; on Debian and Ubuntu: "
                f"apt-get install {packages}\n{text}"
            )
        if "will not fit in region" in text or "overflowed by" in text:
            raise BoardError(f"{what} is larger than the memory of {self.target}\n{text}")
        raise ModelError(f"{self.command} refused {what} for {self.target}\n{text}")


def board_toolchain(board: Target) -> Toolchain:
    """The compiler of a microcontroller. Raises :class:`BoardError` where the board has none."""
    if board.compiler is None:
        raise BoardError(f"{board.name}: expected a microcontroller, found a board without a C compiler")
    return Toolchain(board.name, board.compiler.command, tuple(board.compiler.flags))


def host_toolchain(*, sanitize: bool = False) -> Toolchain:
    """This machine's compiler, with checks of every memory access and undefined operation if so asked."""
    return Toolchain("this host", os.environ.get("CC") or HOST, SANITIZERS if sanitize else ())
