"""Windows that stand for normal operation where a network's ranges are sought: quantization finds them by these.

They are spread over all windows, and with them are those that make the input or a layer reach its extremes. All are
stretched, and joined by their mirror images: what comes after training goes further than what was seen, and not only in
the direction in which that went further. A range that ends where the training windows do takes a new load of a machine
for an anomaly, and hides an anomaly that goes the other way. The room costs resolution, which is there (docs/gate.md).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from vedette.runtime.detection.signal import FloatArray
from vedette.train.windows import evenly

EVEN_WINDOWS = 256
# Windows for each end of each layer's range.
EXTREME_WINDOWS = 4
# How far the windows are stretched. With 1.5, a pump at a load that its training data did not hold still saturates.
ROOM = 2.0


def covering(head: Any, windows: FloatArray, clip: float) -> FloatArray:
    """Windows that cover the ranges of a deployed network, from flat standardised ones ``(n, window * channels)``, of
    values within ``+-clip``."""
    chosen = [evenly(len(windows), EVEN_WINDOWS)]
    for output in (windows, *activations(head, windows)):
        flat = output.reshape(len(output), -1)
        chosen += [np.argsort(flat.min(axis=1))[:EXTREME_WINDOWS], np.argsort(-flat.max(axis=1))[:EXTREME_WINDOWS]]
    found = windows[np.unique(np.concatenate(chosen))]
    stretched = np.clip(ROOM * found, -clip, clip)
    return np.concatenate([stretched, -stretched])


def weighted(head: Any) -> list[Any]:
    """The layers with a kernel and a bias, from the input to the output."""
    return [layer for layer in head.layers if (values := layer.get_weights()) and values[0].ndim > 1]


def activations(head: Any, windows: FloatArray) -> list[FloatArray]:
    """What each layer with weights puts out for flat windows: ``(n, ..., units)`` each."""
    import tf_keras

    probe = tf_keras.Model(head.input, [layer.output for layer in weighted(head)])
    found = probe.predict(windows, batch_size=1024, verbose=0)
    return [found] if len(weighted(head)) == 1 else list(found)
