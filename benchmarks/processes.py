"""Child processes that never outlive their parent's use of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO

from vedette.errors import VedetteError

TAIL_LINES = 8
PATIENCE_S = 10.0


class Child:
    """``python -m MODULE ARGS`` with its standard error in a log file.

    It gets a session of its own, so that Ctrl-C on the terminal reaches the parent alone, which then ends its children
    in order. Settings of a gateway that are in our environment are not passed on.
    """

    def __init__(self, name: str, *args: str | Path, log: Path, piped: bool) -> None:
        """Start it. With ``piped``, its standard input and output are pipes of text."""
        self.name, self.log = name, log
        environ = {key: value for key, value in os.environ.items() if not key.startswith("VEDETTE_")}
        pipe = subprocess.PIPE if piped else subprocess.DEVNULL
        with log.open("wb") as errors:
            self.process: subprocess.Popen[str] = subprocess.Popen(
                [sys.executable, "-P", "-m", *map(str, args)],
                stdin=pipe,
                stdout=pipe,
                stderr=errors,
                text=True,
                env=environ,
                start_new_session=True,
            )

    @property
    def output(self) -> IO[str]:
        """What the child prints; for one that is ``piped``."""
        assert self.process.stdout is not None
        return self.process.stdout

    def check(self) -> None:
        """Raise :class:`VedetteError` with the end of its log where the child has ended by itself."""
        code = self.process.poll()
        if code is not None:
            raise VedetteError(
                f"{self.name} ended by itself with code {code}; its log ({self.log}) says:\n{self.tail()}"
            )

    def tail(self) -> str:
        """The last lines of its log."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-TAIL_LINES:]
        return "\n".join(f"    {line}" for line in lines) or "    (nothing)"

    def logged(self, text: str) -> bool:
        """Whether the log has that text."""
        return text in self.log.read_text(encoding="utf-8", errors="replace")

    def peak_rss_mib(self) -> float | None:
        """The most memory the child has had so far, as Linux tells it; None where it does not."""
        try:
            status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
            return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024
        except (OSError, StopIteration, ValueError):
            return None

    def end(self, how: signal.Signals) -> int:
        """Ask it to end, and make it end where it does not; returns its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            code = self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        return code
