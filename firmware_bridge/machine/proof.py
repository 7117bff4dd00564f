"""The proof: the same input on this host, with sanitizers, and on emulated cores, every byte compared."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vedette.errors import DataError, SelfTestError
from vedette.firmware_bridge.machine.emulator import EmulatedBoard
from vedette.firmware_bridge.machine.host import Host
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

    ``failure`` is why the program ended early, None where it did not. ``footprint`` is None where there is no flash.
    """

    machine: str
    differing: int
    total: int
    first: int | None
    run: Run
    footprint: Footprint | None

    @property
    def failure(self) -> str | None:
        """Why the program ended early."""
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
    """This host, this host with sanitizers, and the board's core where there is a board."""
    machines: list[Machine] = [Host(), Host(sanitize=True)]
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
    network's element types, or samples (:func:`samples`) and results of structured types. Raises as
    :meth:`Machine.build` does.
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
        with tempfile.TemporaryDirectory(prefix="vedette-") as temporary:
            run = machine.run(machine.build(program, Path(temporary)), data, timeout_s)
        size = footprint(program, machine.board) if isinstance(machine, EmulatedBoard) else None
        differing, first = compare(run.outputs, expected)
        yield Outcome(machine.name, differing, expected.nbytes, first, run, size)


def compare(outputs: bytes, expected: NDArray[Any]) -> tuple[int, int | None]:
    """How many bytes differ, and the first record with one; bytes that are missing or too many differ.

    Two NaN of the same field are equal: which of the many NaN an operation gives is the processor's choice.
    """
    want = np.ascontiguousarray(expected)
    record = want[:1].nbytes
    padded = outputs[: want.nbytes].ljust(want.nbytes, b"\0")
    got = np.frombuffer(padded, np.uint8).reshape(len(want), record).copy()
    wanted = np.frombuffer(want.tobytes(), np.uint8).reshape(len(want), record)
    wrong = (got != wanted) & ~_both_nan(np.frombuffer(padded, want.dtype).reshape(want.shape), want)
    absent = want.nbytes - min(len(outputs), want.nbytes)
    if absent:
        wrong.reshape(-1)[-absent:] = True
    rows = np.flatnonzero(wrong.any(axis=1))
    extra = max(0, len(outputs) - want.nbytes)
    first = int(rows[0]) if len(rows) else len(want) if extra else None
    return int(np.count_nonzero(wrong)) + extra, first


def _both_nan(got: NDArray[Any], want: NDArray[Any]) -> NDArray[np.bool_]:
    """For each byte of each record whether it belongs to a float that is NaN in both."""
    record = want[:1].nbytes
    mask = np.zeros((len(want), record), np.bool_)
    if want.dtype.fields is None:
        if want.dtype.kind == "f":
            mask[:] = np.repeat((np.isnan(got) & np.isnan(want)).reshape(len(want), -1), want.dtype.itemsize, axis=1)
        return mask
    for name, (kind, offset, *_) in want.dtype.fields.items():
        if kind.base.kind == "f":
            both = (np.isnan(got[name]) & np.isnan(want[name])).reshape(len(want), -1)
            mask[:, offset : offset + kind.itemsize] = np.repeat(both, kind.base.itemsize, axis=1)
    return mask


def samples(times_ms: NDArray[np.uint32], values: NDArray[np.float32]) -> NDArray[Any]:
    """Samples as a detector's harness reads them, of times ``(samples,)`` and values ``(samples, channels)``."""
    if values.ndim != 2 or len(times_ms) != len(values):
        raise DataError(f"expected values (samples, channels) and times, found {values.shape} and {times_ms.shape}")
    records = np.zeros(len(values), np.dtype([("time_ms", "<u4"), ("values", "<f4", (values.shape[1],))]))
    records["time_ms"] = times_ms
    records["values"] = values
    return records
