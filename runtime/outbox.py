"""Alerts on disk until they are confirmed: SQLite in WAL mode with ``synchronous=FULL``.

That combination lost no committed row in any simulated power cut. Alerts that arrive together share one commit. One
daemon owns an outbox; a second one is refused.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from vedette.errors import OutputError

# Kept free of the quota for the WAL, which a checkpoint empties before it reaches this.
WAL_RESERVE_BYTES = 2 * 1024 * 1024
# SQLite's pages are never full: measured up to 1.35 bytes of file per byte of alerts, so alerts get this part.
FILE_BYTES_PER_ALERT_BYTE = 1.5
ROW_OVERHEAD_BYTES = 100
_CHECKPOINT_PAGES = 128

_SCHEMA = """
CREATE TABLE IF NOT EXISTS alerts (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    topic TEXT NOT NULL,
    severity REAL NOT NULL,
    time REAL NOT NULL,
    size INTEGER NOT NULL,
    payload BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS drop_order ON alerts (severity, seq, size);
CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
INSERT OR IGNORE INTO counters VALUES ('dropped', 0);
"""


class OutgoingAlert(NamedTuple):
    """One event to deliver; ``time`` is its event time in seconds."""

    topic: str
    severity: float
    time: float
    payload: bytes


class StoredAlert(NamedTuple):
    """An alert in the outbox. ``seq`` grows for ever, also across restarts."""

    seq: int
    topic: str
    time: float
    payload: bytes


class StorageError(OutputError):
    """The outbox cannot be written just now, for example because the disk is full."""


class Outbox:
    """The alerts that are not yet confirmed, oldest first."""

    def __init__(self, path: Path, *, max_bytes: int) -> None:
        """Open or create the database; its files together stay below ``max_bytes``.

        Raises :class:`OutputError` where that is not possible or another daemon has it open.
        """
        self.path = path
        self._max_alert_bytes = int((max_bytes - WAL_RESERVE_BYTES) / FILE_BYTES_PER_ALERT_BYTE)
        self._out: set[int] = set()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, isolation_level=None, timeout=0.5)
        except (OSError, sqlite3.Error) as error:
            raise OutputError(f"{path}: the outbox cannot be opened: {error}; set [outbox] path") from error
        try:
            self._prepare()
        except sqlite3.Error as error:
            self._db.close()
            raise OutputError(f"{path}: {_explain(error)}") from error

    def _prepare(self) -> None:
        for setting in (
            "locking_mode=EXCLUSIVE",
            "journal_mode=WAL",
            "synchronous=FULL",
            f"wal_autocheckpoint={_CHECKPOINT_PAGES}",
            f"journal_size_limit={WAL_RESERVE_BYTES // 2}",
        ):
            self._db.execute(f"PRAGMA {setting}")
        self._db.executescript(_SCHEMA)
        self.dropped: int = self._db.execute("SELECT value FROM counters WHERE name = 'dropped'").fetchone()[0]
        self.pending: int
        self._bytes: int
        self.pending, self._bytes = self._db.execute("SELECT count(*), coalesce(sum(size), 0) FROM alerts").fetchone()

    def add(self, alerts: Sequence[OutgoingAlert]) -> None:
        """Store alerts durably, in one commit. Over the quota, the least severe and then the oldest are dropped.

        Raises :class:`StorageError` where they could not be stored; none of them is then.
        """
        sizes = [len(alert.payload) + len(alert.topic) + ROW_OVERHEAD_BYTES for alert in alerts]
        rows = [(a.topic, a.severity, a.time, size, a.payload) for a, size in zip(alerts, sizes, strict=True)]
        total = self._bytes + sum(sizes)
        with self._transaction():
            self._db.executemany("INSERT INTO alerts (topic, severity, time, size, payload) VALUES (?,?,?,?,?)", rows)
            victims, freed = self._victims(total - self._max_alert_bytes)
            if victims:
                self._db.executemany("DELETE FROM alerts WHERE seq = ?", [(seq,) for seq in victims])
                self._db.execute("UPDATE counters SET value = value + ? WHERE name = 'dropped'", (len(victims),))
        self.pending += len(alerts) - len(victims)
        self.dropped += len(victims)
        self._bytes = total - freed

    def take(self, limit: int, *, skip_topics: Collection[str] = ()) -> list[StoredAlert]:
        """Hand out up to ``limit`` alerts, oldest first; each is out until it is confirmed or released."""
        rows = self._db.execute(
            f"SELECT seq, topic, time, payload FROM alerts WHERE seq NOT IN ({_marks(self._out)}) "
            f"AND topic NOT IN ({_marks(skip_topics)}) ORDER BY seq LIMIT ?",
            (*self._out, *skip_topics, limit),
        )
        alerts = [StoredAlert(*row) for row in rows]
        self._out.update(alert.seq for alert in alerts)
        return alerts

    def confirm(self, seqs: Collection[int]) -> None:
        """Remove delivered alerts. Raises :class:`StorageError` where they stay, and would be delivered again."""
        with self._transaction():
            rows = self._db.execute(
                f"DELETE FROM alerts WHERE seq IN ({_marks(seqs)}) RETURNING size", tuple(seqs)
            ).fetchall()
        self._out.difference_update(seqs)
        self.pending -= len(rows)
        self._bytes -= sum(size for (size,) in rows)

    def release(self, seqs: Collection[int]) -> None:
        """Take back alerts that were handed out and not delivered."""
        self._out.difference_update(seqs)

    def close(self) -> None:
        """Close the database; what is pending stays stored."""
        self._db.close()

    def _victims(self, excess: int) -> tuple[list[int], int]:
        """The alerts to drop so that ``excess`` bytes come free, and the bytes they free."""
        victims: list[int] = []
        freed = 0
        if excess > 0:
            for seq, size in self._db.execute("SELECT seq, size FROM alerts ORDER BY severity, seq"):
                if freed >= excess:
                    break
                if seq not in self._out:
                    victims.append(seq)
                    freed += size
        return victims, freed

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise StorageError(f"{self.path}: {_explain(error)}") from error


def _marks(values: Collection[object]) -> str:
    return ",".join("?" * len(values))


def _explain(error: sqlite3.Error) -> str:
    if "locked" in str(error):
        return "the outbox is in use by another `vedette run`; give each gateway its own [outbox] path"
    if isinstance(error, sqlite3.OperationalError):
        return f"the outbox cannot be written: {error}"
    return f"not an outbox, or damaged: {error}; move the file away to start with an empty one"
