"""A serial port that may come and go."""

from __future__ import annotations

import termios
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from vedette.errors import DependencyError

if TYPE_CHECKING:
    from serial import Serial

FIRST_WAIT_S, LAST_WAIT_S = 0.25, 5.0
# What the operating system and pyserial raise, depending on what is done when the device goes.
_GONE = (OSError, termios.error)
# How long a read waits for the first byte: whoever reads has other things to do too, such as to acknowledge.
READ_WAIT_S = 0.05
# How long a write waits for a device that takes nothing; what does not go out by then is lost.
WRITE_WAIT_S = 0.25


class PortLostError(Exception):
    """The port is not there: its text says why."""


def require_pyserial() -> Any:
    """The module ``serial``. Raises :class:`DependencyError`."""
    try:
        import serial
    except ImportError:
        raise DependencyError(
            'serial ports need the package pyserial, which is not installed; try: pip install "vedette[serial]"'
        ) from None
    return serial


class SerialPort:
    """Opens when it can: after a failure it waits a quarter of a second, and then longer and longer up to five.

    8 data bits, no parity, one stop bit, no flow control. Nobody else can open the port meanwhile.
    """

    def __init__(self, path: str, baud: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.path, self.baud = path, baud
        self._module = require_pyserial()
        self._clock = clock
        self._port: Serial | None = None
        self._wait_s, self._open_at = FIRST_WAIT_S, clock()

    @property
    def is_open(self) -> bool:
        """Whether the device is there, as far as is known."""
        return self._port is not None

    def open(self) -> bool:
        """Open it, where it is not open and an attempt is due; True where that has worked.

        Raises :class:`PortLostError` where it has not.
        """
        if self._port is not None or self._clock() < self._open_at:
            return False
        try:
            self._port = self._module.Serial(
                self.path, self.baud, timeout=READ_WAIT_S, write_timeout=WRITE_WAIT_S, exclusive=True
            )
        except (*_GONE, ValueError, OverflowError) as error:
            raise self._lost(error) from None
        return True

    def read(self) -> bytes:
        """What has come, at most a few KiB; empty where nothing does for a while. Raises :class:`PortLostError`."""
        assert self._port is not None
        try:
            data: bytes = self._port.read(1)
            if data:
                data += self._port.read(self._port.in_waiting)
        except _GONE as error:
            raise self._lost(error) from None
        if data:
            self._wait_s = FIRST_WAIT_S
        return data

    def write(self, data: bytes) -> None:
        """Send it; what the device does not take in time is lost. Raises :class:`PortLostError`."""
        assert self._port is not None
        try:
            self._port.write(data)
        except self._module.SerialTimeoutException:
            pass  # it asks again for what it needs
        except _GONE as error:
            raise self._lost(error) from None

    def close(self) -> None:
        """Let go of the port."""
        port, self._port = self._port, None
        if port is not None:
            with suppress(*_GONE):  # it may have gone already
                port.close()

    def _lost(self, error: Exception) -> PortLostError:
        self.close()
        self._open_at = self._clock() + self._wait_s
        self._wait_s = min(2 * self._wait_s, LAST_WAIT_S)
        return PortLostError(str(error))
