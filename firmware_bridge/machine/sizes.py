"""Bytes of flash and RAM that generated C takes, by section and by symbol; nothing is run for it."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from vedette.firmware_bridge.machine.compiler import Toolchain, board_toolchain
from vedette.firmware_bridge.machine.elf import Section, read_elf
from vedette.firmware_bridge.machine.program import Program
from vedette.firmware_bridge.target import Target

# Sections that only unwinding needs; a firmware without exceptions drops them.
_UNWINDING = (".ARM.exidx", ".ARM.extab", ".eh_frame")
# Links without the linker scripts of a vendor.
BARE = "arm-none-eabi-gcc"
_CONTEXT = "vedette_context"


@dataclass(frozen=True)
class SymbolSize:
    """A function or table with its section and bytes."""

    name: str
    section: str
    size: int


@dataclass(frozen=True)
class Sizes:
    """Bytes by kind: code, constants, variables with a first value, and those that begin as 0.

    ``symbols`` are the functions and variables, largest first.
    """

    text: int
    rodata: int
    data: int
    bss: int
    symbols: tuple[SymbolSize, ...]

    @property
    def flash(self) -> int:
        """Bytes of flash; variables keep their first values there."""
        return self.text + self.rodata + self.data

    @property
    def ram(self) -> int:
        """Bytes of RAM, without contexts and stack."""
        return self.data + self.bss


@dataclass(frozen=True)
class Footprint:
    """What a program takes on a board.

    ``own`` is what was generated, all of it; ``used`` what of it remains in flash when a firmware calls the program's
    entries alone; ``libraries`` what those take of the compiler's and the C library besides (``memcpy``, arithmetic
    that the core has no instructions for). Both are None where it cannot be linked here. ``context`` is the memory of
    the caller.
    """

    own: Sizes
    used: int | None
    libraries: int | None
    context: int

    @property
    def flash(self) -> int:
        """Bytes of flash of a firmware that uses it, or of all that was generated where it cannot be linked here."""
        return self.own.flash if self.used is None or self.libraries is None else self.used + self.libraries

    @property
    def ram(self) -> int:
        """Bytes of RAM with one context, without the stack."""
        return self.own.ram + self.context


def sizes_of(*paths: Path) -> Sizes:
    """The sum over object files or programs. Raises :class:`DataError` where one is neither."""
    totals = {"text": 0, "rodata": 0, "data": 0, "bss": 0}
    symbols: list[SymbolSize] = []
    for path in paths:
        elf = read_elf(path)
        code = {symbol.section for symbol in elf.symbols if symbol.function}
        for section in elf.sections:
            if section.loaded and not section.name.startswith(_UNWINDING):
                totals[_kind(section, code)] += section.size
        symbols += [
            SymbolSize(symbol.name, symbol.section.name, symbol.size)
            for symbol in elf.symbols
            if symbol.section.loaded and symbol.size
        ]
    symbols.sort(key=lambda symbol: (-symbol.size, symbol.name))
    return Sizes(**totals, symbols=tuple(symbols))


def _kind(section: Section, code: set[Section]) -> str:
    if section.writable:
        return "data" if section.stored else "bss"
    return "text" if section in code or section.name.startswith(".text") else "rodata"


def footprint(program: Program, board: Target) -> Footprint:
    """Compile for that board and measure.

    Raises DependencyError where the compiler is missing, ModelError where it refuses the C, BoardError for a board
    that is no microcontroller.
    """
    toolchain = board_toolchain(board)
    with tempfile.TemporaryDirectory(prefix="vedette-") as temporary:
        folder = Path(temporary)
        include = [program.include_dir.resolve()]
        objects = [
            toolchain.compile(source.resolve(), include, folder / f"{number}_{source.stem}.o")
            for number, source in enumerate(program.sources)
        ]
        probe = folder / "context.c"
        probe.write_text(
            f'#include "{program.name}.h"\n'
            f"extern const char {_CONTEXT}[sizeof({program.context})];\n"
            f"const char {_CONTEXT}[sizeof({program.context})] = {{0}};\n",
            encoding="utf-8",
        )
        context = read_elf(toolchain.compile(probe, include, folder / "context.o")).symbol(_CONTEXT).size
        own = sizes_of(*objects)
        if toolchain.command != BARE:
            return Footprint(own, None, None, context)
        used = _linked(toolchain, program, objects, ["-Wl,--unresolved-symbols=ignore-all"], folder)
        everything = _linked(toolchain, program, objects, ["-lc", "-lgcc"], folder)
        return Footprint(own, used, everything - used, context)


def _linked(toolchain: Toolchain, program: Program, objects: list[Path], libraries: list[str], folder: Path) -> int:
    """Bytes of flash of a program of nothing but the entries and what they need."""
    arguments = ["-nostdlib", "-nostartfiles", "-Wl,-e,0"]
    arguments += [f"-Wl,--undefined={entry}" for entry in program.entries]
    return sizes_of(toolchain.link(objects, [*arguments, *libraries], folder / "linked.elf")).flash
