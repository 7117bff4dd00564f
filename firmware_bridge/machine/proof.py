"""The proof: the same input on this host, with sanitizers, and on emulated cores, every byte compared."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vedette.errors import DataError, ModelError, SelfTestError
from vedette.firmware_bridge.machine.emulator import EmulatedBoard
from vedette.firmware_bridge.machine.host import Host, emulated_hosts
from vedette.firmware_bridge.machine.machines import Machine
from vedette.firmware_bridge.machine.program import Program
from vedette.firmware_bridge.machine.run import Run
from vedette.firmware_bridge.machine.sizes import Footprint, footprint
from vedette.firmware_bridge.target import Target

# Seconds for one machine; the largest models take some millions of instructions a window.
PATIENCE_S = 600.0


@dataclass(frozen=True)
class Outcome:
    """What one machine gave: ``differing`` bytes of ``total``, and the record (window or sample) of the first of them.

    ``footprint`` is None where there is no flash, or no program.
    """

    machine: str
    differing: int
    total: int
    first: int | None
    run: Run
    footprint: Footprint | None

    @property
    def failure(self) -> str | None:
        """Why the program ended early, or was not built; None where it ran to its end."""
        return self.run.failure

    @property
    def holds(self) -> bool:
        """Whether it ran to its end and every byte is as expected."""
        return self.failure is None and self.differing == 0

    def as_json(self) -> dict[str, Any]:
        """One row of a table; what does not exist for the machine is None."""
        sizes = self.footprint
        return {
            "machine": self.machine,
            "differing_bytes": self.differing,
            "bytes": self.total,
            "first_difference": self.first,
            "failure": self.failure,
            "instructions": self.run.most_instructions,
            "flash_bytes": None if sizes is None else sizes.flash,
            "ram_bytes": None if sizes is None else sizes.ram,
            "stack_bytes": self.run.stack_bytes,
        }


@dataclass(frozen=True)
class Proof:
    """The outcomes of all machines, in the order that they were asked for."""

    outcomes: tuple[Outcome, ...]

    @property
    def holds(self) -> bool:
        """Whether every machine gave every byte as expected."""
        return all(outcome.holds for outcome in self.outcomes)

    def require(self) -> Proof:
        """This proof. Raises :class:`SelfTestError` with the first machine of which it does not hold, and why."""
        for outcome in self.outcomes:
            if outcome.failure is not None:
                raise SelfTestError(f"{outcome.machine}: {outcome.failure}")
            if outcome.differing:
                raise SelfTestError(
                    f"{outcome.machine}: {outcome.differing:,} of {outcome.total:,} bytes differ from what "
                    f"was expected, first in record {outcome.first}"
                )
        return self


def machines_for(board: Target | None) -> list[Machine]:
    """This host, plain and with sanitizers, the other processors of :func:`emulated_hosts`, and the board's core."""
    machines: list[Machine] = [Host(), Host(sanitize=True), *emulated_hosts()]
    return machines if board is None else [*machines, EmulatedBoard(board)]


def prove(
    program: Program,
    inputs: NDArray[Any],
    expected: NDArray[Any],
    machines: Iterable[Machine],
    timeout_s: float = PATIENCE_S,
) -> Proof:
    """Run a program on those inputs on every machine and compare.

    ``inputs`` and ``expected`` have one record per entry of their first axis: windows ``(windows, size)`` of the
    network's element types, or samples (:func:`samples`) and their results (:func:`results`). C that a compiler refuses
    is a failure of that machine. Raises DependencyError where a tool is missing, and BoardError for a board that
    has no emulator or too little memory.
    """
    return Proof(tuple(outcomes(program, inputs, expected, machines, timeout_s)))


def outcomes(
    program: Program,
    inputs: NDArray[Any],
    expected: NDArray[Any],
    machines: Iterable[Machine],
    timeout_s: float = PATIENCE_S,
) -> Iterator[Outcome]:
    """As :func:`prove`, one outcome at a time, for who shows progress."""
    if len(inputs) != len(expected) or not len(inputs):
        raise DataError(f"expected as many results as inputs, and some, found {len(expected)} and {len(inputs)}")
    data = np.ascontiguousarray(inputs).tobytes()
    for machine in machines:
        size = None
        try:
            with tempfile.TemporaryDirectory(prefix="vedette-") as temporary:
                run = machine.run(machine.build(program, Path(temporary)), data, timeout_s)
            if isinstance(machine, EmulatedBoard):
                size = footprint(program, machine.board)
        except ModelError as refused:
            run = Run(b"", (), (), str(refused))
        differing, first = compare(run.outputs, expected)
        yield Outcome(machine.name, differing, expected.nbytes, first, run, size)


def compare(outputs: bytes, expected: NDArray[Any]) -> tuple[int, int | None]:
    """How many bytes differ, and the first record with one; bytes that are missing or too many differ.

    Two NaN at the same place are equal: which of the many NaN an operation gives is the processor's choice.
    """
    want = np.ascontiguousarray(expected)
    record = want[:1].nbytes
    padded = outputs[: want.nbytes].ljust(want.nbytes, b"\0")
    got = np.frombuffer(padded, np.uint8).reshape(len(want), record)
    wanted = np.frombuffer(want.tobytes(), np.uint8).reshape(len(want), record)
    wrong = got != wanted
    for offset, kind in _floats(np.dtype((want.dtype, want.shape[1:]))):
        place = slice(offset, offset + kind.itemsize)
        values = (np.ascontiguousarray(part[:, place]).view(kind)[:, 0] for part in (got, wanted))
        wrong[np.logical_and(*map(np.isnan, values)), place] = False
    absent = want.nbytes - min(len(outputs), want.nbytes)
    if absent:
        wrong.reshape(-1)[-absent:] = True
    rows = np.flatnonzero(wrong.any(axis=1))
    extra = max(0, len(outputs) - want.nbytes)
    first = int(rows[0]) if len(rows) else len(want) if extra else None
    return int(np.count_nonzero(wrong)) + extra, first


def _floats(kind: np.dtype[Any], offset: int = 0) -> Iterator[tuple[int, np.dtype[Any]]]:
    """Where in a record there are floats, and of which type."""
    if kind.subdtype is not None:
        base, shape = kind.subdtype
        for number in range(math.prod(shape)):
            yield from _floats(base, offset + number * base.itemsize)
    elif kind.fields is not None:
        for field, begin, *_ in kind.fields.values():
            yield from _floats(field, offset + begin)
    elif kind.kind == "f":
        yield offset, kind


def samples(times_ms: NDArray[np.uint32], values: NDArray[np.float32]) -> NDArray[Any]:
    """Samples as a detector's harness reads them, of times ``(samples,)`` and values ``(samples, channels)``."""
    if values.ndim != 2 or len(times_ms) != len(values):
        raise DataError(f"expected values (samples, channels) and times, found {values.shape} and {times_ms.shape}")
    records = np.zeros(len(values), np.dtype([("time_ms", "<u4"), ("values", "<f4", (values.shape[1],))]))
    records["time_ms"] = times_ms
    records["values"] = values
    return records


def results(fields: Sequence[tuple[str, str]], top_channels: int) -> np.dtype[Any]:
    """The record that a detector's harness writes after each sample.

    ``fields`` are those of :class:`DetectorProgram` with their NumPy types, ``top_channels`` the shares that it tells.
    """
    share = [("share", "<f4"), ("observed", "<f4"), ("expected", "<f4"), ("channel", "<u2")]
    return np.dtype([("flags", "<i4"), *fields, ("severity", "<f8"), ("shares", share, (top_channels,))])
