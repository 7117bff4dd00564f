"""Disks that fail: a small file system of its own, and system calls that a tracer makes fail."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from required import missing

# The calls with which SQLite changes files; nothing else in the daemon uses pwrite64.
STORAGE_CALLS = "pwrite64,fdatasync,fsync,ftruncate"


@contextlib.contextmanager
def small_disk(folder: Path, *, kib: int) -> Iterator[Path]:
    """A file system of that size. Only root can make one."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={kib}k", "none", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode:
        missing("a small file system cannot be mounted", "run this test as root, in a container that may mount")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path) -> Path:
    """Use up what is free; removing the file that comes back frees it."""
    filler = disk / "filler"
    with filler.open("wb") as file, contextlib.suppress(OSError):
        while True:
            os.write(file.fileno(), bytes(4096))
    return filler


def strace() -> str:
    """The path of strace."""
    found = shutil.which("strace")
    if found is None:
        missing("strace is not installed", "make system-packages")
    return found


@contextlib.contextmanager
def failing_calls(pid: int, error: str, calls: str = STORAGE_CALLS) -> Iterator[None]:
    """Make these system calls of a running process fail."""
    tracer = subprocess.Popen(
        [strace(), "-f", "-p", str(pid), "-e", f"trace={calls}", "-e", f"inject={calls}:error={error}"],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert tracer.stderr is not None
    line = tracer.stderr.readline()
    if "attached" not in line:
        tracer.kill()
        tracer.wait()
        missing(f"strace cannot trace here ({line.strip()})", "allow ptrace in this container")
    os.set_blocking(tracer.stderr.fileno(), False)
    time.sleep(0.2)  # the other threads are attached too
    try:
        yield
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.wait(10)
        tracer.stderr.close()
