"""Windows unlike normal ones, on which a compressed network has to answer as its teacher does.

Anomalies are such windows, and none is at hand. A student that saw normal windows only may answer these as well as its
teacher and anything else in a way of its own, so that it scores anomalies otherwise. Teachers answer any window, so
they can be asked about more than there is (as in Beyer et al. 2022, "Knowledge distillation: A good teacher is patient
and consistent", https://arxiv.org/abs/2106.05237).
"""

from __future__ import annotations

import numpy as np

from vedette.runtime.detection.signal import FloatArray

# Channels that come from another window, and that are shifted, and by how much, in standardised units.
MIXED_PART = 0.3
SHIFTED_PART, SHIFT = 0.1, 2.0
# Between these the readings are stretched, with noise on them.
LEAST_STRETCH, MOST_STRETCH, NOISE = 0.5, 2.5, 0.1


def unfamiliar(windows: FloatArray, channels: int, clip: float, *, seed: int) -> FloatArray:
    """Flat standardised windows ``(n, window * channels)``, changed: a third each has channels of another window,
    channels that are shifted, or readings that are stretched and noisy. All stay within ``+-clip``."""
    rng = np.random.default_rng(seed)
    rows = windows.reshape(len(windows), -1, channels)
    one_each = (len(rows), 1, channels)
    mixed = np.where(rng.random(one_each) < MIXED_PART, rows[rng.permutation(len(rows))], rows)
    shifted = rows + np.where(
        rng.random(one_each) < max(SHIFTED_PART, 1.0 / channels), rng.normal(0.0, SHIFT, one_each), 0.0
    )
    stretched = rows * rng.uniform(LEAST_STRETCH, MOST_STRETCH, (len(rows), 1, 1)) + rng.normal(0.0, NOISE, rows.shape)
    changed = np.choose(rng.integers(3, size=(len(rows), 1, 1)), [mixed, shifted, stretched])
    found: FloatArray = np.clip(changed, -clip, clip).astype(np.float32).reshape(windows.shape)
    return found
