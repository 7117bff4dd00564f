"""What a board is: the entry of ``boards.yaml`` that models are exported for, each number with its source.

Memory is counted in MB of 1024 x 1024 bytes and kB of 1024 bytes. A figure that is None is not known reliably.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

# Keys of Board that only one kind of board has; the other's manifest does not carry them.
GATEWAY_KEYS = ("ram_mb", "accelerator", "device_tree")
MCU_KEYS = ("ram_kb", "flash_kb", "fpu", "compiler", "benchmark")


@dataclass(frozen=True)
class Source:
    """Where a number comes from: a document's title and, where it is public, its address."""

    title: str
    url: str | None


@dataclass(frozen=True)
class Figure:
    """A number with its source, and a note on what it holds for."""

    value: float
    source: Source
    note: str | None


@dataclass(frozen=True)
class Version:
    """A version, or a range of them, with its source, and a note on what it holds for."""

    value: str
    source: Source
    note: str | None


@dataclass(frozen=True)
class Interpreter:
    """What runs the model on the board, and the rounding family (D, H or S) of its int8 kernels.

    A microcontroller's ``firmware`` is C that is written for one bundle, so it has no version and no Python.
    """

    package: str
    family: str
    why: str
    min_version: Version | None
    python: Version | None


@dataclass(frozen=True)
class Accelerator:
    """A chip beside the CPU, and the rules that a model must keep to run on it.

    ``max_op_versions`` is the newest version of an operator that its compiler takes, ``memory_mb`` the room for
    parameters on the chip. ``invoke_us`` is what one window costs however small the model, and ``cpu_macs_per_us`` what
    the CPU beside it multiplies and adds meanwhile.
    """

    name: str
    title: str
    tops: Figure
    active_w: Figure
    memory_mb: Figure
    invoke_us: Figure
    cpu_macs_per_us: Figure
    compiler: str
    max_dimensions: Figure
    max_op_versions: dict[str, Figure]
    operators: list[str]
    operators_source: Source


@dataclass(frozen=True)
class Sensor:
    """A file of the board's own power or energy meter."""

    path: str
    source: Source
    note: str | None


@dataclass(frozen=True)
class Power:
    """Watts of the whole board, idle and at work, and its meter; None where not known or absent."""

    idle_w: Figure | None
    active_w: Figure | None
    sensor: Sensor | None


@dataclass(frozen=True)
class Model:
    """The form of model that the board runs best.

    ``alternatives`` are dtypes to use instead where they measure faster on the board itself. ``threads`` is None on a
    microcontroller, which has none.
    """

    dtype: str
    weights: str
    batch: str
    alternatives: list[str]
    threads: Figure | None


@dataclass(frozen=True)
class Compiler:
    """The C compiler of a microcontroller, and the flags that select its core."""

    command: str
    flags: list[str]


@dataclass(frozen=True)
class Emulator:
    """A program that runs the board's code on a desktop; never a measure of the board's speed.

    ``machine`` is None where it emulates a process, not a whole machine. ``clock_mhz`` is the emulated clock, which
    turns SysTick ticks into instructions, and None where ``counts`` is ``nothing``.
    """

    program: str
    machine: str | None
    cpu: str
    counts: str
    clock_mhz: Figure | None
    note: str | None


@dataclass(frozen=True)
class Benchmark:
    """A published run of one model on the board: milliseconds and microjoules of one inference."""

    title: str
    multiply_accumulates: Figure
    latency_ms: Figure
    energy_uj: Figure | None


@dataclass(frozen=True)
class Board:
    """One entry of ``boards.yaml``. Figures are None where no reliable number was found.

    What only a gateway has is None on a microcontroller and the other way round; ``device_tree`` starts the text of
    ``/proc/device-tree/model`` on that very board, and is None where there is no such text.
    """

    name: str
    kind: str
    title: str
    arch: str
    cpu: str
    cores: Figure | None
    clock_mhz: Figure | None
    ram_mb: Figure | None
    ram_kb: Figure | None
    flash_kb: Figure | None
    device_tree: str | None
    accelerator: Accelerator | None
    fpu: str | None
    interpreter: Interpreter
    model: Model
    recipe: list[str]
    compiler: Compiler | None
    emulator: Emulator | None
    benchmark: Benchmark | None
    power: Power

    @property
    def is_mcu(self) -> bool:
        """Whether it is a microcontroller, which runs generated C instead of an interpreter."""
        return self.kind == "mcu"

    @property
    def threads(self) -> int:
        """Threads to give the interpreter."""
        return 1 if self.model.threads is None else int(self.model.threads.value)

    @property
    def per_channel(self) -> bool:
        """Whether each output channel of a layer has a scale of its own, or the layer has one."""
        return self.model.weights == "per-channel"

    @property
    def fixed_batch(self) -> bool:
        """Whether the model takes one window at a time, or any number."""
        return self.model.batch == "fixed"

    @property
    def ram_bytes(self) -> int | None:
        """Bytes of RAM, of the smallest variant of the board; None where not known."""
        return _bytes(self.ram_kb, 1024) if self.is_mcu else _bytes(self.ram_mb, 1024 * 1024)

    @property
    def flash_bytes(self) -> int | None:
        """Bytes of program memory of a microcontroller; None on a gateway, and where not known."""
        return _bytes(self.flash_kb, 1024)

    def resolved(self) -> dict[str, Any]:
        """The whole entry with its sources, as JSON types, for a bundle's manifest."""
        foreign = GATEWAY_KEYS if self.is_mcu else MCU_KEYS
        return {key: value for key, value in asdict(self).items() if key not in foreign}


def _bytes(figure: Figure | None, unit: int) -> int | None:
    return None if figure is None else int(figure.value * unit)
