"""The gate: what a compressed detector may lose against its float model, and the refusal where it lost more.

One rule for all that is measured: a change refuses where it is larger than what is promised, **and** larger than chance
explains in one case of twenty, by its standard error. What the data cannot show refuses nothing; it is reported.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from vedette.errors import ExportRefusedError

# The promise: int8 loses at most this much AUC-ROC against float, on either family of injected anomalies.
MAX_AUC_LOSS = 0.01
# The promise on held-out normal data: int8's rate of windows above its line is within this factor of float's.
ALARM_FACTOR = 1.25
# Chance alone gives more than so many standard errors to one side in one case of twenty.
STANDARD_ERRORS = 1.645
REMEDY = (
    "Put qat into the recipe or compress less (--recipe), export for a board that takes per-channel weights, or train "
    "with more normal data, which shows more of the range; or accept it, which the bundle records, with: --accept"
)


@dataclass(frozen=True)
class AucRoc:
    """Mean AUC-ROC of both models over injections of one family of anomalies, and the standard error of the loss."""

    float_auc_roc: float
    int8_auc_roc: float
    standard_error: float
    injections: int

    @property
    def loss(self) -> float:
        """What int8 lost; below 0 where it gained."""
        return self.float_auc_roc - self.int8_auc_roc

    @property
    def broken(self) -> bool:
        """Whether the loss is more than is promised and more than chance explains."""
        return self.loss > max(MAX_AUC_LOSS, STANDARD_ERRORS * self.standard_error)


@dataclass(frozen=True)
class AlarmRates:
    """Parts of the held-out normal windows above each model's line, and the standard error of their difference.

    The error is None where the windows are too few for several alarms, so that a difference says nothing.
    """

    float_rate: float
    int8_rate: float
    standard_error: float | None

    @property
    def ratio(self) -> float:
        """int8's rate over float's; 1 where both are 0."""
        if self.float_rate == self.int8_rate:
            return 1.0
        return self.int8_rate / self.float_rate if self.float_rate else math.inf

    @property
    def broken(self) -> bool:
        """Whether int8's rate is outside its band by more than chance explains."""
        inside = 1.0 / ALARM_FACTOR <= self.ratio <= ALARM_FACTOR
        if inside or self.standard_error is None:
            return False
        return abs(self.int8_rate - self.float_rate) > STANDARD_ERRORS * self.standard_error


@dataclass(frozen=True)
class WorkingPoint:
    """Alarm rates where there is something to count: the line of each model is a quantile of its scores of
    ``calibrated_on`` normal windows, and the rates are those of the windows after them."""

    quantile: float
    calibrated_on: int
    rates: AlarmRates


@dataclass(frozen=True)
class Comparison:
    """Float against int8, or whatever was deployed in its place; docs/gate.md says how it is measured.

    The AUC-ROCs are means over the two families of injected anomalies. The alarm rates are parts of the held-out normal
    windows above the threshold: each model at its own, and int8 at the float threshold, which is what would have been
    deployed without calibrating again. ``alarms`` counts them as the gateway raises them.
    """

    float_auc_roc: float
    int8_auc_roc: float
    faults: AucRoc
    changed_patterns: AucRoc
    float_alarm_rate: float
    int8_alarm_rate: float
    int8_alarm_rate_at_float_threshold: float
    alarm_rate_standard_error: float | None
    float_alarms: int
    int8_alarms: int
    int8_alarms_at_float_threshold: int
    working_point: WorkingPoint
    float_threshold: float
    int8_threshold: float
    normal_windows: int
    obtained: str = "measured on held-out normal data, and on the newest normal data with injected anomalies"

    def to_dict(self) -> dict[str, Any]:
        """The comparison as it stands in a manifest."""
        return asdict(self)

    @property
    def alarm_rates(self) -> AlarmRates:
        """The rates at each model's own threshold."""
        return AlarmRates(self.float_alarm_rate, self.int8_alarm_rate, self.alarm_rate_standard_error)

    @property
    def auc_loss(self) -> float:
        """AUC-ROC that int8 lost, on the family of anomalies on which it lost more."""
        return max(self.faults.loss, self.changed_patterns.loss)

    def broken_promises(self) -> list[str]:
        """What the compressed model lost beyond the promise, in words; empty when it keeps it."""
        families = {"faults": self.faults, "changed patterns": self.changed_patterns}
        broken = [_auc_words(name, auc) for name, auc in families.items() if auc.broken]
        if self.alarm_rates.broken:
            broken.append(_rate_words(self.alarm_rates, "its own threshold", "at its own"))
        point = self.working_point
        if point.rates.broken:
            line = f"the {100 * point.quantile:g}% quantile of its scores of {point.calibrated_on:,} windows before"
            broken.append(_rate_words(point.rates, line, "above its own"))
        return broken


def require_promises(comparison: Comparison) -> None:
    """Raise :class:`ExportRefusedError` with numbers and remedy where a promise is broken."""
    broken = comparison.broken_promises()
    if broken:
        raise ExportRefusedError(f"{'; '.join(broken)}. {REMEDY}")


def _auc_words(family: str, auc: AucRoc) -> str:
    return (
        f"int8 loses {100 * auc.loss:.1f} AUC points, give or take {100 * auc.standard_error:.1f}, on injected "
        f"{family} ({auc.float_auc_roc:.3f} -> {auc.int8_auc_roc:.3f}); at most {100 * MAX_AUC_LOSS:g} is allowed"
    )


def _rate_words(rates: AlarmRates, line: str, float_line: str) -> str:
    return (
        f"{100 * rates.int8_rate:.2f}% of the held-out normal windows score above {line} with int8, "
        f"{100 * rates.float_rate:.2f}% {float_line} with float; a factor of {ALARM_FACTOR:g} is allowed, up or down"
    )
