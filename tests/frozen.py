"""A thread of another process that stands still for a while."""

from __future__ import annotations

import ctypes
import os

import pytest

# ptrace's requests, and waitpid's flag for threads that are no children (sys/ptrace.h, linux/wait.h).
_ATTACH, _DETACH, _ALL_THREADS = 16, 17, 0x40000000


class Frozen:
    """One thread of another process, stopped by the kernel's debugging interface; all others go on."""

    def __init__(self, thread: int) -> None:
        self._thread = thread
        self._libc = ctypes.CDLL(None, use_errno=True)

    def __enter__(self) -> None:
        if self._libc.ptrace(_ATTACH, self._thread, None, None):
            pytest.skip(f"a thread cannot be stopped here: {os.strerror(ctypes.get_errno())}")
        os.waitpid(self._thread, _ALL_THREADS)

    def __exit__(self, *_: object) -> None:
        self._libc.ptrace(_DETACH, self._thread, None, None)
