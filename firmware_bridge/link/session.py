"""The gateway's half of the protocol, without any port: bytes and moments in, events and bytes out.

It asks for the hello until it has all of it, measures the device's clock, and gives rows and alerts with times.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from vedette.firmware_bridge.link import messages
from vedette.firmware_bridge.link.clock import DeviceClock, RowTimes
from vedette.firmware_bridge.link.frames import VERSION, Frame, FrameDecoder, encode
from vedette.firmware_bridge.link.messages import (
    Ack,
    AlertStep,
    Channels,
    ChannelUnit,
    Error,
    Hello,
    HelloRequest,
    Log,
    Message,
    MessageError,
    Samples,
    Score,
    TimeReply,
    TimeRequest,
)

ASK_EVERY_S = 1.0
# The clock is measured a few times at once, since the shortest round trip tells most, and then every few seconds.
FIRST_TRIPS, SYNC_EVERY_S, TRIP_PATIENCE_S = 8, 5.0, 0.5
# A device that does not answer time requests gets the time of arrival of its next message.
CLOCK_PATIENCE_S = 2.0
# Bytes without any frame, for so long: that is another baud rate, or no vedette firmware.
DEAF_AFTER_S, DEAF_BYTES = 3.0, 64
REFUSE_EVERY_S = 5.0


@dataclass(frozen=True)
class Device:
    """A device that has said who it is."""

    hello: Hello
    channels: tuple[ChannelUnit, ...]


class Ready(NamedTuple):
    """The device is there: for the first time, after a start, or as another one than before."""

    device: Device


class Rows(NamedTuple):
    """Readings, shape ``(rows, channels)``, with the moment of each row on the monotonic clock in seconds."""

    times: list[float]
    values: npt.NDArray[np.float32]


class Step(NamedTuple):
    """A step of an incident, and its moments on the monotonic clock."""

    alert: AlertStep
    time: float
    start: float
    end: float


class Scored(NamedTuple):
    """The newest score of a device that scores, and its moment."""

    score: Score
    time: float


class Told(NamedTuple):
    """A line of the device's own log."""

    log: Log


class Complaint(NamedTuple):
    """What is wrong with the peer or the line, for people; ``rejected`` where data are lost by it."""

    text: str
    rejected: bool = False


SessionEvent: TypeAlias = Ready | Rows | Step | Scored | Told | Complaint


class Session:
    """One connection, from the opening of the port to its loss. ``device`` is None before the hello."""

    def __init__(self, now: float) -> None:
        """``now`` and all moments are seconds of the monotonic clock."""
        self.device: Device | None = None
        self.decoder = FrameDecoder()
        self._clock = DeviceClock()
        self._rows = RowTimes(0.0)
        self._hello: Hello | None = None
        self._channels: list[ChannelUnit] = []
        self._sequence = 0
        self._out = bytearray(b"\0")  # ends whatever the device may have half received
        self._ask_at = self._opened = now
        self._ready_at = now
        self._token, self._sent_at, self._waiting = 0, 0.0, False
        self._trips, self._sync_at = 0, now
        self._refused_at = -REFUSE_EVERY_S
        self._bytes, self._deaf_told = 0, False

    def receive(self, data: bytes, now: float) -> list[SessionEvent]:
        """Take what came at ``now``."""
        self._bytes += len(data)
        events: list[SessionEvent] = []
        for frame in self.decoder.feed(data):
            if frame.version != VERSION:
                self._refuse(frame, now, events)
                continue
            try:
                self._take(messages.read(frame.type, frame.payload), now, events)
            except MessageError as error:
                events.append(Complaint(f"a frame that cannot be used: {error}", rejected=True))
        if self._is_deaf(now):
            text = f"{self._bytes:,} bytes came, and no frame of the link in them"
            events.append(Complaint(f"{text}; check the baud rate, and that the firmware speaks the link", True))
        return events

    def acknowledge(self, incident: int, step: int) -> None:
        """That step is stored; the device need not send it again."""
        self._send(Ack(incident, step))

    def to_send(self, now: float) -> bytes:
        """What is to go to the device now."""
        if self.device is None:
            if now >= self._ask_at:
                self._ask_at = now + ASK_EVERY_S
                self._send(HelloRequest(VERSION, VERSION))
        elif now >= self._sync_at:
            self._token = (self._token + 1) % (1 << 32)
            self._sent_at, self._waiting = now, True
            self._sync_at = now + TRIP_PATIENCE_S
            self._trips += 1
            if self._trips > FIRST_TRIPS:
                self._sync_at = now + SYNC_EVERY_S
            self._send(TimeRequest(self._token))
        out, self._out = bytes(self._out), bytearray()
        return out

    def _send(self, message: Message) -> None:
        self._out += encode(Frame(message.TYPE, self._sequence, message.payload()))
        self._sequence += 1

    def _take(self, message: Message, now: float, events: list[SessionEvent]) -> None:
        if isinstance(message, Hello):
            self._greet(message)
        elif isinstance(message, Channels):
            self._learn(message, now, events)
        elif isinstance(message, Error):
            events.append(Complaint(f"the device says: {message.text}"))
        elif isinstance(message, Log):
            events.append(Told(message))
        elif self.device is None:
            pass  # nothing can be said about it before the hello is complete
        elif isinstance(message, TimeReply):
            if self._waiting and message.token == self._token:
                self._waiting = False
                self._clock.round_trip(message.time_ms, sent=self._sent_at, received=now)
                if self._trips < FIRST_TRIPS:
                    self._sync_at = now
        elif isinstance(message, (Samples, Score, AlertStep)):
            if not self._clock.known:
                if now - self._ready_at < CLOCK_PATIENCE_S:
                    return
                self._clock.one_way(message.time_ms, now)
            self._give(message, events)

    def _give(self, message: Samples | Score | AlertStep, events: list[SessionEvent]) -> None:
        assert self.device is not None
        time = self._clock.seconds(message.time_ms)
        if isinstance(message, Score):
            events.append(Scored(message, time))
        elif isinstance(message, AlertStep):
            if any(share.channel >= self.device.hello.channels for share in message.shares):
                raise MessageError(f"alert: a channel above those {self.device.hello.channels} of the hello")
            start = time - _before(message.time_ms, message.start_ms)
            end = time - _before(message.time_ms, message.end_ms)
            events.append(Step(message, time, start, end))
        else:
            rows, channels = message.values.shape
            if channels != self.device.hello.channels:
                text = f"samples: {channels} channels, but the hello has {self.device.hello.channels}"
                raise MessageError(text)
            if rows > 1 and not self.device.hello.period_us:
                raise MessageError(f"samples: {rows} rows in a frame of a device that says no sample period")
            events.append(Rows(self._rows.of(time, rows), message.values))

    def _greet(self, hello: Hello) -> None:
        if self._hello is not None and hello.session != self._hello.session:
            self.device, self._clock, self._trips, self._waiting = None, DeviceClock(), 0, False
        if self._hello != hello:
            self._rows = RowTimes(hello.period_us / 1e6)
        self._hello, self._channels = hello, []

    def _learn(self, message: Channels, now: float, events: list[SessionEvent]) -> None:
        """Take the next channels; of others the hello is asked for again."""
        if self._hello is None or message.first != len(self._channels):
            return
        self._channels += message.channels
        if len(self._channels) < self._hello.channels:
            return
        device = Device(self._hello, tuple(self._channels))
        if len(device.channels) > self._hello.channels or len({name for name, _ in device.channels}) < len(
            device.channels
        ):
            raise MessageError(f"channels: expected {self._hello.channels} different names, found {self._channels}")
        if device != self.device:
            self.device, self._ready_at, self._sync_at = device, now, now
            events.append(Ready(device))

    def _refuse(self, frame: Frame, now: float, events: list[SessionEvent]) -> None:
        """Answer a peer of another version, in the frame that every version can read."""
        if now - self._refused_at < REFUSE_EVERY_S:
            return
        self._refused_at = now
        found = frame.version
        text = f"the device speaks version {found} of the link, this gateway speaks version {VERSION}"
        remedy = (
            "update the gateway, or build the firmware with its vedette_link.c"
            if found > VERSION
            else "build the firmware with the vedette_link.c of this vedette"
        )
        self._send(Error(messages.ERROR_VERSION, text))
        events.append(Complaint(f"{text}; {remedy}", rejected=True))

    def _is_deaf(self, now: float) -> bool:
        """Whether it is time to say that only noise comes, once."""
        counts = self.decoder.counts
        if self._deaf_told or counts.frames or counts.foreign:
            return False
        self._deaf_told = self._bytes >= DEAF_BYTES and now - self._opened >= DEAF_AFTER_S
        return self._deaf_told


def _before(now_ms: int, then_ms: int) -> float:
    """Seconds by which ``then_ms`` comes before ``now_ms``, on a counter that wraps.

    >>> _before(4, 4_294_967_290)
    0.01
    """
    return ((now_ms - then_ms) % (1 << 32)) / 1000
