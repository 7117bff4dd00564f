"""Words to systemd, by its notification protocol: one datagram each, to the socket that ``NOTIFY_SOCKET`` names.

Nothing here blocks or raises: a manager that does not listen must not stop the gateway.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import MutableMapping
from contextlib import suppress


class Notifier:
    """Tells systemd how this process is; silent where it was not started by systemd.

    >>> Notifier({}).watchdog_s is None
    True
    """

    def __init__(self, environ: MutableMapping[str, str] | None = None) -> None:
        """Take what systemd left in the environment, so that no child of ours speaks in our name.

        ``watchdog_s`` is the time after which systemd ends a process that does not feed its watchdog, None where there
        is none.
        """
        environ = os.environ if environ is None else environ
        self._address = environ.pop("NOTIFY_SOCKET", "")
        self.watchdog_s = _watchdog_s(environ.pop("WATCHDOG_USEC", ""), environ.pop("WATCHDOG_PID", ""))
        self._told = ""

    def ready(self, status: str) -> None:
        """The start, or a reload, is complete."""
        self._send("READY=1", _status(status))

    def reloading(self) -> None:
        """A new configuration is being taken over; :meth:`ready` follows. systemd wants the time of it."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def feed(self) -> None:
        """All is well."""
        self._send("WATCHDOG=1")

    def status(self, text: str) -> None:
        """One line for ``systemctl status``, where it is a new one."""
        if text != self._told:
            self._told = text
            self._send(_status(text))

    def stopping(self) -> None:
        """The graceful stop has begun."""
        self._send("STOPPING=1")

    def _send(self, *lines: str) -> None:
        if not self._address.startswith(("/", "@")):
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        # A full or missing socket: the next word may arrive, and what a missed one means is systemd's to judge.
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            sender.sendto("\n".join(lines).encode(), address)


def _status(text: str) -> str:
    return "STATUS=" + " ".join(text.split())


def _watchdog_s(microseconds: str, pid: str) -> float | None:
    """The watchdog's time from the environment; None where it is missing or meant for another process."""
    if not microseconds.isdecimal() or (pid and pid != str(os.getpid())):
        return None
    return int(microseconds) / 1e6 or None
