"""Frames on the wire: COBS between zero bytes, around version, type, sequence, length, payload and a CRC-32.

``docs/link.md`` has the byte tables. The CRC has 32 bits because a line that is disturbed all the time must not let a
bad frame through: of a million damaged frames, 16 bits would accept about fifteen by chance, 32 bits none.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import NamedTuple

VERSION = 1
MAX_PAYLOAD = 512
# Version, type, sequence, length; and the CRC-32 of all that comes before it.
_HEADER, _CRC = struct.Struct("<BBHH"), struct.Struct("<I")
_LEAST, _MOST = _HEADER.size + _CRC.size, _HEADER.size + MAX_PAYLOAD + _CRC.size
# What COBS adds: one byte, and one more for each 254 bytes.
MAX_ENCODED = _MOST + 1 + _MOST // 254
# The frame type after which the sequence may be any: the device has started, or says who it is.
TYPE_HELLO = 0x02
_SEQUENCES = 1 << 16


class Frame(NamedTuple):
    """What a frame carries. ``version`` is 1, except where a peer speaks another one: then only the type is known."""

    type: int
    sequence: int
    payload: bytes
    version: int = VERSION


@dataclass
class FrameCounts:
    """What a decoder has seen: good frames, those that the sequence says are missing, and pieces that were no frames.

    ``damaged`` pieces fail COBS, the length or the CRC; ``oversized`` ones are longer than any frame. A damaged frame
    is counted as lost too, once the next good one shows the gap. ``repeated`` are frames that go back in the sequence:
    a peer that has started anew without a hello, or a frame twice.
    """

    frames: int = 0
    lost: int = 0
    damaged: int = 0
    oversized: int = 0
    foreign: int = 0
    repeated: int = 0


def encode(frame: Frame) -> bytes:
    """The frame as it goes over the wire, with the zero byte that ends it. Raises :class:`ValueError`."""
    if len(frame.payload) > MAX_PAYLOAD:
        raise ValueError(f"payload: {len(frame.payload)} bytes; at most {MAX_PAYLOAD} fit into a frame")
    body = _HEADER.pack(frame.version, frame.type, frame.sequence % _SEQUENCES, len(frame.payload)) + frame.payload
    return cobs_encode(body + _CRC.pack(zlib.crc32(body))) + b"\0"


def cobs_encode(data: bytes) -> bytes:
    """The bytes without any zero among them.

    >>> cobs_encode(bytes([1, 0, 0, 2])).hex()
    '0201010202'
    """
    encoded = bytearray()
    blocks = data.split(b"\0")
    for number, block in enumerate(blocks, start=1):
        whole = len(block) // 254 * 254
        for at in range(0, whole, 254):
            encoded.append(255)
            encoded += block[at : at + 254]
        if whole == 0 or whole < len(block) or number < len(blocks):
            encoded.append(len(block) - whole + 1)
            encoded += block[whole:]
    return bytes(encoded)


def cobs_decode(data: bytes) -> bytes | None:
    """The bytes that :func:`cobs_encode` was given; None where it cannot have made these, in which no zero may be."""
    parts: list[bytes] = []
    at, end = 0, len(data)
    while at < end:
        code = data[at]
        stop = at + code
        if stop > end:
            return None
        parts.append(data[at + 1 : stop])
        at = stop
        if code < 255 and at < end:
            parts.append(b"\0")
    return b"".join(parts)


class FrameDecoder:
    """Takes bytes as they come, in pieces of any size, and gives the frames that are whole and undamaged.

    Whatever comes, it holds at most one frame's bytes, and after a disturbance the next zero byte ends the damage: of
    undamaged frames at most one is lost with it, the one whose beginning cannot be told from it.
    """

    def __init__(self) -> None:
        self.counts = FrameCounts()
        self._rest = b""
        self._skipping = False
        self._next: int | None = None

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that end in ``data``, in order; also well-formed ones of another version, see :class:`Frame`."""
        pieces = (self._rest + data).split(b"\0")
        rest = pieces.pop()
        frames = []
        for piece in pieces:
            if self._skipping:  # the end of what was too long
                self._skipping = False
            elif piece:
                frame = self._read(piece)
                if frame is not None:
                    frames.append(frame)
        if len(rest) > MAX_ENCODED:
            self.counts.oversized += not self._skipping
            self._skipping = True
        self._rest = b"" if self._skipping else rest
        return frames

    def _read(self, piece: bytes) -> Frame | None:
        counts = self.counts
        if len(piece) > MAX_ENCODED:
            counts.oversized += 1
            return None
        body = cobs_decode(piece)
        if body is None or len(body) < _LEAST or body[-_CRC.size :] != _CRC.pack(zlib.crc32(body[: -_CRC.size])):
            counts.damaged += 1
            return None
        version, kind, sequence, length = _HEADER.unpack_from(body)
        if version != VERSION:
            counts.foreign += 1
            return Frame(kind, sequence, b"", version)
        if length != len(body) - _LEAST or length > MAX_PAYLOAD:
            counts.damaged += 1
            return None
        self._count(kind, sequence)
        return Frame(kind, sequence, body[_HEADER.size : -_CRC.size])

    def _count(self, kind: int, sequence: int) -> None:
        counts = self.counts
        counts.frames += 1
        if self._next is not None and kind != TYPE_HELLO:
            gap = (sequence - self._next) % _SEQUENCES
            if gap < _SEQUENCES // 2:
                counts.lost += gap
            else:
                counts.repeated += 1
        self._next = (sequence + 1) % _SEQUENCES
