"""The daemon's own word for ``vedette status``: a socket file that answers each connection with one JSON document.

A socket rather than a state file: nothing is written while nobody looks (a file every second would wear out flash), an
answer cannot be stale without saying so, and mode 0600 lets in the daemon's user and root only.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from vedette.errors import DataError
from vedette.runtime.observe.document import encode
from vedette.runtime.observe.snapshot import Board

log = logging.getLogger(__name__)

# Where systemd's RuntimeDirectory=vedette is, for those who do not have the daemon's environment.
RUNTIME_DIRECTORY = Path("/run/vedette")
SEND_TIMEOUT_S = 2.0
ASK_TIMEOUT_S = 5.0
MAX_ANSWER_BYTES = 64 * 1024 * 1024


def socket_paths(gateway: str, outbox: Path, socket_path: Path | None, environ: Mapping[str, str]) -> list[Path]:
    """Where the socket may be, the likeliest first; the daemon takes the first whose folder is there.

    That is the configured path, or ``<gateway>.sock`` in systemd's runtime directory, or beside the outbox.
    """
    if socket_path is not None:
        return [socket_path]
    # systemd may give several directories, with colons between them; the first is the service's main one.
    given = environ.get("RUNTIME_DIRECTORY", "").split(":")[0]
    folders = [Path(given)] if given else []
    return [*(folder / f"{gateway}.sock" for folder in folders), outbox.with_name(outbox.name + ".sock")]


def ask(paths: list[Path]) -> dict[str, Any]:
    """The document of the daemon that answers at the first of these. Raises :class:`DataError` where none does."""
    denied = [path for path in paths if path.exists() and not os.access(path, os.R_OK | os.W_OK)]
    for path in paths:
        with suppress(OSError):
            return _ask(path)
    if denied:
        raise DataError(f"{denied[0]}: only the gateway's user may ask it; try: sudo vedette status …")
    tried = ", ".join(map(str, paths))
    raise DataError(f"no running gateway answers (tried {tried}); is `vedette run` up? try: systemctl status vedette")


def _ask(path: Path) -> dict[str, Any]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(ASK_TIMEOUT_S)
        with _short(path) as short:
            client.connect(short)
        chunks, size = [], 0
        while chunk := client.recv(65536):
            chunks.append(chunk)
            size += len(chunk)
            if size > MAX_ANSWER_BYTES:
                raise DataError(f"{path}: the answer is larger than {MAX_ANSWER_BYTES:,} bytes")
    try:
        found = json.loads(b"".join(chunks))
    except ValueError:
        raise DataError(f"{path}: expected a status in JSON; the gateway is still starting, try again") from None
    if not isinstance(found, dict):
        raise DataError(f"{path}: expected a status in JSON, found {type(found).__name__}")
    return found


class StatusSocket:
    """Answers on a thread of its own, one asker after the other."""

    def __init__(self, path: Path, board: Board) -> None:
        """Raises :class:`OSError` where the socket cannot be made."""
        self.path, self._board = path, board
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            # The outbox is ours alone already, so what is left here is of a daemon that was killed.
            path.unlink(missing_ok=True)
            with _short(path) as short:
                self._socket.bind(short)
            # Nobody can connect before listen(), so the mode is right in time.
            path.chmod(0o600)
            self._socket.listen(4)
        except OSError:
            self._socket.close()
            raise
        threading.Thread(target=self._serve, name="status-socket", daemon=True).start()

    def close(self) -> None:
        """Answer no more."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes the thread
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return  # closed
            with client, suppress(OSError):
                client.settimeout(SEND_TIMEOUT_S)
                snapshot = self._board.take()
                if snapshot is not None:
                    client.sendall(encode(snapshot))


@contextmanager
def _short(path: Path) -> Iterator[str]:
    """The same place by a short name: a socket's path may have at most 107 bytes."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
