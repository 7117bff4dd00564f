"""A recipe that was tried, with everything that was measured on its artefact, and which of them to keep."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

# Latencies that differ by less are one: so much moves the median of a run to the next one on a machine with other work.
LATENCY_STEP = 0.10


@dataclass(frozen=True)
class Candidate:
    """What a recipe came to on a board.

    ``recipe`` is its text. The latencies are those of one invocation on ``host``, the machine that tried it, the float
    model's taken in turns with the candidate's. ``broken`` are the broken promises, in words.
    """

    recipe: str
    model_bytes: int
    prototype_bytes: int
    parameters: int
    arithmetic: int
    latency_us: float
    float_latency_us: float
    host: str
    float_auc_roc: float
    int8_auc_roc: float
    auc_loss: float
    broken: tuple[str, ...]
    seconds: float

    @property
    def bytes(self) -> int:
        """Bytes of the .tflite and of the prototypes beside it."""
        return self.model_bytes + self.prototype_bytes

    @property
    def auc_retention(self) -> float:
        """The part of the float model's mean AUC-ROC that is left."""
        return self.int8_auc_roc / self.float_auc_roc

    @property
    def latency_ratio(self) -> float:
        """Its latency for one of the float model on the same machine, so that machines can be compared."""
        return self.latency_us / self.float_latency_us

    def to_dict(self) -> dict[str, Any]:
        """Every field as JSON types."""
        return {**asdict(self), "broken": list(self.broken)}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Candidate:
        """The candidate that :meth:`to_dict` wrote; other keys are left alone. Raises KeyError where one is missing."""
        values = {item.name: document[item.name] for item in fields(cls)}
        return cls(**{**values, "broken": tuple(values["broken"])})

    def dominates(self, other: Candidate) -> bool:
        """Whether it is nowhere worse and somewhere better. One that breaks a promise is worse than one that does not,
        however small it is; latencies within a step of :data:`LATENCY_STEP` are equal."""
        ours, theirs = self._figures(), other._figures()
        return ours != theirs and all(mine <= their for mine, their in zip(ours, theirs, strict=True))

    def preference(self) -> tuple[float, ...]:
        """Sorts the smallest first; of equally small ones, the one with less arithmetic, the faster, the better."""
        return (self.bytes, *self._figures()[2:])

    def _figures(self) -> tuple[float, ...]:
        """What is compared, each better where it is smaller."""
        latency = math.floor(math.log(self.latency_ratio) / math.log1p(LATENCY_STEP))
        return (bool(self.broken), self.bytes, self.arithmetic, latency, -self.int8_auc_roc)


@dataclass(frozen=True)
class Budget:
    """What is asked of a candidate besides the promises; ``max_bytes`` None leaves the size open."""

    max_bytes: int | None
    min_auc_retention: float

    def large(self, candidate: Candidate) -> bool:
        """Whether the candidate has too many bytes."""
        return self.max_bytes is not None and candidate.bytes > self.max_bytes

    def weak(self, candidate: Candidate) -> bool:
        """Whether the candidate keeps too little of the AUC-ROC."""
        return candidate.auc_retention < self.min_auc_retention

    def met_by(self, candidate: Candidate) -> bool:
        """Whether the candidate keeps its word: every promise, the size and the AUC-ROC."""
        return not (candidate.broken or self.large(candidate) or self.weak(candidate))

    def distance(self, candidate: Candidate) -> float:
        """How far from the budget: the part of the bytes that is too many, and the AUC points that are missing, of
        which one counts as much as a tenth of the bytes."""
        bytes_over = max(0.0, candidate.bytes / self.max_bytes - 1.0) if self.max_bytes else 0.0
        return bytes_over + 10.0 * max(0.0, self.min_auc_retention - candidate.auc_retention)


def front(candidates: Iterable[Candidate]) -> list[Candidate]:
    """The candidates that no other one dominates (the Pareto front), the smallest first.

    Of candidates with the same figures, the first is taken.
    """
    found: list[Candidate] = []
    for candidate in sorted(candidates, key=lambda one: (one.preference(), one.recipe)):
        same = any(candidate._figures() == other._figures() for other in found)
        if not same and not any(other.dominates(candidate) for other in found):
            found = [other for other in found if not candidate.dominates(other)] + [candidate]
    return sorted(found, key=Candidate.preference)


def keeping_their_word(candidates: Iterable[Candidate], budget: Budget) -> list[Candidate]:
    """Those that meet the budget, the smallest first."""
    return sorted(filter(budget.met_by, candidates), key=lambda one: (one.preference(), one.recipe))


def refusal(candidates: Sequence[Candidate], budget: Budget, *, failed: Mapping[str, str]) -> str:
    """Why nothing was chosen: the nearest candidate, by how much it misses, and what to relax.

    ``failed`` are the recipes that came to nothing, with the reason.
    """
    if not candidates:
        return f"no recipe came to a candidate: {next(iter(failed.values()), 'none was tried; give more --trials')}"
    asked = f"{budget.min_auc_retention:.1%} or more of the float model's AUC-ROC"
    if budget.max_bytes is not None:
        asked = f"{budget.max_bytes:,} bytes or fewer and {asked}"
    nearest = min(candidates, key=lambda one: (bool(one.broken), budget.distance(one)))
    misses = []
    if budget.max_bytes is not None and budget.large(nearest):
        misses.append(f"{nearest.bytes - budget.max_bytes:,} bytes too many")
    if budget.weak(nearest):
        misses.append(f"{100 * (budget.min_auc_retention - nearest.auc_retention):.1f} points of them too few")
    misses += nearest.broken[:1]
    return (
        f"none of {len(candidates)} candidates has {asked} with every promise kept. Nearest is {nearest.recipe} with "
        f"{nearest.bytes:,} bytes and {nearest.auc_retention:.1%}: {'; '.join(misses)}. {_relief(candidates, budget)}"
    )


def _relief(candidates: Sequence[Candidate], budget: Budget) -> str:
    """What to relax, and to what, so that a candidate that was measured is taken."""
    honest = [candidate for candidate in candidates if not candidate.broken]
    ways = []
    strong = [candidate for candidate in honest if not budget.weak(candidate)]
    if strong:
        ways.append(f"--max-bytes {min(candidate.bytes for candidate in strong)}")
    small = [candidate for candidate in honest if not budget.large(candidate)]
    if small:
        best = max(candidate.auc_retention for candidate in small)
        ways.append(f"--min-auc-retention {math.floor(1000 * best) / 1000:g}")
    if ways:
        return f"Relax: {', or '.join(ways)}"
    if honest:
        smallest = min(honest, key=Candidate.preference)
        kept = math.floor(1000 * smallest.auc_retention) / 1000
        return f"Relax both: --max-bytes {smallest.bytes} --min-auc-retention {kept:g}"
    return "Give more --trials, or train with more normal data or another model.kind"
