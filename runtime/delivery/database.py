"""A SQLite file that bears what a gateway's disk does to it: power cuts, a full disk, faults, a disk that comes back.

WAL with ``synchronous=FULL`` lost no committed row in any simulated power cut. The file, its WAL and its ballast
together stay below a quota. Whatever fails leaves the database as it was, and the next access tries again.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from vedette.errors import OutputError
from vedette.runtime.delivery.ballast import BALLAST_BYTES, BALLAST_SUFFIX, Ballast

# Rows that one transaction may touch: it bounds the WAL, whatever the state of the database.
MAX_ROWS = 32
# The WAL's part of the quota: a checkpoint follows at 128 pages, and one transaction writes less than the rest.
WAL_RESERVE_BYTES = 2 * 1024 * 1024
_CHECKPOINT_PAGES = 128
_PAGE_BYTES = 4096
# New rows come in before old ones go: pages kept free for them.
_SPARE_PAGES = 64
# What a full disk leaves: so many pages of the ballast for new rows, and a WAL that is emptied early.
_FULL_GROWTH_PAGES, _FULL_CHECKPOINT_PAGES = 48, 16
# A disk with less than this is full, whether or not a write has failed yet.
_LEAST_FREE_BYTES = 64 * 1024

T = TypeVar("T")


class StorageError(OutputError):
    """The database cannot be read or written just now, for example because the disk is full."""


class Database:
    """One owner's connection, opened again after a fault."""

    def __init__(
        self,
        path: Path,
        *,
        schema: str,
        version: int,
        max_bytes: int,
        on_open: Callable[[sqlite3.Connection], None],
        make_room: Callable[[sqlite3.Connection], int],
    ) -> None:
        """Open the file, or create it with ``schema``. ``on_open`` reads what its owner keeps in memory.

        ``make_room`` removes up to ``MAX_ROWS`` rows that are not needed, on a full disk, and says how many.
        Raises :class:`OutputError` where the file cannot be opened, is something else, or has another owner.
        """
        self.path = path
        self.max_pages = (max_bytes - WAL_RESERVE_BYTES - BALLAST_BYTES) // _PAGE_BYTES
        self._schema, self._version = schema, version
        self._on_open, self._room_maker = on_open, make_room
        self._ballast = Ballast(path)
        self._full = False
        self._db: sqlite3.Connection | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                db = self._open()
            except sqlite3.Error as error:
                if not (_is_full(error) and self._ballast.release()):
                    raise
                db = self._open()
        except OSError as error:
            raise OutputError(f"{path}: the outbox cannot be opened: {error}; set [outbox] path") from error
        except sqlite3.Error as error:
            raise OutputError(f"{path}: {_explain(error)}") from error
        self._full = not self._ballast.hold(room=BALLAST_BYTES + WAL_RESERVE_BYTES)
        self._limit_growth(db)

    def read(self, sql: str, values: Sequence[object] = ()) -> list[tuple[object, ...]]:
        """All rows of a query. Raises :class:`StorageError`."""
        try:
            return (self._db or self._open()).execute(sql, values).fetchall()
        except (OSError, sqlite3.Error) as error:
            raise self._failure(error) from error

    def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do ``work`` in one transaction, durably; on a full disk once more with what room can be made.

        Raises :class:`StorageError`; then nothing is changed, unless the disk failed while it confirmed the commit.
        """
        try:
            try:
                return self._attempt(work)
            except sqlite3.Error as error:
                if not (_is_full(error) and self._make_room()):
                    raise
                return self._attempt(work)
        except (OSError, sqlite3.Error) as error:
            raise self._failure(error) from error

    def watch(self) -> str | None:
        """What is wrong with the disk, without writing to it; None when nothing is.

        When a full disk has room again, the ballast is made anew and the database may grow again.
        """
        try:
            state = os.statvfs(self.path.parent)
            if state.f_flag & os.ST_RDONLY:
                return f"{self.path}: the file system is read-only"
            free = state.f_bavail * state.f_frsize
        except OSError as error:
            return f"{self.path}: the outbox cannot be reached: {error}"
        if free < _LEAST_FREE_BYTES or not self._ballast.hold():
            return f"{self.path}: the disk is full; alerts are stored in the room that is left"
        if self._full and self._db is not None:
            self._full = False
            self._limit_growth(self._db)
        return None

    def excess_pages(self, db: sqlite3.Connection) -> int:
        """How many pages must come free before more rows come in; none when not above 0."""
        used = number(db, "PRAGMA page_count") - number(db, "PRAGMA freelist_count")
        return used - (self.max_pages - _SPARE_PAGES)

    def bytes_on_disk(self) -> int:
        """The size of all its files."""
        return bytes_of(self.path)

    def close(self) -> None:
        """Let go of the files."""
        if self._db is not None:
            self._db.close()
            self._db = None

    def _open(self) -> sqlite3.Connection:
        new = not self.path.exists()
        db = sqlite3.connect(self.path, isolation_level=None, timeout=0.5)
        try:
            for setting in (
                f"page_size={_PAGE_BYTES}",
                "locking_mode=EXCLUSIVE",
                "journal_mode=WAL",
                "synchronous=FULL",
                f"journal_size_limit={WAL_RESERVE_BYTES // 2}",
            ):
                db.execute(f"PRAGMA {setting}").fetchall()
            version = number(db, "PRAGMA user_version")
            if version not in (0, self._version):
                raise sqlite3.DatabaseError(f"its format is {version}, this vedette writes {self._version}")
            if version == 0:
                db.executescript(f"BEGIN IMMEDIATE; {self._schema} PRAGMA user_version = {self._version}; COMMIT;")
            if new:
                _sync_folder(self.path.parent)
            self._on_open(db)
            self._limit_growth(db)
        except BaseException:
            db.close()
            raise
        self._db = db
        return db

    def _limit_growth(self, db: sqlite3.Connection) -> None:
        """On a full disk only a part of the ballast is for new rows: nothing can be removed without a WAL."""
        limit = number(db, "PRAGMA page_count") + _FULL_GROWTH_PAGES if self._full else self.max_pages
        db.execute(f"PRAGMA max_page_count={min(limit, self.max_pages)}").fetchall()
        checkpoint = _FULL_CHECKPOINT_PAGES if self._full else _CHECKPOINT_PAGES
        db.execute(f"PRAGMA wal_autocheckpoint={checkpoint}").fetchall()

    def _attempt(self, work: Callable[[sqlite3.Connection], T]) -> T:
        db = self._db or self._open()
        try:
            db.execute("BEGIN IMMEDIATE")
            result = work(db)
            db.execute("COMMIT")
        except sqlite3.Error:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
        return result

    def _make_room(self) -> bool:
        """Give up the ballast, and rows that are not needed; says whether that helped."""
        released = self._ballast.release()
        if released and self._db is not None:
            self._full = True
            self._limit_growth(self._db)
        try:
            return self._attempt(self._room_maker) > 0 or released
        except sqlite3.Error:
            return released

    def _failure(self, error: Exception) -> StorageError:
        """The error to raise. But for a full disk the next access opens the files anew: the disk may be another."""
        if not _is_full(error):
            self.close()
        return StorageError(f"{self.path}: {_explain(error)}")


def files_of(path: Path) -> list[Path]:
    """The files of the database at ``path`` that are there: itself, its WAL, and its ballast."""
    names = (path.name + suffix for suffix in ("", "-wal", "-shm", "-journal", BALLAST_SUFFIX))
    return [file for file in map(path.with_name, names) if file.is_file()]


def bytes_of(path: Path) -> int:
    """The size of the files of the database at ``path``."""
    total = 0
    for file in files_of(path):
        with suppress(OSError):  # gone meanwhile
            total += file.stat().st_size
    return total


def number(db: sqlite3.Connection, sql: str) -> int:
    """The one number that a query gives."""
    value: int = db.execute(sql).fetchall()[0][0]
    return value


def _sync_folder(folder: Path) -> None:
    """Make a new file's name durable, and its folder's."""
    for place in (folder, folder.parent):
        handle = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _is_full(error: Exception) -> bool:
    return "is full" in str(error)


def _explain(error: Exception) -> str:
    if "locked" in str(error):
        return "the outbox is in use by another `vedette run`; give each gateway its own [outbox] path"
    if isinstance(error, (OSError, sqlite3.OperationalError)):
        return f"the outbox cannot be written: {error}"
    return f"not an outbox, or damaged: {error}; move the file away to start with an empty one"
