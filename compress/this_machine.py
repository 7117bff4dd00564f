"""This machine: whether it is a board that vedette exports for, and how fast models are on it."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import numpy as np

from vedette.compress.boards import Board
from vedette.runtime.inference.interpreter import Model

# What the kernel calls the board, on machines with a device tree.
DEVICE_TREE_MODEL = Path("/proc/device-tree/model")
# Invocations that a latency is the median of, at most, in blocks between which the models take turns, and the seconds
# that they may take.
INVOCATIONS, BLOCKS, LATENCY_S = 2000, 20, 0.5


def is_this_machine(board: Board) -> bool:
    """Whether this machine is that board."""
    if board.device_tree is None:
        return False
    try:
        found = DEVICE_TREE_MODEL.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return found.rstrip("\0\n").startswith(board.device_tree)


def invoke_us(*models: Model) -> list[float]:
    """Microseconds to set the input of one window, invoke, and get the output: the median for each model.

    They take turns, so that what else the machine does meets all of them.
    """
    inputs = [np.zeros((1, *model.input.shape[1:]), model.input.dtype) for model in models]
    times: list[list[int]] = [[] for _ in models]
    began = time.monotonic()
    for _ in range(BLOCKS):
        for model, window, taken in zip(models, inputs, times, strict=True):
            for _ in range(INVOCATIONS // BLOCKS):
                start = time.perf_counter_ns()
                model.run(window)
                taken.append(time.perf_counter_ns() - start)
        if time.monotonic() - began > LATENCY_S:
            break
    return [statistics.median(taken) / 1000.0 for taken in times]
