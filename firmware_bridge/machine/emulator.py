"""Programs on an emulated Cortex-M: QEMU, files over semihosting, instructions counted by SysTick.

With ``-icount shift=6`` every instruction takes 64 ns of the emulated time, whatever it is, so that SysTick, which
counts the machine's clock, gives the number of instructions and never a time. See ``docs/firmware-testing.md``.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from vedette.errors import BoardError, nearest
from vedette.firmware_bridge.machine.compiler import LINES, board_toolchain
from vedette.firmware_bridge.machine.elf import read_elf
from vedette.firmware_bridge.machine.machines import compile_harness, prepare
from vedette.firmware_bridge.machine.program import Program
from vedette.firmware_bridge.machine.run import Run, collect
from vedette.firmware_bridge.machine.support_files import write_support
from vedette.firmware_bridge.machine.tools import find, run
from vedette.firmware_bridge.target import Emulator, Target

ICOUNT_SHIFT = 6
STACK_BYTES = 64 * 1024


@dataclass(frozen=True)
class Memory:
    """Where an emulated machine has memory for code and constants ("flash") and for the rest; all of it is RAM."""

    flash: int
    flash_bytes: int
    ram: int
    ram_bytes: int


# hw/arm/mps2.c and hw/arm/mps2-tz.c of QEMU 7.2. A core with TrustZone starts in the secure state and stays there, so
# that it needs the secure addresses (bit 28 set) of memory behind a protection controller.
_MPS2 = Memory(0x0000_0000, 4 << 20, 0x2000_0000, 4 << 20)
_MPS2_SECURE = Memory(0x1000_0000, 4 << 20, 0x3800_0000, 4 << 20)
MEMORIES = {
    "mps2-an385": _MPS2,
    "mps2-an386": _MPS2,
    "mps2-an500": _MPS2,
    "mps2-an505": _MPS2_SECURE,
    "mps2-an521": _MPS2_SECURE,
    "mps3-an547": Memory(0x0000_0000, 512 << 10, 0x2100_0000, 4 << 20),
}


@dataclass(frozen=True)
class EmulatedBoard:
    """The core of a microcontroller board, as its ``emulator`` runs it."""

    board: Target

    @property
    def name(self) -> str:
        """What tables call it."""
        return self.board.name

    def build(self, program: Program, folder: Path) -> Path:
        """Compile and link into an empty folder; returns the program file."""
        _, memory, _ = _emulation(self.board)
        toolchain = board_toolchain(self.board)
        objects = compile_harness(toolchain, program, ("port_cortexm.c", "startup.c"), folder)
        write_support(folder, "sections.ld")
        (folder / "memory.ld").write_text(
            f"PORT_STACK_BYTES = {STACK_BYTES};\n"
            "MEMORY\n{\n"
            f"    flash (rx) : ORIGIN = {memory.flash:#x}, LENGTH = {memory.flash_bytes:#x}\n"
            f"    ram (rw) : ORIGIN = {memory.ram:#x}, LENGTH = {memory.ram_bytes:#x}\n"
            "}\n",
            encoding="utf-8",
        )
        arguments = ["-nostartfiles", f"-L{folder}", "-Tsections.ld", "-lc", "-lgcc"]
        return toolchain.link(objects, arguments, folder / f"{program.name}.elf")

    def run(self, executable: Path, inputs: bytes, timeout_s: float) -> Run:
        """Run it on those bytes."""
        emulator, _, clock_mhz = _emulation(self.board)
        prepare(executable.parent, inputs)
        command: list[str | Path] = [
            *[find(emulator.program), "-M", str(emulator.machine), "-kernel", str(executable)],
            *["-semihosting-config", "enable=on,target=native", "-icount", f"shift={ICOUNT_SHIFT},sleep=off"],
            *["-display", "none", "-monitor", "none", "-serial", "none", "-no-reboot"],
        ]
        failure = None
        try:
            result = run(command, executable.parent, timeout_s)
        except subprocess.TimeoutExpired:
            failure = f"not finished after {timeout_s:g} s"
        else:
            if result.returncode != 0:
                failure = _explained(result.stderr, result.returncode, executable)
        ticks = 2**ICOUNT_SHIFT * clock_mhz / 1000
        return collect(executable.parent, failure, ticks)


def _emulation(board: Target) -> tuple[Emulator, Memory, float]:
    emulator = board.emulator
    if emulator is None or emulator.machine is None or emulator.clock_mhz is None:
        raise BoardError(
            f"{board.name}: no emulator of it is known, so its C can be compiled and measured but not run here"
        )
    memory = MEMORIES.get(emulator.machine)
    if memory is None:
        raise BoardError(
            f'{board.name}: expected an emulated machine with a known memory map, found "{emulator.machine}"; '
            f"{nearest(emulator.machine, MEMORIES)}"
        )
    return emulator, memory, float(emulator.clock_mhz.value)


def _explained(said: str, code: int, executable: Path) -> str:
    """What the program or the emulator said, with the function at which a fault happened."""
    fault = re.search(r"fault at (0x[0-9a-f]{8})", said)
    if fault:
        return f"fault at {read_elf(executable).at(int(fault[1], 16))}"
    if "Lockup" in said:
        return "the core locked up: a fault while handling a fault"
    return "\n".join(said.strip().splitlines()[:LINES]) or f"ended with exit code {code}"
