"""The three parts that are killed: a gateway, a mosquitto, a consumer. Each can be killed and started again."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from vedette.errors import DependencyError
from vedette.runtime.alerting.faults import FAULT_KINDS

HOST = "127.0.0.1"
STOP_S = 20.0
# The gateway's cap on alerts, as high as it goes: none is to be held back.
MOST_ALERTS = 100_000
MOSQUITTO = shutil.which("mosquitto") or "/usr/sbin/mosquitto"


class Part:
    """A child process that is started again and again with the same command; its output is appended to files."""

    def __init__(self, command: list[str], *, out: Path | None = None, log: Path, fed: bool = False) -> None:
        self._command, self._out, self._log, self._fed = command, out, log, fed
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; returns at once."""
        with self._log.open("ab") as log, (self._out or self._log).open("ab") as out:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE if self._fed else subprocess.DEVNULL, stdout=out, stderr=log
            )

    def feed(self, data: bytes) -> None:
        """Give it input; what a dead process does not take is lost."""
        assert self._process is not None and self._process.stdin is not None
        try:
            self._process.stdin.write(data)
            self._process.stdin.flush()
        except BrokenPipeError:
            return

    def kill(self) -> None:
        """End it at once, wherever it is."""
        self._end(signal.SIGKILL)

    def stop(self) -> int | None:
        """Ask it to end; returns its exit code, None where it was not running."""
        return self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> int | None:
        process, self._process = self._process, None
        if process is None:
            return None
        process.send_signal(how)
        try:
            code = process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        if process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
        return code


def broker(folder: Path) -> tuple[Part, int]:
    """A mosquitto that keeps nothing over a kill, on a free port. Raises :class:`DependencyError`."""
    if not Path(MOSQUITTO).exists():
        raise DependencyError("mosquitto is not installed; try: apt-get install mosquitto")
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    config = folder / "mosquitto.conf"
    config.write_text(
        f"listener {port} {HOST}\nallow_anonymous true\npersistence false\nuser root\nmax_queued_messages 0\n"
    )
    return Part([MOSQUITTO, "-c", str(config)], log=folder / "mosquitto.log"), port


def wait_for_port(port: int, *, patience_s: float = 10.0) -> None:
    """Wait until somebody listens there."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex((HOST, port)) == 0:
                return
        time.sleep(0.02)
    raise DependencyError(f"mosquitto does not listen on port {port}")


def gateway(folder: Path, bundle: Path, port: int) -> Part:
    """A gateway with one stream, fed with JSON lines; its log says what it committed."""
    config = folder / "gateway.toml"
    config.write_text(
        f'gateway = "gw7"\n[mqtt]\nhost = "{HOST}"\nport = {port}\ntls = false\n[outbox]\npath = "outbox.db"\n'
        f"[alerts]\nmax_per_hour = {MOST_ALERTS}\n"
        f'[[stream]]\nname = "s1"\nbundle = "{bundle}"\nsource = {{ stdin = true }}\n'
        f"faults = {{ off = {list(FAULT_KINDS)} }}\n"  # the ledger is about alerts
    )
    command = [sys.executable, "-m", "vedette.benchmarks.delivery.gateway", str(config)]
    return Part(command, log=folder / "gateway.log", fed=True)


def consumer(folder: Path, port: int) -> Part:
    """``vedette listen`` with a state file; its JSON lines go to ``received.jsonl``."""
    command = [sys.executable, "-m", "vedette", "listen", "--broker", f"{HOST}:{port}", "--json"]
    command += ["--client-id", "ledger", "--state", str(folder / "consumer.db")]
    return Part(command, out=folder / "received.jsonl", log=folder / "consumer.log")
