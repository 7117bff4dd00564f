"""A device that writes samples to a pseudo-terminal as fast as it takes them, in a process of its own."""

from __future__ import annotations

import os
import sys
import time

import numpy as np

from vedette.firmware_bridge.link.frames import Frame, FrameDecoder, encode
from vedette.firmware_bridge.link.messages import (
    Channels,
    ChannelUnit,
    Hello,
    HelloRequest,
    Message,
    Samples,
    TimeReply,
    TimeRequest,
)

ROWS, CHANNELS = 12, 8
PERIOD_US = 1000


def channels() -> tuple[ChannelUnit, ...]:
    """Its channels."""
    return tuple(ChannelUnit(f"c{number}", "") for number in range(CHANNELS))


def write(master: int, seconds: float) -> None:
    """The device: says who it is, answers for its clock, and then writes as fast as the port takes it."""
    decoder, rng = FrameDecoder(), np.random.default_rng(3)
    sequence, ms, began = 0, 0, time.monotonic()
    blocks = [rng.normal(size=(ROWS, CHANNELS)).astype(np.float32) for _ in range(64)]

    def send(message: Message) -> None:
        nonlocal sequence
        data = encode(Frame(message.TYPE, sequence, message.payload()))
        sequence += 1
        while data:
            data = data[os.write(master, data) :]

    greeted = False
    while not greeted:
        for frame in decoder.feed(os.read(master, 4096)):
            if frame.type == HelloRequest.TYPE and not greeted:
                send(Hello(1, PERIOD_US, False, CHANNELS, "bench", "bench", "", "", 0))
                send(Channels(0, channels()))
                greeted = True
    answered = 0
    while answered < 8:
        for frame in decoder.feed(os.read(master, 4096)):
            if frame.type == TimeRequest.TYPE:
                send(TimeReply(int.from_bytes(frame.payload, "little"), 0))
                answered += 1
    while time.monotonic() - began < seconds:
        for block in blocks:
            send(Samples(ms, block))
            ms = (ms + ROWS * PERIOD_US // 1000) % 2**32
    time.sleep(0.5)


if __name__ == "__main__":
    write(int(sys.argv[1]), float(sys.argv[2]))
