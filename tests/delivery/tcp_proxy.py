"""A TCP proxy that does what bad networks do: delays, cuts, and swallows one direction or both."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time
from types import TracebackType

_CHUNK = 65536
_TICK_S = 0.02


class TcpProxy:
    """Forwards connections to ``target``. The faults can be changed while it runs; directions are "up" (from the
    client to the target) and "down"."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.host, self.port = self._listener.getsockname()
        self.swallow: set[str] = set()
        self.hold_ends = False
        self.delay_s = 0.0
        self.connections = 0
        self.bytes_swallowed = 0
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="proxy")

    def __enter__(self) -> TcpProxy:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._thread.join(10)
        self.cut()
        self._listener.close()

    def cut(self) -> None:
        """End all connections."""
        for pair in self._pairs:
            for end in pair:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def _serve(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            late: list[tuple[float, socket.socket, bytes]] = []
            while not self._stopping.is_set():
                for key, _ in selector.select(_TICK_S):
                    if key.fileobj is self._listener:
                        self._accept(selector)
                        continue
                    source, direction, target = key.fileobj, *key.data
                    data = self._read(source)
                    if not data and self.hold_ends:
                        selector.unregister(source)
                    elif not data:
                        self._forget(selector, source, target)
                    elif direction in self.swallow:
                        self.bytes_swallowed += len(data)
                    else:
                        late.append((time.monotonic() + self.delay_s, target, data))
                due = [item for item in late if item[0] <= time.monotonic()]
                late = [item for item in late if item not in due]
                for _, target, data in due:
                    with contextlib.suppress(OSError):
                        target.sendall(data)
            for pair in list(self._pairs):
                self._forget(selector, *pair)

    def _accept(self, selector: selectors.BaseSelector) -> None:
        client, _ = self._listener.accept()
        try:
            server = socket.create_connection(self._target, timeout=5)
        except OSError:
            client.close()
            return
        self.connections += 1
        self._pairs.append((client, server))
        selector.register(client, selectors.EVENT_READ, ("up", server))
        selector.register(server, selectors.EVENT_READ, ("down", client))

    def _forget(self, selector: selectors.BaseSelector, *ends: socket.socket) -> None:
        self._pairs = [pair for pair in self._pairs if ends[0] not in pair]
        for end in ends:
            with contextlib.suppress(KeyError, ValueError):
                selector.unregister(end)
            end.close()

    @staticmethod
    def _read(source: socket.socket) -> bytes:
        try:
            return source.recv(_CHUNK)
        except OSError:
            return b""
