"""What a stream must look like: channels, scaling, window. Part of every bundle's manifest."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

MissingPolicy = Literal["hold", "drop", "fail"]
FloatArray = npt.NDArray[np.float32]

# Nominal period where the data has no time base: times are then counts of samples.
SAMPLE_COUNT_PERIOD_S = 1.0
# A step between samples of more than this many periods is a gap: the window before it is not continued.
GAP_PERIODS = 3.0
# A reading beyond this, in whatever unit, is no measurement but a broken one: it counts as missing.
MAX_READING = 1e36
# Standardised readings are bounded here, well inside float32.
STANDARDISED_LIMIT = np.array(1e30)


@dataclass(frozen=True)
class Channel:
    """One measured quantity.

    ``mean`` and ``scale`` standardise it, both in the channel's unit; ``low`` and ``high`` are the range seen in
    normal data. ``longest_flat`` is the most samples in a row that it had one and the same reading there, None where
    that is not known, or says nothing because it hardly ever moves.
    """

    name: str
    mean: float
    scale: float
    low: float
    high: float
    unit: str | None = None
    longest_flat: int | None = None


@dataclass(frozen=True)
class SignalSpec:
    """The signal a model was trained on.

    ``window`` and ``stride`` are in samples. ``sample_period_s`` is None where the data had no time base.
    ``input_clip`` bounds the standardised values that the model sees. With ``missing = "hold"`` a channel's last
    value stands in for a missing one for at most ``max_hold`` samples.

    Where ``resampled``, samples come at irregular times and are put on a grid with a row every ``sample_period_s`` (see
    :mod:`~vedette.runtime.detection.resample`): ``window``, ``stride`` and ``max_hold`` are then in rows of the grid.
    Raises :class:`ValueError` for a grid without a period.
    """

    channels: tuple[Channel, ...]
    window: int
    stride: int
    sample_period_s: float | None
    timestamp: str | None
    missing: MissingPolicy
    max_hold: int
    input_clip: float
    resampled: bool = False

    def __post_init__(self) -> None:
        if self.resampled and self.sample_period_s is None:
            raise ValueError("a resampled signal needs a sample_period_s, the period of its grid")

    @property
    def names(self) -> tuple[str, ...]:
        """Channel names, in the order of every array with a channel axis."""
        return tuple(channel.name for channel in self.channels)

    @property
    def period_s(self) -> float:
        """Seconds per sample; 1 where there is no time base, so that durations count samples."""
        return self.sample_period_s or SAMPLE_COUNT_PERIOD_S

    @property
    def longest_step_s(self) -> float:
        """Seconds between samples beyond which there is a gap; infinite where there is no time base."""
        return GAP_PERIODS * self.sample_period_s if self.sample_period_s else math.inf

    @cached_property
    def mean(self) -> npt.NDArray[np.float64]:
        """Means, shape ``(channels,)``."""
        return np.array([channel.mean for channel in self.channels])

    @cached_property
    def scale(self) -> npt.NDArray[np.float64]:
        """Scales, shape ``(channels,)``."""
        return np.array([channel.scale for channel in self.channels])

    def standardise(self, rows: npt.NDArray[np.float64]) -> FloatArray:
        """Scale ``(..., channels)`` rows in sensor units to float32 with mean 0 and spread 1, within +-1e30."""
        scaled = np.subtract(rows, self.mean)
        np.divide(scaled, self.scale, out=scaled)
        np.maximum(scaled, -STANDARDISED_LIMIT, out=scaled)
        np.minimum(scaled, STANDARDISED_LIMIT, out=scaled)
        return scaled.astype(np.float32)
