"""Windows that stand for normal operation where a network's ranges are sought: quantization finds them by these.

They are spread over all windows, and with them are those that make the input or a layer reach its extremes; and the
mirror image of each. Readings of normal operation often go further one way than the other, and a range that ends where
they do would hide an anomaly that goes the other way: both ways get the room of the longer one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from vedette.runtime.signal import FloatArray
from vedette.train.windows import evenly

EVEN_WINDOWS = 256
# Windows for each end of each layer's range.
EXTREME_WINDOWS = 4


def covering(head: Any, windows: FloatArray) -> FloatArray:
    """Windows that cover the ranges of a deployed network, from flat standardised ones ``(n, window * channels)``."""
    chosen = [evenly(len(windows), EVEN_WINDOWS)]
    for output in (windows, *activations(head, windows)):
        flat = output.reshape(len(output), -1)
        chosen += [np.argsort(flat.min(axis=1))[:EXTREME_WINDOWS], np.argsort(-flat.max(axis=1))[:EXTREME_WINDOWS]]
    found = windows[np.unique(np.concatenate(chosen))]
    return np.concatenate([found, -found])


def weighted(head: Any) -> list[Any]:
    """The layers with a kernel and a bias, from the input to the output."""
    return [layer for layer in head.layers if (values := layer.get_weights()) and values[0].ndim > 1]


def activations(head: Any, windows: FloatArray) -> list[FloatArray]:
    """What each layer with weights puts out for flat windows: ``(n, ..., units)`` each."""
    import tf_keras

    probe = tf_keras.Model(head.input, [layer.output for layer in weighted(head)])
    found = probe.predict(windows, batch_size=1024, verbose=0)
    return [found] if len(weighted(head)) == 1 else list(found)
