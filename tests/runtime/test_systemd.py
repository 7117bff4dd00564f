"""systemd's notification protocol over a real socket, and a watchdog that is fed only while every part gets on."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Gateway, Mosquitto, payload, wait_for
from frozen import Frozen

from vedette.runtime.systemd import Notifier
from vedette.runtime.watchdog import CONNECT_DEADLINE_S, Sign, Watchdog

PERIOD_S = 6.0


class Manager:
    """The socket at which systemd listens."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.words: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self._socket.setblocking(False)

    def hear(self) -> list[str]:
        """Everything said so far, line by line."""
        while True:
            try:
                self.words += self._socket.recv(4096).decode().splitlines()
            except BlockingIOError:
                return self.words

    def fed_within(self, seconds: float) -> bool:
        """Whether the watchdog is fed in that time from now on."""
        self.hear()
        self.words.clear()
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if "WATCHDOG=1" in self.hear():
                return True
            time.sleep(0.05)
        return False

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    """A manager in whose name the next processes are started."""
    found = Manager(f"@vedette-test-{os.getpid()}-{time.monotonic_ns()}")
    monkeypatch.setenv("NOTIFY_SOCKET", found.address)
    monkeypatch.setenv("WATCHDOG_USEC", str(int(PERIOD_S * 1e6)))
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    yield found
    found.close()


def test_words_arrive_at_a_path_and_at_an_abstract_socket(tmp_path: Path) -> None:
    for address in (str(tmp_path / "notify"), f"@vedette-words-{os.getpid()}"):
        manager = Manager(address)
        environ = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid()), "HOME": "/"}
        notifier = Notifier(environ)
        assert environ == {"HOME": "/"}
        assert notifier.watchdog_s == 30.0
        notifier.ready("two\nlines")
        notifier.status("two lines, later")
        notifier.status("two lines, later")
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        notifier.reloading()
        notifier.feed()
        notifier.stopping()
        ready, status, later, reloading, moment, *rest = manager.hear()
        assert (ready, status, later) == ("READY=1", "STATUS=two lines", "STATUS=two lines, later")
        assert reloading == "RELOADING=1"
        assert before <= int(moment.removeprefix("MONOTONIC_USEC=")) <= before + 10_000_000
        assert rest == ["WATCHDOG=1", "STOPPING=1"]
        manager.close()
        notifier.feed()  # nobody listens any more, which harms nobody


def test_a_manager_that_does_not_read_blocks_nothing(tmp_path: Path) -> None:
    manager = Manager(str(tmp_path / "notify"))
    notifier = Notifier({"NOTIFY_SOCKET": manager.address})
    for _ in range(10_000):
        notifier.feed()
    assert manager.hear()
    manager.close()


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"WATCHDOG_USEC": "x"},
        {"WATCHDOG_USEC": "-5"},
        {"WATCHDOG_USEC": "0"},
        {"WATCHDOG_USEC": "5000000", "WATCHDOG_PID": "1"},
    ],
)
def test_a_watchdog_that_is_not_ours_is_none(environ: dict[str, str]) -> None:
    assert Notifier(environ).watchdog_s is None


class Parts:
    """A watchdog whose parts and clock the test moves."""

    def __init__(self, tmp_path: Path) -> None:
        self.signs: list[Sign] = []
        self.now = 0.0
        self.manager = Manager(str(tmp_path / "notify"))
        notifier = Notifier({"NOTIFY_SOCKET": self.manager.address, "WATCHDOG_USEC": "10000000"})
        self.watchdog = Watchdog(notifier, lambda: self.signs, lambda: "well", clock=lambda: self.now)

    def fed(self, seconds: float) -> int:
        """How often it is fed in that time."""
        self.manager.words.clear()
        end = self.now + seconds
        while self.now < end:
            self.watchdog.step()
            self.manager.hear()  # the kernel keeps ten datagrams
            self.now += 0.25
        return self.manager.hear().count("WATCHDOG=1")


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Parts]:
    found = Parts(tmp_path)
    yield found
    found.manager.close()


def test_a_part_with_work_and_no_progress_stops_the_feeding_until_it_goes_on(parts: Parts) -> None:
    parts.signs = [Sign("outbox", 1, busy=True), Sign("network", 1, busy=False)]
    assert parts.fed(5.0) >= 4
    assert parts.watchdog.stalled == []
    parts.fed(1.0)
    assert parts.watchdog.stalled == ["outbox"]
    assert parts.fed(20.0) == 0
    parts.signs[0] = Sign("outbox", 2, busy=True)
    assert parts.fed(1.0) >= 1
    assert parts.watchdog.stalled == []


def test_a_part_without_work_never_stalls_and_begins_afresh_with_work(parts: Parts) -> None:
    parts.signs = [Sign("scoring", 1, busy=False)]
    assert parts.fed(100.0) > 50
    parts.signs[0] = Sign("scoring", 1, busy=True)
    assert parts.fed(4.0) >= 4
    parts.fed(4.0)
    assert parts.watchdog.stalled == ["scoring"]


def test_a_slow_part_has_the_longer_deadline(parts: Parts) -> None:
    parts.signs = [Sign("network", 1, busy=True, slow=True)]
    assert parts.fed(CONNECT_DEADLINE_S) > 100
    parts.fed(2.0)
    assert parts.watchdog.stalled == ["network"]


def test_a_part_that_is_gone_is_forgotten(parts: Parts) -> None:
    parts.signs = [Sign("ingest a", 1, busy=True)]
    parts.fed(10.0)
    assert parts.watchdog.stalled == ["ingest a"]
    parts.signs.clear()
    assert parts.fed(5.0) >= 4


def network_thread(gateway: Gateway) -> int:
    """The daemon's thread, other than the main one, that waits in a system call of the select family."""
    assert gateway.process is not None
    tasks = Path(f"/proc/{gateway.process.pid}/task")
    selects = {"7", "22", "23", "72", "73", "270", "271"}  # x86-64 and aarch64: poll, select, ppoll, pselect6

    def find() -> int | None:
        for task in tasks.iterdir():
            if int(task.name) != gateway.process.pid and task.joinpath("syscall").read_text().split()[0] in selects:  # type: ignore[union-attr]
                return int(task.name)
        return None

    found: int = wait_for(find, "the network thread")
    return found


@pytest.mark.slow
def test_the_daemon_says_ready_feeds_and_says_that_it_stops(
    gateway: Gateway, mosquitto: Mosquitto, manager: Manager
) -> None:
    gateway.configure('{ mqtt = "plant/pump1/raw" }')
    gateway.start()
    wait_for(lambda: "READY=1" in manager.hear(), "READY=1")
    wait_for(lambda: "WATCHDOG=1" in manager.hear(), "WATCHDOG=1")
    wait_for(lambda: any("broker: connected" in word for word in manager.hear()), "the status")
    manager.words.clear()
    assert gateway.process is not None
    gateway.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "READY=1" in manager.hear(), "READY=1 after the reload")
    assert manager.words.index("RELOADING=1") + 1 == next(
        place for place, word in enumerate(manager.words) if word.startswith("MONOTONIC_USEC=")
    )
    assert manager.words.index("RELOADING=1") < manager.words.index("READY=1")
    assert gateway.stop() == 0
    assert "STOPPING=1" in manager.hear()


@pytest.mark.slow
@pytest.mark.parametrize("part", ["scoring", "network"])
def test_a_daemon_one_of_whose_threads_hangs_is_not_fed(
    gateway: Gateway, mosquitto: Mosquitto, manager: Manager, part: str
) -> None:
    gateway.configure('{ mqtt = "plant/pump1/raw" }')
    gateway.start()
    gateway.wait_connected()
    assert gateway.process is not None
    assert manager.fed_within(PERIOD_S)
    with Frozen(gateway.process.pid if part == "scoring" else network_thread(gateway)):
        time.sleep(PERIOD_S / 2 + 2)
        assert not manager.fed_within(PERIOD_S / 2)
        assert part == "scoring" or gateway.logged("network: no progress")
    assert manager.fed_within(PERIOD_S)
    assert gateway.stop() == 0


@pytest.mark.slow
def test_a_source_that_blocks_is_not_fed_for(gateway: Gateway, mosquitto: Mosquitto, manager: Manager) -> None:
    os.mkfifo(gateway.folder / "pipe.csv")
    gateway.configure('{ file = "pipe.csv" }', '{ mqtt = "plant/pump1/raw" }')
    gateway.start()  # opening a pipe without a writer blocks the source's thread
    gateway.wait_connected()
    wait_for(lambda: gateway.logged("ingest s1: no progress"), "the stall")
    assert not manager.fed_within(PERIOD_S / 2)
    # The other stream goes on, and so does everything once somebody writes.
    with (gateway.folder / "pipe.csv").open("w") as pipe:
        pipe.write("time,x,y,z\n1,1,1,1\n")
    assert manager.fed_within(PERIOD_S)


@pytest.mark.slow
def test_a_scoring_thread_that_waits_for_a_full_log_pipe_is_not_fed_for(
    gateway: Gateway, mosquitto: Mosquitto, manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    config = gateway.configure("{ stdin = true }")
    gateway.process = subprocess.Popen(
        [sys.executable, "-m", "vedette", "run", config, "--log", "json"], stdin=subprocess.PIPE, stderr=writer
    )
    os.close(writer)
    wait_for(lambda: "WATCHDOG=1" in manager.hear(), "WATCHDOG=1")
    assert gateway.process.stdin is not None
    # Each incident is two lines of the log, which nobody reads: 4 KiB are full before lines are left out.
    for incident in range(200):
        start = 1000 + 20 * incident
        values = [1.0] * 6 + [5.0] * 3 + [1.0] * 6
        lines = "".join(payload(start + number, value) + "\n" for number, value in enumerate(values))
        gateway.process.stdin.write(lines.encode())
        if incident % 20 == 0:
            gateway.process.stdin.flush()
            if incident and not manager.fed_within(2.0):
                break
    assert not manager.fed_within(PERIOD_S)
    os.close(reader)
