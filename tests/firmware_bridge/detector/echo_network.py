"""A network simple enough to be written twice: what a detector needs around it can be tested without a model.

Each output is a quarter of thrice the window's newest value and its oldest one.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vedette.runtime.detection.signal import SignalSpec
from vedette.runtime.inference.interpreter import Quantization, TensorInfo


class EchoNetwork:
    """In the place of a :class:`~vedette.runtime.inference.interpreter.Model`."""

    family = "D"

    def __init__(self, signal: SignalSpec, quantization: dict[str, Quantization | None]) -> None:
        self._channels = len(signal.channels)
        self.input = TensorInfo("in", (1, signal.window * self._channels), "int8", quantization["input"])
        self.output = TensorInfo("out", (1, self._channels), "int8", quantization["output"])

    def run_many(self, windows: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
        wide = windows.astype(np.int32)
        return ((3 * wide[:, -self._channels :] + wide[:, : self._channels]) >> 2).astype(np.int8)


HEADER = """\
#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint32_t words[1];
} probe_arena_t;
void probe_run(probe_arena_t *arena, const int8_t *input, int8_t *output);
"""

SOURCE = """\
void probe_run(probe_arena_t *arena, const int8_t *input, int8_t *output) {
    (void)arena;
    for (int i = 0; i < PROBE_CHANNELS; i++) {
        const int newest = input[(PROBE_WINDOW - 1) * PROBE_CHANNELS + i];
        output[i] = (int8_t)((3 * newest + input[i]) >> 2);
    }
}
"""
