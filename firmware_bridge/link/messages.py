"""What frames carry, as typed messages; ``docs/link.md`` has the byte tables.

Reading is strict and bounded: a payload is either exactly one message of its type, or a :class:`MessageError`.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from vedette.errors import DataError, VedetteError
from vedette.firmware_bridge.link.frames import MAX_PAYLOAD, TYPE_HELLO

MAX_CHANNELS, MAX_SHARES = 126, 16
MAX_TEXT_BYTES, MAX_LOG_BYTES = 64, 256
PHASES = ("new", "update", "end")
# The level of a log message: the numbers of Python's logging.
LEVELS = (10, 20, 30, 40)
ERROR_VERSION = 1

T = TypeVar("T")


class MessageError(DataError):
    """A frame that is whole, but whose payload is no message of its type."""


class Message(Protocol):
    """A message of any kind; ``TYPE`` is the frame's type."""

    TYPE: ClassVar[int]

    def payload(self) -> bytes:
        """Its bytes. Raises :class:`ValueError` where they would not fit into a frame."""

    @classmethod
    def read(cls, payload: bytes) -> Message:
        """The message of these bytes. Raises :class:`MessageError`."""


@dataclass(frozen=True)
class HelloRequest:
    """The gateway asks who is there, and says which versions of the link it speaks. The same in every version."""

    oldest: int
    newest: int
    TYPE: ClassVar[int] = 0x01

    def payload(self) -> bytes:
        """Two bytes."""
        return struct.pack("<BB", self.oldest, self.newest)

    @classmethod
    def read(cls, payload: bytes) -> HelloRequest:
        """Raises :class:`MessageError`."""
        reader = _Reader("hello request", payload)
        return reader.end(cls(*reader.take("<BB")))


@dataclass(frozen=True)
class Hello:
    """Who the device is, at its start and whenever it is asked.

    ``session`` differs from start to start. ``period_us`` is the time between samples in microseconds, 0 where they
    come at irregular times. ``scores`` says that the firmware scores by itself and sends alerts. ``model`` and its
    version and sequence name the detector in the firmware, empty where there is none. ``channels`` is their number.
    """

    session: int
    period_us: int
    scores: bool
    channels: int
    device: str
    firmware: str
    model: str
    model_version: str
    model_sequence: int
    TYPE: ClassVar[int] = TYPE_HELLO

    def payload(self) -> bytes:
        """14 bytes and four texts."""
        head = struct.pack(
            "<IIIBB", self.session, self.period_us, self.model_sequence, self.scores, self.channels
        )  # fmt: skip
        return head + b"".join(_text(text) for text in (self.device, self.firmware, self.model, self.model_version))

    @classmethod
    def read(cls, payload: bytes) -> Hello:
        """Raises :class:`MessageError`."""
        reader = _Reader("hello", payload)
        session, period_us, sequence, flags, channels = reader.take("<IIIBB")
        if flags > 1 or not 1 <= channels <= MAX_CHANNELS:
            raise reader.error(f"expected flags 0 or 1 and 1 to {MAX_CHANNELS} channels, found {flags} and {channels}")
        device, firmware, model, version = (reader.text() for _ in range(4))
        return reader.end(
            cls(session, period_us, flags == 1, channels, device, firmware, model, version, sequence)
        )  # fmt: skip


class ChannelUnit(NamedTuple):
    """One channel of the device; the unit is empty where it is not said."""

    name: str
    unit: str


@dataclass(frozen=True)
class Channels:
    """Some of the device's channels, in order, from number ``first`` on; follows the hello, in as many as it takes."""

    first: int
    channels: tuple[ChannelUnit, ...]
    TYPE: ClassVar[int] = 0x03

    def payload(self) -> bytes:
        """Two bytes, and two texts for each channel."""
        texts = b"".join(_text(channel.name) + _text(channel.unit) for channel in self.channels)
        return _fitting(struct.pack("<BB", self.first, len(self.channels)) + texts)

    @classmethod
    def read(cls, payload: bytes) -> Channels:
        """Raises :class:`MessageError`."""
        reader = _Reader("channels", payload)
        first, count = reader.take("<BB")
        if not count or first + count > MAX_CHANNELS:
            raise reader.error(f"expected 1 to {MAX_CHANNELS} channels, found {count} from number {first} on")
        return reader.end(cls(first, tuple(ChannelUnit(reader.text(), reader.text()) for _ in range(count))))


@dataclass(frozen=True, eq=False)
class Samples:
    """Rows of readings, shape ``(rows, channels)`` float32, NaN where one is missing.

    ``time_ms`` is the device's millisecond counter at the first row; the others follow at the period of the hello.
    """

    time_ms: int
    values: npt.NDArray[np.float32]
    TYPE: ClassVar[int] = 0x04

    def payload(self) -> bytes:
        """6 bytes and the rows."""
        rows, channels = self.values.shape
        return _fitting(struct.pack("<IBB", self.time_ms, rows, channels) + self.values.astype("<f4").tobytes())

    @classmethod
    def read(cls, payload: bytes) -> Samples:
        """Raises :class:`MessageError`."""
        reader = _Reader("samples", payload)
        time_ms, rows, channels = reader.take("<IBB")
        if not rows or not 1 <= channels <= MAX_CHANNELS:
            raise reader.error(f"expected at least one row of 1 to {MAX_CHANNELS}, found {rows} of {channels}")
        values = np.frombuffer(reader.bytes(rows * channels * 4), "<f4").reshape(rows, channels)
        return reader.end(cls(time_ms, values.astype(np.float32, copy=False)))


@dataclass(frozen=True)
class Score:
    """The newest score of a device that scores, whether or not it is above the threshold."""

    time_ms: int
    score: float
    threshold: float
    TYPE: ClassVar[int] = 0x05

    def payload(self) -> bytes:
        """20 bytes."""
        return struct.pack("<Idd", self.time_ms, self.score, self.threshold)

    @classmethod
    def read(cls, payload: bytes) -> Score:
        """Raises :class:`MessageError`."""
        reader = _Reader("score", payload)
        time_ms, score, threshold = reader.take("<Idd")
        reader.sane(score, threshold=threshold)
        return reader.end(cls(time_ms, score, threshold))


class Share(NamedTuple):
    """A channel's part in an alert, by its number in the hello: share of the score, last reading and expectation."""

    channel: int
    share: float
    observed: float
    expected: float


@dataclass(frozen=True)
class AlertStep:
    """One step of an incident. The device sends it again until it is acknowledged.

    ``incident`` counts the incidents since the device's start, ``step`` the steps of one, from 1. The severity is the
    score, at the end the peak, over the threshold. ``end_ms`` counts in the phase ``end`` alone.
    """

    incident: int
    step: int
    phase: str
    time_ms: int
    start_ms: int
    end_ms: int
    score: float
    threshold: float
    peak: float
    shares: tuple[Share, ...]
    TYPE: ClassVar[int] = 0x06

    def payload(self) -> bytes:
        """44 bytes, and 13 for each share."""
        head = struct.pack(
            "<IHBBIIIddd", self.incident, self.step, PHASES.index(self.phase) + 1, len(self.shares), self.time_ms,
            self.start_ms, self.end_ms, self.score, self.threshold, self.peak,
        )  # fmt: skip
        return _fitting(head + b"".join(struct.pack("<Bfff", *share) for share in self.shares))

    @classmethod
    def read(cls, payload: bytes) -> AlertStep:
        """Raises :class:`MessageError`."""
        reader = _Reader("alert", payload)
        incident, step, phase, count, time_ms, start_ms, end_ms, score, threshold, peak = reader.take("<IHBBIIIddd")
        if not 1 <= phase <= len(PHASES) or count > MAX_SHARES or not step:
            raise reader.error(f"expected a phase 1 to 3, a step and at most {MAX_SHARES} shares")
        reader.sane(score, peak, threshold=threshold)
        shares = tuple(Share(*reader.take("<Bfff")) for _ in range(count))
        if not all(math.isfinite(share.share) for share in shares):
            raise reader.error("expected finite shares")
        told = PHASES[phase - 1]
        return reader.end(cls(incident, step, told, time_ms, start_ms, end_ms, score, threshold, peak, shares))


@dataclass(frozen=True)
class Log:
    """A line for the gateway's log."""

    time_ms: int
    level: int
    text: str
    TYPE: ClassVar[int] = 0x07

    def payload(self) -> bytes:
        """5 bytes and the text."""
        return struct.pack("<IB", self.time_ms, self.level) + self.text.encode()[:MAX_LOG_BYTES]

    @classmethod
    def read(cls, payload: bytes) -> Log:
        """Characters that are no text or could fake a line become ``?``. Raises :class:`MessageError`."""
        reader = _Reader("log", payload)
        time_ms, level = reader.take("<IB")
        if level not in LEVELS or reader.left > MAX_LOG_BYTES:
            raise reader.error(f"expected a level of {LEVELS} and at most {MAX_LOG_BYTES} bytes")
        text = reader.bytes(reader.left).decode(errors="replace")
        return cls(time_ms, level, "".join(char if char.isprintable() else "?" for char in text))


@dataclass(frozen=True)
class TimeRequest:
    """The gateway asks for the device's millisecond counter; the reply repeats the token."""

    token: int
    TYPE: ClassVar[int] = 0x08

    def payload(self) -> bytes:
        """Four bytes."""
        return struct.pack("<I", self.token)

    @classmethod
    def read(cls, payload: bytes) -> TimeRequest:
        """Raises :class:`MessageError`."""
        reader = _Reader("time request", payload)
        return reader.end(cls(*reader.take("<I")))


@dataclass(frozen=True)
class TimeReply:
    """The device's millisecond counter, read right before it replies."""

    token: int
    time_ms: int
    TYPE: ClassVar[int] = 0x09

    def payload(self) -> bytes:
        """Eight bytes."""
        return struct.pack("<II", self.token, self.time_ms)

    @classmethod
    def read(cls, payload: bytes) -> TimeReply:
        """Raises :class:`MessageError`."""
        reader = _Reader("time reply", payload)
        return reader.end(cls(*reader.take("<II")))


@dataclass(frozen=True)
class Ack:
    """The gateway has stored that step of that incident durably."""

    incident: int
    step: int
    TYPE: ClassVar[int] = 0x0A

    def payload(self) -> bytes:
        """Six bytes."""
        return struct.pack("<IH", self.incident, self.step)

    @classmethod
    def read(cls, payload: bytes) -> Ack:
        """Raises :class:`MessageError`."""
        reader = _Reader("ack", payload)
        return reader.end(cls(*reader.take("<IH")))


@dataclass(frozen=True)
class Error:
    """What a peer cannot do; ``code`` 1: it does not speak that version. The same in every version."""

    code: int
    text: str
    TYPE: ClassVar[int] = 0x0B

    def payload(self) -> bytes:
        """One byte and the text."""
        return struct.pack("<B", self.code) + self.text.encode()[:MAX_LOG_BYTES]

    @classmethod
    def read(cls, payload: bytes) -> Error:
        """Raises :class:`MessageError`."""
        reader = _Reader("error", payload)
        (code,) = reader.take("<B")
        if reader.left > MAX_LOG_BYTES:
            raise reader.error(f"expected at most {MAX_LOG_BYTES} bytes of text")
        text = reader.bytes(reader.left).decode(errors="replace")
        return cls(code, "".join(char if char.isprintable() else "?" for char in text))


ALL: tuple[type[Message], ...] = (
    HelloRequest, Hello, Channels, Samples, Score, AlertStep, Log, TimeRequest, TimeReply, Ack, Error,
)  # fmt: skip
_BY_TYPE = {kind.TYPE: kind for kind in ALL}


def read(kind: int, payload: bytes) -> Message:
    """The message in a frame of type ``kind``. Raises :class:`MessageError`."""
    found = _BY_TYPE.get(kind)
    if found is None:
        raise MessageError(f"a frame of type 0x{kind:02x}, which version 1 of the link does not have")
    return found.read(payload)


class _Reader:
    """Takes values out of a payload, in order."""

    def __init__(self, what: str, payload: bytes) -> None:
        self._what, self._payload, self._at = what, payload, 0

    @property
    def left(self) -> int:
        """Bytes that are still there."""
        return len(self._payload) - self._at

    def error(self, text: str) -> VedetteError:
        return MessageError(f"{self._what}: {text}")

    def bytes(self, count: int) -> bytes:
        if count > self.left:
            raise self.error(f"{len(self._payload)} bytes are too few")
        self._at += count
        return self._payload[self._at - count : self._at]

    def take(self, form: str) -> tuple[int, ...]:
        return struct.unpack(form, self.bytes(struct.calcsize(form)))

    def text(self) -> str:
        (length,) = self.take("<B")
        try:
            text = self.bytes(length).decode()
        except UnicodeDecodeError:
            raise self.error("a text that is not UTF-8") from None
        if length > MAX_TEXT_BYTES or not text.isprintable():
            raise self.error(f"expected texts of at most {MAX_TEXT_BYTES} bytes without control characters")
        return text

    def sane(self, *scores: float, threshold: float) -> None:
        """Raises :class:`MessageError` for scores and thresholds that no detector gives."""
        if not (all(math.isfinite(score) and score >= 0 for score in scores) and 0 < threshold < math.inf):
            raise self.error(f"expected finite scores and a threshold above 0, found {scores} and {threshold}")

    def end(self, message: T) -> T:
        if self.left:
            raise self.error(f"{self.left} bytes too many")
        return message


def _text(text: str) -> bytes:
    data = text.encode()
    if len(data) > MAX_TEXT_BYTES:
        raise ValueError(f"expected a text of at most {MAX_TEXT_BYTES} bytes, found {len(data)}")
    return bytes((len(data),)) + data


def _fitting(payload: bytes) -> bytes:
    if len(payload) > MAX_PAYLOAD:
        raise ValueError(f"payload: {len(payload)} bytes; at most {MAX_PAYLOAD} fit into a frame")
    return payload
