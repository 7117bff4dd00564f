"""Rows of a table, however many: in memory while they are few, in a temporary file mapped into memory beyond that."""

from __future__ import annotations

import mmap
import os
import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from vedette.errors import OutputError

# What one store keeps in memory at most, in bytes.
IN_MEMORY = 64 * 2**20
# Rows that are worked on at a time take about this many bytes as float64.
BLOCK_BYTES = 8 * 2**20
# Where temporary files go unless TMPDIR says otherwise: unlike /tmp, this is on a disk everywhere.
LARGE_TEMPORARY = Path("/var/tmp")


class RowStore:
    """Takes rows block by block and gives them back as one array.

    The array is an ordinary one for few rows, and a read-only map of a temporary file for many: pages of it come into
    memory when they are looked at, and leave it when others need the room. The file has no name, so that it is gone
    with the array, or with the process, however that ends.
    """

    def __init__(self, width: int | None, dtype: npt.DTypeLike = np.float64) -> None:
        """Rows are ``(width,)``; without a width, they are scalars."""
        self._shape = () if width is None else (width,)
        self._dtype = np.dtype(dtype)
        self._blocks: list[npt.NDArray[Any]] = []
        self._waiting = 0
        self._file: IO[bytes] | None = None
        self._rows = 0

    def __len__(self) -> int:
        return self._rows

    def append(self, rows: npt.NDArray[Any]) -> None:
        """Add ``(n, *row)``; the array may be kept. Raises :class:`OutputError` where the disk has no room."""
        block = np.ascontiguousarray(rows, self._dtype)
        self._rows += len(block)
        if not block.size:
            return
        self._blocks.append(block)
        self._waiting += block.nbytes
        if self._waiting > IN_MEMORY or self._file is not None:
            self._write()

    def finish(self) -> npt.NDArray[Any]:
        """All rows, ``(n, *row)``. Nothing may be added afterwards."""
        shape = (self._rows, *self._shape)
        if self._file is None:
            empty = np.empty((0, *self._shape), self._dtype)
            return np.concatenate([empty, *self._blocks]).reshape(shape)
        with self._file as file:
            try:
                file.flush()
                mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            except OSError as error:
                raise self._full(error) from error
        return np.frombuffer(mapped, self._dtype).reshape(shape)

    def _write(self) -> None:
        blocks, self._blocks, self._waiting = self._blocks, [], 0
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(dir=_folder())  # noqa: SIM115 - closed with the store
                weakref.finalize(self, self._file.close)
            for block in blocks:
                self._file.write(block.data.cast("B"))
        except OSError as error:
            raise self._full(error) from error

    def _full(self, error: OSError) -> OutputError:
        size = self._rows * self._dtype.itemsize * int(np.prod(self._shape))
        return OutputError(
            f"{_folder()}: no place for the data while it is worked on, {size / 1e9:.1f} GB so far ({error.strerror}); "
            "make room, or set TMPDIR to a folder on a larger disk"
        )


def _folder() -> str:
    if os.environ.get("TMPDIR") or not LARGE_TEMPORARY.is_dir():
        return tempfile.gettempdir()
    return str(LARGE_TEMPORARY)


def spans(rows: npt.NDArray[Any], start: int = 0, stop: int | None = None) -> Iterator[slice]:
    """Slices that together are the rows from ``start`` to before ``stop``, each small enough to work on at a time.

    A mapped array's pages are let go after each, so that a pass over all of it does not fill the memory.

    >>> list(spans(np.zeros((5, 2)), 1, 4))
    [slice(1, 4, None)]
    """
    stop = len(rows) if stop is None else stop
    step = max(1, BLOCK_BYTES // (8 * int(np.prod(rows.shape[1:]))))
    for first in range(start, stop, step):
        yield slice(first, min(first + step, stop))
        release(rows)


def release(rows: npt.NDArray[Any]) -> None:
    """Let go of the memory that a mapped array's pages take; they are read again when they are needed."""
    base: Any = rows
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, memoryview) and isinstance(base.obj, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        base.obj.madvise(mmap.MADV_DONTNEED)
