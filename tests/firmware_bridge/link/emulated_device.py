"""A microcontroller on a pseudo-terminal, which can be unplugged. It answers as vedette_link.h says a device does."""

from __future__ import annotations

import os
import select
import threading
import time
import tty
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vedette.firmware_bridge.link import messages
from vedette.firmware_bridge.link.frames import Frame, FrameDecoder, encode
from vedette.firmware_bridge.link.messages import (
    Ack,
    Channels,
    ChannelUnit,
    Hello,
    HelloRequest,
    Message,
    Samples,
    TimeReply,
    TimeRequest,
)

PERIOD_MS = 1000


class EmulatedDevice:
    """Its port is the link ``path``; ``received`` is what the gateway has sent, ``acks`` the alerts acknowledged."""

    def __init__(
        self, path: Path, channels: Sequence[tuple[str, str]], *, session: int = 1, scores: bool = False,
        model: tuple[str, str, int] = ("", "", 0), version: int = 1, start_ms: int = 0,
    ) -> None:  # fmt: skip
        self.path, self.version = path, version
        self.hello = Hello(session, PERIOD_MS * 1000, scores, len(channels), "pump-7", "fw 1.4", *model)
        self.channels = tuple(ChannelUnit(*channel) for channel in channels)
        self.received: list[Message] = []
        self.acks: list[tuple[int, int]] = []
        self.sequence = 0
        self._zero = time.monotonic() - start_ms / 1000
        self._master: int | None = None
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def ms(self) -> int:
        """Its counter."""
        return int((time.monotonic() - self._zero) * 1000) % 2**32

    def plug(self) -> None:
        """Appear."""
        self._master, slave = os.openpty()
        tty.setraw(slave)
        self.path.unlink(missing_ok=True)
        self.path.symlink_to(os.ttyname(slave))
        os.close(slave)
        self._stop.clear()
        self._thread = threading.Thread(target=self._answer, daemon=True)
        self._thread.start()

    def unplug(self) -> None:
        """Go, with all that is on its way."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        if self._master is not None:
            self.path.unlink(missing_ok=True)
            os.close(self._master)
            self._master = None

    def restart(self) -> None:
        """Boot: another session, the counter at 0."""
        self.hello = Hello(**{**vars(self.hello), "session": self.hello.session + 1})
        self._zero, self.sequence = time.monotonic(), 0
        self.greet()

    def greet(self) -> None:
        """Say who it is."""
        self.send(self.hello)
        self.send(Channels(0, self.channels[:2]))
        if self.channels[2:]:
            self.send(Channels(2, self.channels[2:]))

    def send(self, message: Message) -> None:
        """Send a frame."""
        with self._lock:
            self.raw(encode(Frame(message.TYPE, self.sequence, message.payload(), self.version)))
            self.sequence += 1

    def raw(self, data: bytes) -> None:
        """Send bytes."""
        assert self._master is not None
        try:
            while data:
                data = data[os.write(self._master, data) :]
        except OSError:
            pass  # nobody has the port open

    def rows(self, first_ms: int, values: Any) -> None:
        """Send rows, a frame for each, a second of the counter apart."""
        for number, row in enumerate(np.asarray(values, np.float32)):
            self.send(Samples((first_ms + number * PERIOD_MS) % 2**32, row[np.newaxis]))

    def _answer(self) -> None:
        decoder = FrameDecoder()
        while not self._stop.is_set():
            assert self._master is not None
            if not select.select([self._master], [], [], 0.02)[0]:
                continue
            try:
                data = os.read(self._master, 4096)
            except OSError:  # the gateway has closed it
                time.sleep(0.02)
                continue
            for frame in decoder.feed(data):
                message = messages.read(frame.type, frame.payload)
                self.received.append(message)
                if isinstance(message, HelloRequest):
                    self.greet()
                elif isinstance(message, TimeRequest):
                    self.send(TimeReply(message.token, self.ms))
                elif isinstance(message, Ack):
                    self.acks.append((message.incident, message.step))
