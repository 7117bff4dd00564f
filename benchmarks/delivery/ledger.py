"""Who was told what: the books of a kill run, kept outside the daemon, and the judgement over them.

**What counts as raised.** A gateway that is killed between scoring a window and committing its alert has lost the
samples, and nobody was promised anything. The promise begins with the commit. Three independent books say what was
committed:

1. the daemon's own log line, written after the commit and before anything else (a line that was written survives a
   SIGKILL: the kernel has it);
2. the outbox itself, read after each kill of the daemon: commits whose log line was cut off by the kill;
3. the input. Incident number k begins at a time that only it has, each is fed once, and the daemon handles them in
   order. So when a consumer heard of incident k, then every earlier incident that was fed to the same life of the
   daemon must have arrived too, all its steps. This book does not depend on anything that the daemon says.

Beyond that the received events must agree with themselves: the sequence numbers are 1, 2, 3 … without a gap, every
incident begins with one ``new``, has no step twice, and ends.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import tempfile
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vedette.runtime.delivery.database import files_of

STORED = " DEBUG stored: "


@dataclass
class Verdict:
    """What a run came to. ``faults`` is empty when nothing was lost, doubled or inconsistent."""

    committed: int
    received: int
    incidents: int
    ended_by_restart: int
    printed_twice: int
    faults: list[str] = field(default_factory=list)


class Ledger:
    """The books. ``lives`` are the incidents fed to each life of the daemon, by their start times."""

    def __init__(self) -> None:
        self.committed: set[str] = set()
        self.lives: list[list[str]] = []

    def read_log(self, text: str) -> None:
        """Enter what the daemon's log says; only whole lines may be given."""
        for line in text.splitlines():
            if STORED in line:
                self.committed.update(line.split(STORED, 1)[1].split())

    def read_outbox(self, path: Path) -> None:
        """Enter what is in the outbox of a daemon that is dead; a copy is read."""
        if not path.exists():
            return
        with tempfile.TemporaryDirectory() as folder:
            for file in files_of(path):
                shutil.copy(file, folder)
            db = sqlite3.connect(Path(folder) / path.name)
            try:
                if db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'alerts'").fetchone()[0]:
                    self.committed.update(identity for (identity,) in db.execute("SELECT event_id FROM alerts"))
            finally:
                db.close()

    def missing(self, received: Path) -> int:
        """How many committed alerts have not arrived so far."""
        return len(self.committed - {event["id"] for event in read_events(received)})

    def judge(self, received: Path) -> Verdict:
        """Compare the books with what the consumer printed."""
        printed = read_events(received)
        events = {event["id"]: event for event in printed}
        chains: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for event in events.values():
            chains[event["data"]["alert_id"]].append(event)
        verdict = Verdict(
            committed=len(self.committed),
            received=len(events),
            incidents=len(chains),
            ended_by_restart=sum(e["data"].get("reason") == "gateway restarted" for e in events.values()),
            printed_twice=len(printed) - len(events),
        )
        if lost := self.committed - events.keys():
            verdict.faults.append(f"{len(lost)} committed alerts did not arrive: {sorted(lost)[:3]}")
        self._judge_sequence(events, verdict)
        self._judge_chains(chains, verdict)
        self._judge_input(chains, verdict)
        return verdict

    def _judge_sequence(self, events: dict[str, dict[str, Any]], verdict: Verdict) -> None:
        numbers = Counter(int(event["sequence"]) for event in events.values())
        gaps = set(range(1, max(numbers, default=0) + 1)) - numbers.keys()
        if gaps:
            verdict.faults.append(f"{len(gaps)} sequence numbers did not arrive: {sorted(gaps)[:5]}")
        if twice := [number for number, count in numbers.items() if count > 1]:
            verdict.faults.append(f"sequence numbers of two events: {twice[:5]}")

    def _judge_chains(self, chains: dict[str, list[dict[str, Any]]], verdict: Verdict) -> None:
        starts = Counter(chain[0]["data"]["start"] for chain in chains.values())
        if twice := [start for start, count in starts.items() if count > 1]:
            verdict.faults.append(f"incidents raised twice: {twice[:5]}")
        for chain in chains.values():
            chain.sort(key=lambda event: (event["data"]["seq"], event["id"]))
            phases = [event["data"]["phase"] for event in chain]
            steps = [event["data"]["seq"] for event in chain]
            good = phases[0] == "new" and phases[-1] == "end" and "end" not in phases[:-1]
            if not good or steps != list(range(1, len(steps) + 1)):
                verdict.faults.append(f"incident of {chain[0]['data']['start']}: steps {steps}, {phases}")

    def _judge_input(self, chains: dict[str, list[dict[str, Any]]], verdict: Verdict) -> None:
        heard = {chain[0]["data"]["start"]: chain for chain in chains.values()}
        known = {start for life in self.lives for start in life}
        if invented := heard.keys() - known:
            verdict.faults.append(f"incidents that nobody fed: {sorted(invented)[:3]}")
        for life in self.lives:
            last = max((place for place, start in enumerate(life) if start in heard), default=-1)
            silent = [start for start in life[: last + 1] if start not in heard]
            cut = [start for start in life[:last] if start in heard and heard[start][-1]["data"].get("reason")]
            if silent or cut:
                verdict.faults.append(f"fed and passed, but not told: {silent[:3]}, or not to the end: {cut[:3]}")


def read_events(path: Path) -> list[dict[str, Any]]:
    """The events that a consumer printed, in order; half a line at the end is left out."""
    if not path.exists():
        return []
    text = path.read_bytes()
    return [json.loads(line) for line in text[: text.rfind(b"\n") + 1].splitlines()]
