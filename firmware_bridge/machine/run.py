"""What one run of a program gave."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

INPUT, OUTPUT, REPORT = "input.bin", "output.bin", "report.bin"


@dataclass(frozen=True)
class Run:
    """The bytes that the program wrote, and per measured call its instructions and bytes of stack.

    Both are empty where the machine counts nothing. ``failure`` is why the program ended early, None where it did not.
    """

    outputs: bytes
    instructions: tuple[int, ...]
    stack: tuple[int, ...]
    failure: str | None

    @property
    def most_instructions(self) -> int | None:
        """Those of the longest measured call."""
        return max(self.instructions, default=None)

    @property
    def stack_bytes(self) -> int | None:
        """The most that a measured call needed, without what its caller has on the stack."""
        return max(self.stack, default=None)


def collect(folder: Path, failure: str | None, ticks_per_instruction: float | None) -> Run:
    """The run whose files are in that folder. The first entry of the report is what measuring itself costs."""
    report = _read(folder / REPORT)
    pairs = list(struct.iter_unpack("<2I", report[: len(report) // 8 * 8]))
    if ticks_per_instruction is None or not pairs:
        return Run(_read(folder / OUTPUT), (), (), failure)
    cost = pairs[0][0]
    instructions = tuple(round((ticks - cost) / ticks_per_instruction) for ticks, _ in pairs[1:])
    return Run(_read(folder / OUTPUT), instructions, tuple(stack for _, stack in pairs[1:]), failure)


def _read(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""
