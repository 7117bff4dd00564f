"""What a consumer remembers: the ids of the newest events that it has dealt with, in memory or in a file."""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from pathlib import Path

from vedette.errors import OutputError

# An event that comes again comes within days; this is a year of alerts at one in five minutes, and 12 MB of file.
MAX_IDS = 100_000
_SCHEMA = "CREATE TABLE IF NOT EXISTS seen (place INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE)"


class SeenIds:
    """A bounded set of ids. With a file it outlives the process, and costs one small write for each new id.

    The write reaches the operating system before :meth:`add` returns, so a killed process forgets nothing. A power cut
    may cost the newest ids: their events may be seen twice, and none is lost.
    """

    def __init__(self, path: Path | None = None, *, limit: int = MAX_IDS) -> None:
        """Open or create the file. Raises :class:`OutputError`."""
        self._limit = limit
        self._path = path
        self._ids: OrderedDict[str, None] = OrderedDict()
        self._db: sqlite3.Connection | None = None
        if path is None:
            return
        try:
            # The network thread adds while the main one opens and closes.
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0.5)
            for setting in ("locking_mode=EXCLUSIVE", "journal_mode=WAL", "synchronous=NORMAL"):
                self._db.execute(f"PRAGMA {setting}").fetchall()
            self._db.execute(_SCHEMA)
            rows = self._db.execute("SELECT id FROM seen ORDER BY place DESC LIMIT ?", (limit,)).fetchall()
        except sqlite3.Error as error:
            self.close()
            raise self._error(error) from error
        self._ids = OrderedDict.fromkeys(identity for (identity,) in reversed(rows))

    def __contains__(self, identity: str) -> bool:
        return identity in self._ids

    def add(self, identity: str) -> None:
        """Remember an id, and forget the oldest where there are too many. Raises :class:`OutputError`."""
        if self._db is not None:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                place = self._db.execute("INSERT INTO seen (id) VALUES (?)", (identity,)).lastrowid or 0
                self._db.execute("DELETE FROM seen WHERE place <= ?", (place - self._limit,))
                self._db.execute("COMMIT")
            except sqlite3.Error as error:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise self._error(error) from error
        self._ids[identity] = None
        if len(self._ids) > self._limit:
            self._ids.popitem(last=False)

    def close(self) -> None:
        """Let go of the file."""
        if self._db is not None:
            self._db.close()
            self._db = None

    def _error(self, error: sqlite3.Error) -> OutputError:
        if "locked" in str(error):
            return OutputError(f"{self._path}: another consumer uses this state file; give each one its own")
        return OutputError(f"{self._path}: expected a state file of `vedette listen`, or none yet: {error}")
