"""What firmware has to know of a board. The entries of ``boards.yaml`` have it; the command line hands them in, since
nothing here reads YAML."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from vedette.errors import BoardError


class Compiler(Protocol):
    """A C compiler and the flags that select a core."""

    @property
    def command(self) -> str: ...
    @property
    def flags(self) -> Sequence[str]: ...


class Interpreter(Protocol):
    """What runs models on a board."""

    @property
    def family(self) -> str: ...


class Clock(Protocol):
    """A frequency in MHz."""

    @property
    def value(self) -> float: ...


class Emulator(Protocol):
    """A program that runs a board's code."""

    @property
    def program(self) -> str: ...
    @property
    def machine(self) -> str | None: ...
    @property
    def cpu(self) -> str: ...
    @property
    def clock_mhz(self) -> Clock | None: ...


class Origin(Protocol):
    """Where a number comes from."""

    @property
    def title(self) -> str: ...


class Figure(Protocol):
    """A number with its source."""

    @property
    def value(self) -> float: ...
    @property
    def source(self) -> Origin: ...


class Benchmark(Protocol):
    """A published run of one model on a board."""

    @property
    def title(self) -> str: ...
    @property
    def multiply_accumulates(self) -> Figure: ...
    @property
    def latency_ms(self) -> Figure: ...


class Target(Protocol):
    """A board; ``flash_bytes`` and ``ram_bytes`` are None where not known."""

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def is_mcu(self) -> bool: ...
    @property
    def flash_bytes(self) -> int | None: ...
    @property
    def ram_bytes(self) -> int | None: ...
    @property
    def compiler(self) -> Compiler | None: ...
    @property
    def emulator(self) -> Emulator | None: ...
    @property
    def interpreter(self) -> Interpreter: ...
    @property
    def benchmark(self) -> Benchmark | None: ...


class Boards(Protocol):
    """The boards that there are."""

    def get(self, name: str) -> Target:
        """The board of a name; raises :class:`BoardError` for one that is not known."""

    def all(self) -> Iterable[Target]:
        """All of them."""


def require_mcu(board: Target) -> Target:
    """The board, if it runs firmware. Raises :class:`BoardError`."""
    if not board.is_mcu:
        raise BoardError(
            f'board "{board.name}" ({board.title}) runs bundles with an interpreter, not firmware: use vedette run '
            "there, or name a microcontroller (vedette boards)"
        )
    return board
