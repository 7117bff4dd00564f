"""Log lines on stderr, one per event: text for people, JSON for journald; a flood of one kind is cut and counted."""

from __future__ import annotations

import json
import logging
import math
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Literal

from vedette.errors import VedetteError
from vedette.runtime.events import Event, about
from vedette.runtime.times import iso_time

Format = Literal["json", "text"]

# Lines with the same event id in one minute; more are left out, and their number is told when the minute is over.
MAX_LINES, PERIOD_S = 30, 60.0
# journald cuts lines at 48 KiB; text from outside is never worth that much.
MAX_MESSAGE_CHARS, MAX_TRACEBACK_CHARS = 4_000, 16_000
# Of these every line counts, and none can be caused from outside in numbers.
UNLIMITED = {Event.STARTED, Event.STOPPED, Event.FAILED, Event.CRASHED, Event.SUPPRESSED}
# syslog's priorities (sd-daemon(3)), by the least Python level that gets them.
_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6), (0, 7))

log = logging.getLogger(__name__)


def set_up(style: Format | None = None, *, level: int = logging.INFO) -> Format:
    """Send this process's log to stderr and return its style: by default JSON where stderr goes to journald, else text.

    With JSON an exception that nobody caught is an event too.
    """
    journal = is_journal(os.environ)
    style = style or ("json" if journal else "text")
    handler = LimitedHandler()
    handler.setFormatter(JsonLine(with_priority=journal) if style == "json" else TextLine())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    if style == "json":
        sys.excepthook = _tell_crash
        threading.excepthook = _tell_thread_crash
    return style


@contextmanager
def failures_told(style: Format) -> Iterator[None]:
    """End the process with the exit code of a :class:`VedetteError`, told as an event where the log is JSON."""
    try:
        yield
    except VedetteError as error:
        if style == "text":
            raise
        log.critical("%s", error, extra=about(Event.FAILED, exit_code=error.exit_code))
        raise SystemExit(error.exit_code) from None


def is_journal(environ: Mapping[str, str], *, descriptor: int = 2) -> bool:
    """Whether that file descriptor is the stream that systemd connected to the journal."""
    try:
        status = os.fstat(descriptor)
    except OSError:
        return False
    return environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


class TextLine(logging.Formatter):
    """Text from outside may hold line breaks; a log line does not."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        return super().format(record).replace("\n", " | ").replace("\r", " ")


class JsonLine(logging.Formatter):
    """One JSON object per line: ``time``, ``level``, ``event``, ``message`` and the event's own fields.

    ``with_priority`` puts the priority in front as journald reads it (and takes it off), for ``journalctl -p``.
    """

    def __init__(self, *, with_priority: bool) -> None:
        super().__init__()
        self._with_priority = with_priority

    def format(self, record: logging.LogRecord) -> str:
        document: dict[str, Any] = {
            "time": iso_time(record.created),
            "level": record.levelname.lower(),
            "event": event_of(record).value,
            "message": record.getMessage()[:MAX_MESSAGE_CHARS],
        }
        for name, value in getattr(record, "fields", {}).items():
            document.setdefault(name, str(value) if isinstance(value, float) and not math.isfinite(value) else value)
        if record.exc_info:
            document["traceback"] = self.formatException(record.exc_info)[-MAX_TRACEBACK_CHARS:]
        line = json.dumps(document, default=str)
        if not self._with_priority:
            return line
        return f"<{next(priority for least, priority in _PRIORITIES if record.levelno >= least)}>{line}"


class LimitedHandler(logging.Handler):
    """Writes to stderr at most ``MAX_LINES`` lines with the same event id per minute."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._stream = sys.stderr
        self._clock = clock
        self._period_began = clock()
        self._lines: dict[Event, int] = {}

    def emit(self, record: logging.LogRecord) -> None:
        now = self._clock()
        if now - self._period_began >= PERIOD_S:
            self._period_began = now
            self._tell_suppressed()
        event = event_of(record)
        lines = self._lines[event] = self._lines.get(event, 0) + 1
        if lines <= MAX_LINES or event in UNLIMITED:
            self._write(record)

    def close(self) -> None:
        """Tell what was left out last."""
        self._tell_suppressed()
        super().close()

    def _write(self, record: logging.LogRecord) -> None:
        try:
            self._stream.write(self.format(record) + "\n")
            self._stream.flush()
        except Exception:
            self.handleError(record)

    def _tell_suppressed(self) -> None:
        lines, self._lines = self._lines, {}
        for event, count in lines.items():
            if count > MAX_LINES and event not in UNLIMITED:
                left_out = count - MAX_LINES
                text = "%d more line(s) about %s were left out within a minute"
                record = log.makeRecord(
                    log.name, logging.WARNING, __file__, 0, text, (left_out, event.value), None,
                    extra=about(Event.SUPPRESSED, of=event.value, lines=left_out),
                )  # fmt: skip
                self._write(record)


def event_of(record: logging.LogRecord) -> Event:
    """The event id of a log record; libraries give none."""
    event = getattr(record, "event", None)
    return event if isinstance(event, Event) else Event.OTHER


def _tell_crash(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    log.critical("%s: %s", kind.__name__, error, exc_info=(kind, error, traceback), extra=about(Event.CRASHED))


def _tell_thread_crash(crash: threading.ExceptHookArgs) -> None:
    if crash.exc_value is not None and crash.exc_type is not SystemExit:
        _tell_crash(crash.exc_type, crash.exc_value, crash.exc_traceback)
