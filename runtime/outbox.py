"""Alerts on disk until they are confirmed: SQLite in WAL mode with ``synchronous=FULL``.

That combination lost no committed row in any simulated power cut. Alerts that arrive together share one commit. A
published alert stays for an hour, or until a consumer has acknowledged it: a broker that loses its memory loses alerts
that it had confirmed, and then they are sent again. One daemon owns an outbox; a second one is refused.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from vedette.errors import OutputError

RETENTION_S = 3600.0
# Kept free of the quota for the WAL, which a checkpoint empties before it reaches this.
WAL_RESERVE_BYTES = 2 * 1024 * 1024
# SQLite's pages are never full and its indexes take their part: alerts get this fraction of the quota.
FILE_BYTES_PER_ALERT_BYTE = 1.6
ROW_OVERHEAD_BYTES = 150
_CHECKPOINT_PAGES = 128
_SCHEMA_VERSION = 1

_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS alerts (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id TEXT NOT NULL UNIQUE,
    topic TEXT NOT NULL,
    severity REAL NOT NULL,
    time REAL NOT NULL,
    size INTEGER NOT NULL,
    waiting INTEGER NOT NULL DEFAULT 1,
    published_at REAL,
    payload BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS send_order ON alerts (waiting, seq);
CREATE INDEX IF NOT EXISTS drop_order ON alerts (waiting, severity, seq, size);
CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
INSERT OR IGNORE INTO counters VALUES ('dropped', 0);
PRAGMA user_version = {_SCHEMA_VERSION};
"""


class OutgoingAlert(NamedTuple):
    """One event to deliver; ``time`` is its event time in seconds."""

    event_id: str
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
    """The alerts that wait for delivery, oldest first, and those published not long ago."""

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
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, _SCHEMA_VERSION):
            raise sqlite3.DatabaseError(f"its format is {version}, this vedette writes {_SCHEMA_VERSION}")
        self._db.executescript(_SCHEMA)
        self.dropped: int = self._db.execute("SELECT value FROM counters WHERE name = 'dropped'").fetchone()[0]
        self.pending: int = self._db.execute("SELECT count(*) FROM alerts WHERE waiting = 1").fetchone()[0]
        self._bytes: int = self._db.execute("SELECT coalesce(sum(size), 0) FROM alerts").fetchone()[0]

    def add(self, alerts: Sequence[OutgoingAlert]) -> None:
        """Store alerts durably, in one commit.

        Over the quota, published alerts go first; then the least severe and of those the oldest are dropped, and
        counted. Raises :class:`StorageError` where the alerts could not be stored; none of them is then.
        """
        sizes = [len(alert.payload) + len(alert.topic) + ROW_OVERHEAD_BYTES for alert in alerts]
        rows = [(*alert[:4], size, alert.payload) for alert, size in zip(alerts, sizes, strict=True)]
        total = self._bytes + sum(sizes)
        with self._transaction():
            self._db.executemany(
                "INSERT INTO alerts (event_id, topic, severity, time, size, payload) VALUES (?,?,?,?,?,?)", rows
            )
            victims = self._victims(total - self._max_alert_bytes)
            dropped = sum(waiting for _, _, waiting in victims)
            if victims:
                self._db.executemany("DELETE FROM alerts WHERE seq = ?", [(seq,) for seq, _, _ in victims])
                self._db.execute("UPDATE counters SET value = value + ? WHERE name = 'dropped'", (dropped,))
        self.pending += len(alerts) - dropped
        self.dropped += dropped
        self._bytes = total - sum(size for _, size, _ in victims)

    def take(self, limit: int, *, skip_topics: Collection[str] = ()) -> list[StoredAlert]:
        """Hand out up to ``limit`` alerts, oldest first; each is out until it is published or released."""
        rows = self._db.execute(
            f"SELECT seq, topic, time, payload FROM alerts WHERE waiting = 1 AND seq NOT IN ({_marks(self._out)}) "
            f"AND topic NOT IN ({_marks(skip_topics)}) ORDER BY seq LIMIT ?",
            (*self._out, *skip_topics, limit),
        )
        alerts = [StoredAlert(*row) for row in rows]
        self._out.update(alert.seq for alert in alerts)
        return alerts

    def release(self, seqs: Collection[int]) -> None:
        """Take back alerts that were handed out and not published."""
        self._out.difference_update(seqs)

    def published(self, seqs: Collection[int], *, now: float) -> None:
        """Note that the broker has confirmed alerts, and remove those that it confirmed an hour ago.

        ``now`` is the wall clock. Raises :class:`StorageError` where nothing changed: they would be sent again.
        """
        with self._transaction():
            changed = self._db.execute(
                f"UPDATE alerts SET waiting = 0, published_at = ? WHERE waiting = 1 AND seq IN ({_marks(seqs)})",
                (now, *seqs),
            ).rowcount
            old = self._db.execute(
                "DELETE FROM alerts WHERE waiting = 0 AND published_at < ? RETURNING size", (now - RETENTION_S,)
            ).fetchall()
        self._out.difference_update(seqs)
        self.pending -= changed
        self._bytes -= sum(size for (size,) in old)

    def acknowledged(self, event_ids: Collection[str]) -> int:
        """Remove alerts that a consumer has received; returns how many there were. Raises :class:`StorageError`."""
        with self._transaction():
            rows = self._db.execute(
                f"DELETE FROM alerts WHERE event_id IN ({_marks(event_ids)}) RETURNING waiting, size", tuple(event_ids)
            ).fetchall()
        self.pending -= sum(waiting for waiting, _ in rows)
        self._bytes -= sum(size for _, size in rows)
        return len(rows)

    def send_again(self) -> int:
        """Let the alerts that were published, but not acknowledged, wait again; returns how many.

        Raises :class:`StorageError`.
        """
        with self._transaction():
            count = self._db.execute("UPDATE alerts SET waiting = 1, published_at = NULL WHERE waiting = 0").rowcount
        self.pending += count
        return count

    def close(self) -> None:
        """Close the database; what is pending stays stored."""
        self._db.close()

    def _victims(self, excess: int) -> list[tuple[int, int, int]]:
        """(seq, size, waiting) of the alerts to remove so that ``excess`` bytes come free."""
        victims: list[tuple[int, int, int]] = []
        if excess > 0:
            for seq, size, waiting in self._db.execute(
                "SELECT seq, size, waiting FROM alerts ORDER BY waiting, severity, seq"
            ):
                if excess <= 0:
                    break
                if seq not in self._out:
                    victims.append((seq, size, waiting))
                    excess -= size
        return victims

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
