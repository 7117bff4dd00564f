"""Space kept back for the day when the disk is full: a file that is given up so that a database can go on working.

On a full disk SQLite cannot even delete, because a deletion is first written to the WAL.
"""

from __future__ import annotations

import os
from pathlib import Path

BALLAST_BYTES, BALLAST_SUFFIX = 512 * 1024, ".ballast"
# The ballast is made again when this much is free, so that making it does not fill the disk at once.
ROOM_BYTES = 4 * BALLAST_BYTES


class Ballast:
    """The file beside a database. Everything here is best effort and raises nothing."""

    def __init__(self, database: Path) -> None:
        self.path = database.with_name(database.name + BALLAST_SUFFIX)

    @property
    def held(self) -> bool:
        """Whether the whole file is there."""
        try:
            return self.path.stat().st_size >= BALLAST_BYTES
        except OSError:
            return False

    def hold(self, *, room: int = ROOM_BYTES) -> bool:
        """Make the file where it is not there and ``room`` bytes are free; says whether it is there now.

        The space is allocated, not written: it costs a flash memory nothing.
        """
        if self.held:
            return True
        try:
            state = os.statvfs(self.path.parent)
            if state.f_bavail * state.f_frsize < room:
                return False
            handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(handle, 0, BALLAST_BYTES)
            finally:
                os.close(handle)
        except OSError:
            self.release()
        return self.held

    def release(self) -> bool:
        """Give up the file; says whether there was one."""
        try:
            self.path.unlink()
        except OSError:
            return False
        return True
