"""The metrics as a file for Prometheus' node exporter, replaced whole at an interval by a thread of its own."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from vedette.runtime.events import Event, about
from vedette.runtime.observe import prometheus
from vedette.runtime.observe.snapshot import Board

log = logging.getLogger(__name__)


class TextfileWriter:
    """Writes until it is closed. A disk that blocks blocks only this thread.

    The file is not synced: after a power cut old metrics are worth nothing. Put it on a RAM disk such as /run where
    flash must be spared.
    """

    def __init__(self, path: Path, every_s: float, board: Board) -> None:
        self._path, self._every_s, self._board = path, every_s, board
        self._closed = threading.Event()
        self.fault: str | None = None
        self._thread = threading.Thread(target=self._run, name="metrics-file", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Write no more, and remove the file: stale metrics look like live ones."""
        self._closed.set()
        self._thread.join(1.0)
        if not self._thread.is_alive():
            try:
                self._path.unlink(missing_ok=True)
            except OSError as error:
                log.warning("%s: cannot be removed: %s", self._path, error.strerror, extra=about(Event.OBSERVE_FAILED))

    def _run(self) -> None:
        while not self._closed.is_set():
            snapshot = self._board.take()
            if snapshot is not None and not self._closed.is_set():
                self._write(prometheus.text(snapshot))
            self._closed.wait(self._every_s)

    def _write(self, text: str) -> None:
        # A name that the node exporter does not read.
        temporary = self._path.with_name(f".{self._path.name}.new")
        try:
            temporary.write_text(text, encoding="utf-8")
            temporary.chmod(0o644)
            temporary.replace(self._path)
        except OSError as error:
            fault = f"metrics: {self._path} cannot be written: {error.strerror}"
            if self.fault != fault:
                log.warning("%s", fault, extra=about(Event.OBSERVE_FAILED))
            self.fault = fault
            return
        self.fault = None
