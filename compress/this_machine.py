"""Whether vedette is running on a board that it exports for, so that what is measured here holds there."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from vedette.compress.boards import Board
from vedette.runtime.interpreter import Model

# What the kernel calls the board, on machines with a device tree.
DEVICE_TREE_MODEL = Path("/proc/device-tree/model")
WARM_UP, CALLS, REPEATS = 50, 200, 7


def is_this_machine(board: Board) -> bool:
    """Whether this machine is that board."""
    if board.device_tree is None:
        return False
    try:
        found = DEVICE_TREE_MODEL.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return found.rstrip("\0\n").startswith(board.device_tree)


def invoke_us(model: Model) -> float:
    """Microseconds to set the input of one window, invoke, and get the output: the least of several medians.

    Whatever else runs on the machine makes calls slower, never faster.
    """
    window = np.zeros((1, *model.input.shape[1:]), np.int8 if model.input.quantization else np.float32)
    for _ in range(WARM_UP):
        model.run(window)
    medians = []
    for _ in range(REPEATS):
        times = np.empty(CALLS)
        for call in range(CALLS):
            began = time.perf_counter_ns()
            model.run(window)
            times[call] = time.perf_counter_ns() - began
        medians.append(float(np.median(times)))
    return min(medians) / 1000.0
