"""Frames through a line that damages them: how many bad ones are accepted, and how soon good ones are again."""

from __future__ import annotations

import random
import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from vedette.firmware_bridge.link.frames import Frame, FrameDecoder, encode

BATCH = 500
# Of the frames, so many are damaged.
DAMAGED_PART = 0.3


class Damage(Enum):
    """What happens to the bytes of a frame."""

    BITS = "some bits flipped"
    BYTES = "a run of bytes replaced"
    CUT = "a part missing"
    INSERTED = "bytes inserted"
    DELIMITER = "its end missing"
    SWAPPED = "two bytes swapped"
    GARBAGE = "garbage before it"


@dataclass
class NoiseResult:
    """What came of it. ``longest_loss`` is the most frames in a row that were lost though nothing happened to them."""

    sent: int = 0
    untouched: int = 0
    accepted: int = 0
    bad: int = 0
    longest_loss: int = 0
    damaged: Counter[Damage] = field(default_factory=Counter)


Decode = Callable[[bytes], list[Frame]]


def run_noise(frames: int, *, seed: int = 0, decode: Decode | None = None) -> NoiseResult:
    """Send so many frames; ``decode`` takes bytes and gives the frames in them, by default the gateway's decoder.

    A frame that was not sent just so is bad, whatever happened to it.
    """
    rng = random.Random(seed)
    feed = decode or FrameDecoder().feed
    result = NoiseResult()
    run = 0
    while result.sent < frames:
        sent: dict[int, tuple[Frame, bool]] = {}
        wire = bytearray()
        for _ in range(min(BATCH, frames - result.sent)):
            number = result.sent
            result.sent += 1
            frame = Frame(rng.randrange(1, 12), number % 65536, struct.pack("<Q", number) + _payload(rng))
            clean = encode(frame)
            damaged = clean
            if rng.random() < DAMAGED_PART:
                damage = rng.choice(list(Damage))
                damaged = _harm(clean, damage, rng)
                result.damaged[damage] += damaged != clean
            touched = damaged != clean
            result.untouched += not touched
            sent[number] = frame, touched
            wire += damaged
        wire += b"\0"  # what is left open at the end of a batch ends here
        accepted = set()
        for frame in feed(bytes(wire)):
            number = struct.unpack_from("<Q", frame.payload)[0] if len(frame.payload) >= 8 else -1
            if number not in sent or sent[number][0] != frame:
                result.bad += 1
            else:
                accepted.add(number)
        result.accepted += len(accepted)
        for number, (_, touched) in sent.items():
            run = 0 if touched or number in accepted else run + 1
            result.longest_loss = max(result.longest_loss, run)
    return result


def _payload(rng: random.Random) -> bytes:
    """Bytes as they occur: noise, many zeros, floats of a quiet sensor."""
    size = rng.choice((0, 1, 12, 40, 100, 245, 246, 260, 500))
    kind = rng.randrange(3)
    if kind == 0:
        return rng.randbytes(size)
    if kind == 1:
        return bytes(size)
    return struct.pack("<f", rng.choice((0.0, 1.0, 21.5))) * (size // 4)


def _harm(wire: bytes, damage: Damage, rng: random.Random) -> bytes:
    data = bytearray(wire)
    place = rng.randrange(len(data))
    if damage is Damage.BITS:
        for _ in range(rng.randint(1, 8)):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif damage is Damage.BYTES:
        size = min(rng.randint(1, 20), len(data) - place)
        data[place : place + size] = rng.randbytes(size)
    elif damage is Damage.CUT:
        del data[place : place + rng.randint(1, 60)]
    elif damage is Damage.INSERTED:
        data[place:place] = rng.randbytes(rng.randint(1, 30))
    elif damage is Damage.DELIMITER:
        del data[-1]
    elif damage is Damage.SWAPPED:
        other = rng.randrange(len(data))
        data[place], data[other] = data[other], data[place]
    else:
        data[:0] = rng.randbytes(rng.randint(1, 1500))
    return bytes(data)
