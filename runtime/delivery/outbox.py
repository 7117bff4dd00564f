"""Alerts on disk until they are confirmed, oldest first, within a quota.

Alerts that arrive together share one commit. A published alert stays for an hour, or until a consumer has acknowledged
it: a broker that loses its memory loses alerts that it had confirmed, and then they are sent again. One daemon owns an
outbox; a second one is refused. What is committed together:

- **Sequence.** A stored alert gets the next number of its gateway, which is never used again: not after a restart, not
  after the alert was dropped or removed. A number that stays away tells a consumer that an alert was dropped.
- **Incidents.** An incident that goes on is remembered with its last alert, so that the next run can end it after a
  crash.
- **Drops.** The count of dropped alerts changes with the drops.

Nothing here reads the wall clock: the retention counts the outbox's own running time, so a clock that jumps neither
removes anything early nor keeps it for ever.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import NamedTuple

from vedette.runtime.delivery.database import MAX_ROWS, Database, StorageError, number

__all__ = ["MAX_ROWS", "RETENTION_S", "OpenIncident", "Outbox", "OutgoingAlert", "StorageError", "StoredAlert"]

RETENTION_S = 3600.0
# Open incidents take this part of the room at most; what does not fit is not ended after a crash.
_INCIDENT_PART = 0.25
# Rows that go in one commit at least: one by one, a full outbox would take several commits for each alert.
_LEAST_DROPPED = 12
_SCHEMA_VERSION = 2
_SCHEMA = """
CREATE TABLE alerts (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id TEXT NOT NULL UNIQUE,
    topic TEXT NOT NULL,
    severity REAL NOT NULL,
    time REAL NOT NULL,
    waiting INTEGER NOT NULL DEFAULT 1,
    published_at REAL,
    payload BLOB NOT NULL
);
CREATE INDEX send_order ON alerts (waiting, seq);
CREATE INDEX drop_order ON alerts (waiting, severity, seq);
CREATE TABLE incidents (
    alert_id TEXT PRIMARY KEY,
    topic TEXT NOT NULL,
    severity REAL NOT NULL,
    time REAL NOT NULL,
    payload BLOB NOT NULL
);
CREATE TABLE counters (name TEXT PRIMARY KEY, value NUMERIC NOT NULL);
INSERT INTO counters VALUES ('dropped', 0), ('again_up_to', 0), ('running_s', 0.0);
INSERT INTO sqlite_sequence VALUES ('alerts', 0);
"""


class OutgoingAlert(NamedTuple):
    """One event to deliver; ``time`` is its event time in seconds.

    ``incident`` is the id that all steps of one incident share, ``goes_on`` says that this is not its last step.
    """

    event_id: str
    topic: str
    severity: float
    time: float
    payload: bytes
    incident: str | None = None
    goes_on: bool = False


class StoredAlert(NamedTuple):
    """An alert in the outbox. ``seq`` grows for ever, also across restarts."""

    seq: int
    topic: str
    time: float
    payload: bytes


class OpenIncident(NamedTuple):
    """An incident whose end has not been stored, with the last event that was."""

    alert_id: str
    topic: str
    severity: float
    time: float
    payload: bytes


class Outbox:
    """The alerts that wait for delivery, and those published not long ago."""

    def __init__(self, path: Path, *, max_bytes: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Open or create the database; its files together, ballast included, stay below ``max_bytes``.

        ``clock`` gives seconds that nobody can set. Raises :class:`OutputError` where the outbox cannot be opened or
        another daemon has it open.
        """
        self.path = path
        self._clock = clock
        self._out: set[int] = set()
        self._sent_again = 0
        self._database = Database(
            path,
            schema=_SCHEMA,
            version=_SCHEMA_VERSION,
            max_bytes=max_bytes,
            on_open=self._load,
            make_room=lambda db: self._remove(db, [seq for seq, _ in _oldest_published(db)]),
        )

    def _load(self, db: sqlite3.Connection) -> None:
        """Count what is there. After a fault that may be a commit more than was confirmed."""
        counters = dict(db.execute("SELECT name, value FROM counters").fetchall())
        self.dropped: int = counters["dropped"]
        self.sending_again: bool = counters["again_up_to"] > 0
        self.pending = number(db, "SELECT count(*) FROM alerts WHERE waiting = 1")
        self._running_s, self._loaded_at = float(counters["running_s"]), self._clock()

    def add(self, alerts: Sequence[OutgoingAlert], *, lost: int = 0) -> None:
        """Store up to ``MAX_ROWS`` alerts durably, in one commit; one that is stored already stays as it is.

        At the quota, published alerts go first; then the least severe and of those the oldest are dropped, and
        counted. ``lost`` alerts were given up before they could be stored: they are counted, and use up numbers.
        Raises :class:`StorageError` where it is not known that all are stored: then add them again.
        """

        def store(db: sqlite3.Connection) -> int:
            if lost:
                db.execute("UPDATE sqlite_sequence SET seq = seq + ? WHERE name = 'alerts'", (lost,))
                db.execute("UPDATE counters SET value = value + ? WHERE name = 'dropped'", (lost,))
            # A commit that failed at its very end may be there after all.
            sql = f"SELECT event_id FROM alerts WHERE event_id IN ({_marks(alerts)})"
            known = {row[0] for row in db.execute(sql, [alert.event_id for alert in alerts])}
            new = [alert for alert in alerts if alert.event_id not in known]
            db.executemany(
                "INSERT INTO alerts (event_id, topic, severity, time, payload) VALUES (?,?,?,?,?)",
                [alert[:5] for alert in new],
            )
            self._follow_incidents(db, new)
            return len(new)

        # In commits of their own: where rows of many pages go, it takes several until a page comes free.
        while victims := self._database.write(self._drop_some):
            self.pending -= sum(victims)
            self.dropped += sum(victims)
        self.pending += self._database.write(store)
        self.dropped += lost

    def open_incidents(self) -> list[OpenIncident]:
        """The incidents that nobody has ended, oldest first. Raises :class:`StorageError`."""
        rows = self._database.read(
            "SELECT alert_id, topic, severity, time, payload FROM incidents ORDER BY time, rowid"
        )
        return [OpenIncident(*row) for row in rows]  # type: ignore[arg-type]

    def take(self, limit: int, *, skip_topics: Collection[str] = ()) -> list[StoredAlert]:
        """Hand out up to ``limit`` alerts, oldest first; each is out until it is published or released.

        Raises :class:`StorageError`.
        """
        rows = self._database.read(
            f"SELECT seq, topic, time, payload FROM alerts WHERE waiting = 1 AND seq NOT IN ({_marks(self._out)}) "
            f"AND topic NOT IN ({_marks(skip_topics)}) ORDER BY seq LIMIT ?",
            (*self._out, *skip_topics, limit),
        )
        alerts = [StoredAlert(*row) for row in rows]  # type: ignore[arg-type]
        self._out.update(alert.seq for alert in alerts)
        return alerts

    def release(self, seqs: Collection[int]) -> None:
        """Take back alerts that were handed out and not published."""
        self._out.difference_update(seqs)

    def published(self, seqs: Sequence[int]) -> None:
        """Note that the broker has confirmed up to ``MAX_ROWS`` alerts, and remove some that it confirmed an hour ago.

        Raises :class:`StorageError` where nothing changed: they would be sent again.
        """
        now = self._running_s + self._clock() - self._loaded_at

        def note(db: sqlite3.Connection) -> int:
            changed = db.execute(
                f"UPDATE alerts SET waiting = 0, published_at = ? WHERE waiting = 1 AND seq IN ({_marks(seqs)})",
                (now, *seqs),
            ).rowcount
            self._remove(db, [seq for seq, at in _oldest_published(db) if at < now - RETENTION_S])
            db.execute("UPDATE counters SET value = ? WHERE name = 'running_s'", (now,))
            return changed

        self.pending -= self._database.write(note)
        self._out.difference_update(seqs)

    def acknowledged(self, event_ids: Sequence[str]) -> int:
        """Remove up to ``MAX_ROWS`` alerts that a consumer has received; returns how many there were.

        Raises :class:`StorageError`.
        """

        def remove(db: sqlite3.Connection) -> list[int]:
            sql = f"DELETE FROM alerts WHERE event_id IN ({_marks(event_ids)}) RETURNING waiting"
            return [waiting for (waiting,) in db.execute(sql, tuple(event_ids)).fetchall()]

        removed = self._database.write(remove)
        self.pending -= sum(removed)
        return len(removed)

    def send_again(self) -> None:
        """Decide, durably, that all alerts that are published and not acknowledged are sent once more.

        :meth:`send_some_again` does it while ``sending_again``. Raises :class:`StorageError`.
        """
        sql = "UPDATE counters SET value = (SELECT coalesce(max(seq), 0) FROM alerts) WHERE name = 'again_up_to'"
        self._database.write(lambda db: db.execute(sql))
        self._sent_again = 0
        self.sending_again = True

    def send_some_again(self) -> int:
        """Let the next ``MAX_ROWS`` of these wait again; returns how many. Raises :class:`StorageError`."""

        def wait_again(db: sqlite3.Connection) -> list[int]:
            rows = db.execute(
                "SELECT seq FROM alerts WHERE waiting = 0 AND seq > ? AND seq <= "
                "(SELECT value FROM counters WHERE name = 'again_up_to') ORDER BY seq LIMIT ?",
                (self._sent_again, MAX_ROWS),
            ).fetchall()
            db.executemany("UPDATE alerts SET waiting = 1, published_at = NULL WHERE seq = ?", rows)
            if len(rows) < MAX_ROWS:
                db.execute("UPDATE counters SET value = 0 WHERE name = 'again_up_to'")
            return [seq for (seq,) in rows]

        seqs = self._database.write(wait_again)
        self.pending += len(seqs)
        self._sent_again = max(seqs, default=0)
        self.sending_again = len(seqs) == MAX_ROWS
        return len(seqs)

    def watch(self) -> str | None:
        """What is wrong with the disk, without writing to it; None when nothing is. Call it every few seconds."""
        return self._database.watch()

    def bytes_on_disk(self) -> int:
        """The size of all files of the outbox."""
        return self._database.bytes_on_disk()

    def close(self) -> None:
        """Close the database; what is pending stays stored."""
        self._database.close()

    def _follow_incidents(self, db: sqlite3.Connection, alerts: Sequence[OutgoingAlert]) -> None:
        steps = {alert.incident: alert for alert in alerts if alert.incident is not None}
        db.executemany("DELETE FROM incidents WHERE alert_id = ?", [(alert_id,) for alert_id in steps])
        going_on = [alert for alert in steps.values() if alert.goes_on]
        if going_on and number(db, "SELECT count(*) FROM incidents") < self._database.max_pages * _INCIDENT_PART:
            db.executemany(
                "INSERT INTO incidents VALUES (?,?,?,?,?)",
                [(alert.incident, alert.topic, alert.severity, alert.time, alert.payload) for alert in going_on],
            )

    def _drop_some(self, db: sqlite3.Connection) -> list[int]:
        """Where there are more alerts than the quota allows, remove some; for each whether it was still waiting."""
        excess = self._database.excess_pages(db)
        if excess <= 0:
            return []
        victims = db.execute(
            f"SELECT seq, waiting FROM alerts WHERE seq NOT IN ({_marks(self._out)}) "
            "ORDER BY waiting, severity, seq LIMIT ?",
            (*self._out, min(max(excess, _LEAST_DROPPED), MAX_ROWS)),
        ).fetchall()
        waiting = [int(flag) for _, flag in victims]
        self._remove(db, [seq for seq, _ in victims])
        db.execute("UPDATE counters SET value = value + ? WHERE name = 'dropped'", (sum(waiting),))
        return waiting

    def _remove(self, db: sqlite3.Connection, seqs: Collection[int]) -> int:
        return db.execute(f"DELETE FROM alerts WHERE seq IN ({_marks(seqs)})", tuple(seqs)).rowcount if seqs else 0


def _oldest_published(db: sqlite3.Connection) -> list[tuple[int, float]]:
    """(seq, when) of the first alerts that the broker has confirmed."""
    sql = "SELECT seq, published_at FROM alerts WHERE waiting = 0 ORDER BY seq LIMIT ?"
    return db.execute(sql, (MAX_ROWS,)).fetchall()


def _marks(values: Collection[object]) -> str:
    return ",".join("?" * len(values))
