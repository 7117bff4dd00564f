"""Power cuts: the system calls of an outbox at work are recorded, and replayed up to each write and each fsync.

**The disk's model.** What was written is safe only after an fsync of that file. At a cut, of the writes since then the
disk has any part: none, all, a random choice in any order, and of the last one perhaps only some of its 512-byte
sectors. A name (created, removed or renamed) is safe after an fsync of its folder; before that the disk may have any
number of the changes, in order. This is harsher than ext4 or f2fs are.

**The promise.** The workload notes, by a write to another file, every alert that :meth:`Outbox.add` has returned for,
and every one that it is about to remove. Whatever the cut leaves is opened: the integrity check finds nothing, every
alert whose commit was confirmed before the cut is there unless its removal had begun, the open incidents are those of
the last commit or the one under way, and a new alert's number is higher than any that was confirmed.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from vedette.errors import DependencyError, VedetteError
from vedette.runtime.delivery.outbox import Outbox, OutgoingAlert

QUOTA_BYTES = 4 * 1024 * 1024
SECTOR_BYTES = 512
_CALLS = (
    "open,openat,write,pwrite64,writev,pwritev,ftruncate,fsync,fdatasync,unlink,unlinkat,rename,renameat,renameat2,"
    "fallocate,mmap"
)
_NOTES = "notes"


@dataclass(frozen=True)
class Call:
    """One system call: ``name`` is write, truncate, sync, create, remove or note; ``offset`` also is a new length."""

    name: str
    path: str
    offset: int = 0
    data: bytes = b""


@dataclass
class CutRun:
    """What the cuts came to."""

    calls: int
    writes: int
    syncs: int
    cuts: int
    confirmed: int
    faults: list[str] = field(default_factory=list)


def workload(folder: Path, *, rounds: int, seed: int) -> None:
    """What is recorded: an outbox that stores, publishes, is acknowledged, drops and is opened again."""
    rng = random.Random(seed)
    number = 0
    with (folder / _NOTES).open("wb", buffering=0) as notes:
        for life in range(2):
            outbox = Outbox(folder / "outbox.db", max_bytes=QUOTA_BYTES)
            for _ in range(rounds):
                batch = []
                for _ in range(rng.choice((1, 1, 2, 5, 40))):
                    number += 1
                    batch.append(_alert(number, rng.randint(100, 3000)))
                outbox.add(batch)
                notes.write(f"+ {batch[0].event_id} {number} {outbox.dropped}\n".encode())
                taken = outbox.take(rng.randint(0, 30))
                if taken:
                    outbox.published([stored.seq for stored in taken])
                    gone = [f"{int(stored.time)}" for stored in taken if rng.random() < 0.8]
                    notes.write(f"- {' '.join(gone)}\n".encode())
                    outbox.acknowledged(gone)
                if rng.random() < 0.1:
                    outbox.send_again()
                    while outbox.sending_again:
                        outbox.send_some_again()
            if life == 0:
                outbox.close()


def _alert(number: int, size: int) -> OutgoingAlert:
    """Every third alert opens an incident, and the one after it ends it."""
    payload = number.to_bytes(8, "big") + bytes(range(256)) * (size // 256) + b"." * (size % 256)
    step = number % 3
    incident = f"incident {number - (step == 2)}" if step else None
    return OutgoingAlert(f"{number}", "t", 1.0, float(number), payload, incident, step == 1)


def record(folder: Path, *, rounds: int, seed: int) -> list[Call]:
    """Run the workload in ``folder`` under strace; its calls on files of that folder, in order.

    Raises :class:`DependencyError` where strace is not here, or may not trace.
    """
    strace = shutil.which("strace")
    if strace is None:
        raise DependencyError("strace is not installed; try: apt-get install strace")
    folder = folder.resolve()
    trace = folder.parent / f"{folder.name}.trace"
    code = (
        "import sys; from pathlib import Path; from vedette.benchmarks.delivery.power_cuts import workload; "
        "workload(Path(sys.argv[1]), rounds=int(sys.argv[2]), seed=int(sys.argv[3]))"
    )
    command = [strace, "-f", "-q", "-y", "-xx", "-s", "1000000", "-e", f"trace={_CALLS}", "-o", str(trace)]
    command += [sys.executable, "-c", code, str(folder), str(rounds), str(seed)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise DependencyError(f"strace cannot trace here: {done.stderr[-300:]}")
    return list(_parse(trace, folder))


_CALL = re.compile(r"^\d+\s+(\w+)\((.*)\)\s+= (-?\d+)")
_FD = re.compile(r"^\d+<((?:\\x[0-9a-f]{2})+)>")
_TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')


def _parse(trace: Path, folder: Path) -> Iterator[Call]:
    """The calls that succeeded and concern the folder's files. Raises :class:`VedetteError` for one unknown here."""
    exists: set[str] = set()
    with trace.open(encoding="ascii") as lines:
        for line in lines:
            found = _CALL.match(line)
            if not found or int(found[3]) < 0:
                continue
            name, rest = found[1], found[2]
            if name.startswith(("open", "unlink")):
                path = Path(_unhex(_TEXT.findall(rest)[-1]).decode())
                is_new = name.startswith("open") and "O_CREAT" in rest and path.name not in exists
                if path.parent == folder and (is_new or name.startswith("unlink")):
                    (exists.add if is_new else exists.discard)(path.name)
                    yield Call("create" if is_new else "remove", path.name)
                continue
            fd = _FD.match(rest)
            path = Path(_unhex(fd[1]).decode()) if fd else Path()
            if path == folder and "sync" in name:
                yield Call("sync", "")
            elif path.parent == folder and (call := _file_call(name, rest, path.name, int(found[3]))):
                yield call


def _file_call(name: str, rest: str, path: str, result: int) -> Call | None:
    if name in ("fsync", "fdatasync"):
        return Call("sync", path)
    if name == "write" and path == _NOTES:
        return Call("note", _NOTES, data=_unhex(_TEXT.findall(rest)[0]))
    if name == "pwrite64":
        return Call("write", path, int(rest.rsplit(", ", 1)[1]), _unhex(_TEXT.findall(rest)[0])[:result])
    if name == "ftruncate":
        return Call("truncate", path, int(rest.rsplit(", ", 1)[1]))
    if name == "fallocate" or (name == "mmap" and not ("MAP_SHARED" in rest and "PROT_WRITE" in rest)):
        return None  # changes no content
    raise VedetteError(f"{name} on {path}: a call that the replay does not know")


def _unhex(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))


class Disk:
    """The model: for each file what is safe and what was written since, and the same for the names in the folder."""

    def __init__(self) -> None:
        self._safe: dict[int, bytes] = {}
        self._since: dict[int, list[Call]] = {}
        self._safe_names: dict[str, int] = {}
        self._name_changes: list[tuple[str, int | None]] = []
        self._names: dict[str, int] = {}
        self._next = 0

    def apply(self, call: Call) -> None:
        """The program made this call."""
        if call.name == "create":
            self._next += 1
            self._names[call.path] = self._next
            self._safe[self._next], self._since[self._next] = b"", []
            self._name_changes.append((call.path, self._next))
        elif call.name == "remove":
            self._names.pop(call.path)
            self._name_changes.append((call.path, None))
        elif call.name in ("write", "truncate"):
            self._since[self._names[call.path]].append(call)
        elif call.name == "sync" and not call.path:
            self._safe_names, self._name_changes = dict(self._names), []
        elif call.name == "sync":
            file = self._names[call.path]
            self._safe[file] = _written(self._safe[file], self._since[file])
            self._since[file] = []

    def after_cut(self, keep: Callable[[list[Call]], list[Call]], names: float) -> dict[str, bytes]:
        """The files after a cut: ``keep`` picks the unsafe writes that the disk has, ``names`` is the part of names."""
        found = dict(self._safe_names)
        for path, file in self._name_changes[: round(names * len(self._name_changes))]:
            if file is None:
                found.pop(path, None)
            else:
                found[path] = file
        return {path: _written(self._safe[file], keep(self._since[file])) for path, file in found.items()}


def _written(content: bytes, calls: list[Call]) -> bytes:
    data = bytearray(content)
    for call in calls:
        if call.name == "truncate":
            del data[call.offset :]
            data += bytes(call.offset - len(data))
        else:
            data += bytes(max(call.offset - len(data), 0))
            data[call.offset : call.offset + len(call.data)] = call.data
    return bytes(data)


def _random_part(rng: random.Random) -> Callable[[list[Call]], list[Call]]:
    """Some of the writes, in any order, one of them torn."""

    def keep(calls: list[Call]) -> list[Call]:
        kept = [call for call in calls if rng.random() < 0.5]
        rng.shuffle(kept)
        if kept and kept[-1].name == "write" and len(kept[-1].data) > SECTOR_BYTES:
            whole = kept.pop()
            cut = rng.randrange(len(whole.data) // SECTOR_BYTES) * SECTOR_BYTES
            kept.append(Call("write", whole.path, whole.offset, whole.data[:cut]))
        return kept

    return keep


def replay(calls: list[Call], *, seed: int, variants: int, every: int = 1) -> CutRun:
    """Cut the power after each fsync and every ``every``-th other call.

    Each cut is tried with nothing, with all and with ``variants`` random parts of what was not safe.
    """
    rng = random.Random(seed)
    disk, promise = Disk(), _Promise()
    run = CutRun(len(calls), sum(c.name == "write" for c in calls), sum(c.name == "sync" for c in calls), 0, 0)
    # Opening what a cut left calls fsync, which costs nothing in memory.
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        for place, call in enumerate(calls):
            if call.name == "note":
                promise.note(call.data.decode())
                continue
            disk.apply(call)
            if place % every and call.name != "sync":
                continue
            parts: list[Callable[[list[Call]], list[Call]]] = [lambda _: [], lambda since: since]
            parts += [_random_part(rng)] * variants
            for keep, names in zip(parts, (0.0, 1.0, *(rng.random() for _ in range(variants))), strict=True):
                run.cuts += 1
                fault = promise.broken_by(disk.after_cut(keep, names), Path(folder) / f"{run.cuts}")
                if fault:
                    run.faults.append(f"after call {place} ({call.name} {call.path} {call.offset}): {fault}")
    run.confirmed = promise.confirmed
    return run


class _Promise:
    """What the workload was told, up to the cut."""

    def __init__(self) -> None:
        self.confirmed = self._dropped = 0
        self._removing: set[int] = set()

    def note(self, line: str) -> None:
        sign, *words = line.split()
        if sign == "+":
            self.confirmed, self._dropped = int(words[1]), int(words[2])
        else:
            self._removing.update(map(int, words))

    def broken_by(self, files: dict[str, bytes], folder: Path) -> str | None:
        """Open what a cut left; what is wrong with it, if anything."""
        folder.mkdir()
        for name, content in files.items():
            (folder / name).write_bytes(content)
        path = folder / "outbox.db"
        try:
            outbox = Outbox(path, max_bytes=QUOTA_BYTES)
            outbox.send_again()
            while outbox.sending_again:
                outbox.send_some_again()
            there = {int(stored.time): stored for stored in outbox.take(1_000_000)}
            incidents = {int(incident.time) for incident in outbox.open_incidents()}
            dropped = outbox.dropped
            outbox.add([_alert(10**9, 100)])
            highest = outbox.take(1)[0].seq
            outbox.close()
            db = sqlite3.connect(path)
            intact = db.execute("PRAGMA integrity_check").fetchall()
            db.close()
        except VedetteError as error:
            return str(error)
        finally:
            shutil.rmtree(folder)
        lost = set(range(1, self.confirmed + 1)) - self._removing - there.keys()
        if intact != [("ok",)]:
            return f"integrity: {intact[:3]}"
        if len(lost) > dropped or dropped < self._dropped:
            return f"{len(lost)} confirmed alerts are lost, {dropped} counted as dropped: {sorted(lost)[:5]}"
        if highest <= self.confirmed:
            return f"number {highest} is used again"
        last = max(self.confirmed, *there) if there else self.confirmed
        expected = {last} if last % 3 == 1 else set()
        if incidents != expected:
            return f"open incidents {sorted(incidents)[:5]} after alert {last}, expected {sorted(expected)}"
        return None
