"""A reader of FlatBuffers that no damaged byte can lead astray: every access is checked against the buffer's bounds.

The wire format is that of https://flatbuffers.dev/internals/. The readers generated from a schema trust offsets and
lengths, so that a damaged file makes them loop over two thousand million elements or read from the end; and the
smallest gateway has none of them installed.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import numpy.typing as npt

from vedette.errors import ModelError


class Table:
    """A table at position ``at`` of ``data``; fields are named by their position in the schema's table.

    Every method returns the default where the field is absent, and raises :class:`ModelError` where it points outside
    the buffer.
    """

    __slots__ = ("_at", "_data", "_fields")

    def __init__(self, data: bytes, at: int) -> None:
        self._data, self._at = data, at
        vtable = at - _unpack("<i", data, at)
        size = _unpack("<H", data, vtable)
        count = max(0, size - 4) // 2
        self._fields: tuple[int, ...] = _unpack_all(f"<{count}H", data, vtable + 4)

    @classmethod
    def root(cls, data: bytes) -> Table:
        """The root table of a buffer."""
        return cls(data, _unpack("<I", data, 0))

    def integer(self, field: int, default: int = 0, *, form: str = "<i") -> int:
        """A number; ``form`` is its struct format, int32 unless said otherwise."""
        at = self._position(field)
        return default if at is None else _unpack(form, self._data, at)

    def byte(self, field: int, default: int = 0) -> int:
        """An int8, which is what enumerations and booleans are stored as."""
        return self.integer(field, default, form="<b")

    def table(self, field: int) -> Table | None:
        """A table."""
        at = self._target(field)
        return None if at is None else Table(self._data, at)

    def tables(self, field: int, *, limit: int) -> list[Table]:
        """A vector of at most ``limit`` tables."""
        offsets = self.array(field, "<u4")
        if len(offsets) > limit:
            raise ModelError(f"the model is damaged: a list of {len(offsets):,}; at most {limit:,} are possible")
        end = (self._target(field) or 0) + 4
        return [Table(self._data, end + 4 * number + int(offset)) for number, offset in enumerate(offsets)]

    def array(self, field: int, dtype: str) -> npt.NDArray[Any]:
        """A vector of numbers, as a view of the buffer."""
        at = self._target(field)
        if at is None:
            return np.empty(0, dtype)
        count = _unpack("<I", self._data, at)
        if at + 4 + count * np.dtype(dtype).itemsize > len(self._data):
            raise ModelError(
                f"the model is damaged: a list of {count:,} numbers does not fit its {len(self._data):,} bytes"
            )
        return np.frombuffer(self._data, dtype, count, at + 4)

    def text(self, field: int) -> str:
        """A string; what is no UTF-8 is replaced."""
        return self.array(field, "<u1").tobytes().decode("utf-8", "replace")

    def has(self, field: int) -> bool:
        """Whether the field is present."""
        return self._position(field) is not None

    def _position(self, field: int) -> int | None:
        offset = self._fields[field] if field < len(self._fields) else 0
        return self._at + offset if offset else None

    def _target(self, field: int) -> int | None:
        at = self._position(field)
        return None if at is None else at + _unpack("<I", self._data, at)


def _unpack(form: str, data: bytes, at: int) -> int:
    value: int = _unpack_all(form, data, at)[0]
    return value


def _unpack_all(form: str, data: bytes, at: int) -> tuple[int, ...]:
    if not 0 <= at <= len(data) - struct.calcsize(form):
        raise ModelError(f"the model is damaged: an offset points to byte {at:,} of {len(data):,}")
    return struct.unpack_from(form, data, at)
