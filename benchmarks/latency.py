"""How long one window takes on this machine, one stream and one thread: the bare model, and the whole step."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import median
from time import perf_counter_ns
from typing import Any

import numpy as np

from vedette.runtime.bundles.bundle import Bundle
from vedette.runtime.streams.scoring import Row
from vedette.runtime.streams.stream import Stream

WARM_UP, WINDOWS = 300, 3000


@dataclass(frozen=True)
class Latency:
    """Medians over ``windows`` windows, in microseconds, measured on this machine.

    ``invoke_us`` is the interpreter alone (set the input, invoke, get the output), ``step_us`` everything from a sample
    of floats to a score, and to an alert where there is one.
    """

    invoke_us: float
    step_us: float
    windows: int


def measure(bundle: Bundle, rows: Iterable[Row]) -> Latency:
    """Time a bundle on ``rows``: at least ``WARM_UP + WINDOWS`` of them, or as many as there are."""
    model = bundle.load_model()
    rng = np.random.default_rng(0)
    shape, dtype = (1, *model.input.shape[1:]), model.input.dtype
    windows = [
        rng.integers(-128, 128, shape).astype(np.int8) if dtype == "int8" else rng.normal(size=shape).astype(np.float32)
        for _ in range(64)
    ]
    invokes = _times(model.run, [(windows[i % len(windows)],) for i in range(WARM_UP + WINDOWS)])
    stream = Stream(bundle.manifest, model)
    steps = _times(stream.push, [row for row, _ in zip(rows, range(WARM_UP + WINDOWS), strict=False)])
    return Latency(invoke_us=median(invokes) / 1000, step_us=median(steps) / 1000, windows=len(steps))


def _times(function: Callable[..., Any], calls: list[Any]) -> list[int]:
    """Nanoseconds of each call, the first ones left out."""
    found = []
    for arguments in calls:
        began = perf_counter_ns()
        function(*arguments)
        found.append(perf_counter_ns() - began)
    return found[min(WARM_UP, len(found) // 2) :]
