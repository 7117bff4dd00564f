"""Calibration: from the scores of held-out normal data to the threshold that keeps a false-alarm budget.

False alarms are events, not windows, as an operator sees them: ``min_windows`` scores in a row above the line, and what
is closer together than ``separation`` windows counts as one. Where the data shows enough such events at the wanted
rate, the threshold is read off; where the budget is rarer than that, the tail is fitted by peaks over threshold
(Pickands 1975; generalised Pareto distribution by probability-weighted moments, Hosking and Wallis 1987) and
extrapolated, and the calibration says so. The fit is to log(1 + score / median): scores are geometric means of errors
squared, whose logarithm has a nearly exponential tail, which extrapolates best.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from vedette.errors import ConfigError, DataError
from vedette.train.config import ThresholdConfig

DEFAULT_PER_DAY = 0.1
DEFAULT_PER_10K = 5.0
# The data shows a rate when it holds at least this many events of it.
MIN_EVENTS = 5
# Quantile above which scores count as the tail, and the least number of peaks that a shape is fitted to.
TAIL_QUANTILE = 0.95
MIN_PEAKS_FOR_SHAPE = 20
# The logarithm's tail is nearly exponential (shape 0), and never heavier, as residuals are bounded; what few peaks say
# beyond these bounds is chance.
SHAPE_BOUNDS = (-0.2, 0.0)
BOOTSTRAPS = 200
# Levels that are tried when the data shows the rate, from the highest score down to this quantile. Further down, events
# grow together and become fewer again: no budget takes the threshold there.
LEVELS, LOWEST_LEVEL = 2001, 0.8
# Scores that are sorted at a time.
MOST_CELLS = 2**20

Scores = npt.NDArray[np.float64]
Method = Literal["quantile", "empirical", "peaks_over_threshold"]


@dataclass(frozen=True)
class Calibration:
    """A threshold and how it was found.

    ``scores_of`` says whose scores it was found on. ``budget_per_score`` is the wanted number of alarm events per
    score, None for a plain quantile; ``interval`` is a 90% bootstrap interval of the threshold; ``supported`` says
    whether the data itself shows the rate or the tail was extrapolated. ``before_matching`` is a compressed model's
    threshold before :func:`at_count` moved it, None where it stayed.
    """

    threshold: float
    scores_of: str
    method: Method
    budget: dict[str, float]
    budget_per_score: float | None
    supported: bool
    interval: tuple[float, float]
    normal_samples: int
    quantiles: dict[str, float]
    tail: dict[str, float] | None
    before_matching: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """The calibration as it stands in a manifest."""
        return asdict(self)


def calibrate(
    scores: Scores,
    config: ThresholdConfig,
    *,
    period_s: float | None,
    stride: int,
    separation: int,
    min_windows: int = 1,
    of_windows: int | None = None,
    scores_of: str = "held-out data",
) -> Calibration:
    """Find the threshold for a budget from the scores ``(n,)`` of normal data, in time order.

    An alarm takes ``min_windows`` scores above the threshold in a row, or of the last ``of_windows``, and alarms
    ``separation`` scores apart or less are one. Samples come every ``period_s`` seconds (None: no time base),
    scores every ``stride`` samples.
    Raises :class:`ConfigError` where the budget cannot be applied to the data.
    """
    if not len(scores) or not np.isfinite(scores).all():
        raise DataError("calibration needs finite scores of held-out normal data")
    budget, rate = event_rate(config, period_s, stride)
    lasting = debounced(scores, min_windows, of_windows)
    tail: dict[str, float] | None = None
    method: Method
    if rate is None:
        method, value = "quantile", float(np.quantile(scores, budget["quantile"]))
        supported = (1 - budget["quantile"]) * len(scores) >= MIN_EVENTS
        interval = (value, value)
    elif rate * len(scores) >= MIN_EVENTS:
        method, supported = "empirical", True
        value = _empirical(lasting, rate, separation)
        interval = (_empirical(lasting, rate * 1.5, separation), _empirical(lasting, rate / 1.5, separation))
    else:
        method, supported = "peaks_over_threshold", False
        value, interval, tail = _extrapolate(lasting, rate, separation)
    return Calibration(
        threshold=_positive(value),
        scores_of=scores_of,
        method=method,
        budget=budget,
        budget_per_score=rate,
        supported=supported,
        interval=interval,
        normal_samples=len(scores),
        quantiles={f"{q:g}": float(np.quantile(scores, q)) for q in (0.5, 0.9, 0.99, 0.995, 0.999, 1.0)},
        tail=tail,
    )


def at_count(found: Calibration, scores: Scores, count: int) -> Calibration:
    """The calibration with its threshold moved to the nearest level that ``count`` of the scores are above.

    A level between two scores is half-way. Where that many cannot be, as scores are equal, fewer are above.
    """
    count = min(count, len(scores))
    ordered = np.append(-np.sort(-scores), 0.0)
    low, high = float(ordered[count]), float(ordered[count - 1]) if count else math.inf
    if low <= found.threshold < high:
        return found
    level = _positive((low + high) / 2.0 if count else low)
    interval = (min(found.interval[0], level), max(found.interval[1], level))
    return replace(found, threshold=level, interval=interval, before_matching=found.threshold)


def debounced(scores: Scores, min_windows: int, of_windows: int | None = None) -> Scores:
    """The level that each score and the ``min_windows - 1`` before it all reach.

    With ``of_windows``, the level that a score and ``min_windows - 1`` of the ``of_windows - 1`` before it reach.

    >>> debounced(np.array([1, 5, 2, 3.0]), 2).tolist(), debounced(np.array([1, 5, 2, 3.0]), 2, 3).tolist()
    ([1.0, 1.0, 2.0, 2.0], [1.0, 1.0, 2.0, 3.0])
    """
    if of_windows is not None and of_windows > min_windows:
        return _of_last(scores, min_windows, of_windows)
    result = scores.copy()
    for back in range(1, min(min_windows, len(scores))):
        result[back:] = np.minimum(result[back:], scores[:-back])
        result[:back] = np.minimum(result[:back], scores[:back].min())
    return result


def _of_last(scores: Scores, count: int, span: int) -> Scores:
    """The ``count``-th highest of each score and the ``span - 1`` before it, and no more than the score itself."""
    padded = np.concatenate([np.full(span - 1, -np.inf), scores])
    result = np.empty_like(scores)
    step = max(1, MOST_CELLS // span)  # one block at a time: the windows overlap, and are copied
    for start in range(0, len(scores), step):
        windows = np.lib.stride_tricks.sliding_window_view(padded[start : start + step + span - 1], span)
        result[start : start + step] = np.partition(windows, span - count, axis=1)[:, span - count]
    first = min(count - 1, len(scores))
    result[:first] = np.minimum.accumulate(scores[:first])
    return np.minimum(result, scores)


def event_peaks(scores: Scores, level: float, separation: int) -> Scores:
    """The highest score of each event: a run of scores above ``level`` without ``separation`` scores below it.

    >>> event_peaks(np.array([0, 2, 0, 3, 0, 0, 0, 5.0]), 1.0, separation=2).tolist()
    [3.0, 5.0]
    """
    above = np.flatnonzero(scores > level)
    if not len(above):
        return np.empty(0)
    starts = np.concatenate([[0], np.flatnonzero(np.diff(above) > separation) + 1])
    return np.maximum.reduceat(scores[above], starts)


def event_rate(config: ThresholdConfig, period_s: float | None, stride: int) -> tuple[dict[str, float], float | None]:
    """The budget as the user gave it, and as a rate of events per score (None for a quantile).

    Raises :class:`ConfigError` for a budget per day where there is no time base.
    """
    if config.quantile is not None:
        return {"quantile": config.quantile}, None
    per_day, per_10k = config.false_alarms_per_day, config.false_alarms_per_10k_samples
    if per_day is not None and period_s is None:
        raise ConfigError(
            "threshold.false_alarms_per_day needs a time base: the data has no timestamp column; set "
            "signal.sample_period_s, or give threshold.false_alarms_per_10k_samples or threshold.quantile instead"
        )
    if per_10k is None and period_s is not None:
        per_day = per_day or DEFAULT_PER_DAY
        return {"false_alarms_per_day": per_day}, per_day * period_s * stride / 86_400
    per_10k = per_10k or DEFAULT_PER_10K
    return {"false_alarms_per_10k_samples": per_10k}, per_10k * stride / 10_000


def _empirical(scores: Scores, rate: float, separation: int) -> float:
    """The lowest level, coming down from the highest score, that at most ``rate`` events per score exceed."""
    allowed = rate * len(scores)
    level = float(scores.max())
    for candidate in np.quantile(scores, np.linspace(1.0, LOWEST_LEVEL, LEVELS)):
        if len(event_peaks(scores, candidate, separation)) > allowed:
            break
        level = float(candidate)
    return level


def _extrapolate(scores: Scores, rate: float, separation: int) -> tuple[float, tuple[float, float], dict[str, float]]:
    """The level that events exceed at ``rate`` by the fitted tail, its bootstrap interval, and the tail."""
    unit = float(np.median(scores)) or 1.0
    logarithms = np.log1p(np.maximum(scores, 0.0) / unit)
    start = float(np.quantile(logarithms, TAIL_QUANTILE))
    excesses = event_peaks(logarithms, start, separation) - start
    per_score = len(excesses) / len(scores)
    shape, scale = _fit_tail(excesses)
    rng = np.random.default_rng(0)
    resampled = [rng.choice(excesses, len(excesses)) if len(excesses) else excesses for _ in range(BOOTSTRAPS)]
    levels = [start + _tail_level(per_score, rate, *_fit_tail(sample)) for sample in resampled]
    low, high = unit * np.expm1(np.quantile(levels, [0.05, 0.95]))
    level = unit * math.expm1(start + _tail_level(per_score, rate, shape, scale))
    tail = {
        "start": unit * math.expm1(start),
        "unit": unit,
        "events": float(len(excesses)),
        "shape": shape,
        "scale": scale,
    }
    return level, (float(low), float(high)), tail


def _fit_tail(excesses: Scores) -> tuple[float, float]:
    """Shape and scale of the generalised Pareto distribution of the excesses; exponential where there are few."""
    if not len(excesses):
        return 0.0, 0.0
    mean = float(excesses.mean())
    if len(excesses) < MIN_PEAKS_FOR_SHAPE:
        return 0.0, mean
    ordered = np.sort(excesses)
    exceeded = 1.0 - (np.arange(1, len(ordered) + 1) - 0.35) / len(ordered)
    weighted = float(np.mean(exceeded * ordered))
    shape = float(np.clip(2.0 - mean / (mean - 2.0 * weighted), *SHAPE_BOUNDS))
    return shape, mean * (1.0 - shape)


def _tail_level(peak_rate: float, rate: float, shape: float, scale: float) -> float:
    """The excess that peaks, which come at ``peak_rate``, go beyond at ``rate``; 0 where they are rarer anyway."""
    if peak_rate <= rate or scale == 0.0:
        return 0.0
    ratio = peak_rate / rate
    return scale * (math.log(ratio) if shape == 0.0 else (ratio**shape - 1.0) / shape)


def _positive(value: float) -> float:
    """Severity is score / threshold, so a threshold is above 0 even where normal data scores 0 throughout."""
    return max(float(value), float(np.finfo(np.float32).tiny))
