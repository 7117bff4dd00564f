"""How residuals become a score. Part of every bundle's manifest."""

from __future__ import annotations

from dataclasses import dataclass

from vedette.runtime.detection.prototypes import Prototypes


@dataclass(frozen=True)
class TermSpec:
    """How the residual of one expectation becomes a term of the score.

    ``residual_scale`` is the residual's spread on normal data, one value per channel, in standardised units.
    ``smoothing`` is the weight of the newest error in the exponential mean, in (0, 1]; 1 is no smoothing.
    ``level`` is the mean error on normal data, by which the smoothed error is divided.
    """

    residual_scale: tuple[float, ...]
    smoothing: float
    level: float


@dataclass(frozen=True)
class PrototypeSpec:
    """The prototypes, and how their residual becomes a term of the score."""

    prototypes: Prototypes
    term: TermSpec


@dataclass(frozen=True)
class ScoreSpec:
    """How the residuals become a score.

    ``prediction`` is the network's term; ``nearest`` the prototypes', where there are any. ``residual_clip`` bounds a
    residual, in spreads: beyond that, it says no more by being larger.
    """

    prediction: TermSpec
    nearest: PrototypeSpec | None
    residual_clip: float

    @property
    def terms(self) -> tuple[TermSpec, ...]:
        """The terms of the score: one or two."""
        return (self.prediction, self.nearest.term) if self.nearest else (self.prediction,)
