"""Recipes: which compression steps, in which order. What the steps do is in :mod:`vedette.compress.steps`.

A step is its name, and where it takes an amount, a colon and the amount: ``distill:24`` (hidden units of the student),
``prune:0.5`` (part of the units that is kept), ``thin:0.25`` (part of the prototypes that is kept), ``sparsify:0.8``
(part of the weights that becomes zero).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from vedette.errors import ConfigError, nearest

MAX_STUDENT_UNITS = 4096


@dataclass(frozen=True)
class Amount:
    """What a step may be given: its least and greatest amount, and what that is."""

    low: float
    high: float
    what: str
    whole: bool = False


# Every step, in the order that makes sense, and its amount.
STEPS: dict[str, Amount | None] = {
    "distill": Amount(1, MAX_STUDENT_UNITS, "the student's hidden units, a whole number", whole=True),
    "prune": Amount(0.01, 0.99, "the part of the units that is kept"),
    "thin": Amount(0.01, 0.99, "the part of the prototypes that is kept"),
    "sparsify": Amount(0.01, 0.99, "the part of the weights that becomes zero"),
    "ptq": None,
    "qat": None,
}
# Two ways to int8, of which a network goes one.
QUANTIZERS = ("ptq", "qat")
# What leaves the network as it is, and so may come behind a quantizer.
_BESIDE_THE_NETWORK = ("thin",)
# Why a step cannot come after another one.
_TOO_LATE = {
    ("prune", "distill"): "the student would take the place of the pruned network: distill first, then prune",
    ("sparsify", "distill"): "the student would take the place of the sparse network: distill first, then sparsify",
    ("sparsify", "prune"): "training after pruning would fill the zeros again: prune first, then sparsify",
}


@dataclass(frozen=True)
class Step:
    """A step of a recipe; ``amount`` is None where the step is to choose."""

    name: str
    amount: float | None = None

    def __str__(self) -> str:
        """The word for it, from which the same step is read again."""
        return self.name if self.amount is None else f"{self.name}:{float(self.amount)!r}".removesuffix(".0")


Recipe = tuple[Step, ...]


def parse_recipe(words: str | Iterable[str], *, where: str = "recipe", after: Iterable[str] = ()) -> Recipe:
    """The steps of a recipe, given as a list or as text with commas.

    ``after`` are steps that the network has behind it. Raises :class:`ConfigError` for a step that is not known, has an
    amount that it cannot have, or comes in an order that makes no sense.

    >>> [str(step) for step in parse_recipe("distill:24, qat")]
    ['distill:24', 'qat']
    """
    texts = words.split(",") if isinstance(words, str) else list(words)
    steps = tuple(_step(text.strip(), where) for text in texts)
    if not steps:
        raise ConfigError(f"{where}: expected one step or more, found none; valid: {', '.join(STEPS)}")
    behind = [_step(text, where).name for text in after]
    for number, step in enumerate(steps):
        if step.name in behind:
            raise ConfigError(f"{where}: {step.name} was done before ({', '.join(behind)}); once is all it does")
        _check_order(step.name, [*behind, *(before.name for before in steps[:number])], where)
    return steps


def _step(text: str, where: str) -> Step:
    name, colon, value = text.partition(":")
    if name not in STEPS:
        raise ConfigError(f'{where}: "{name}" is no step; {nearest(name, STEPS)}')
    if not colon:
        return Step(name)
    allowed = STEPS[name]
    if allowed is None:
        raise ConfigError(f'{where}: {name} takes no amount, found "{text}"; write: {name}')
    try:
        amount = float(value)
    except ValueError:
        amount = math.nan
    # Neither NaN nor infinity is within bounds, so what is, is a number that can be whole.
    if not allowed.low <= amount <= allowed.high or (allowed.whole and not amount.is_integer()):
        raise ConfigError(
            f'{where}: {name}: expected {allowed.low:g} to {allowed.high:g}, {allowed.what}, found "{value}"'
        )
    return Step(name, amount)


def _check_order(name: str, done: list[str], where: str) -> None:
    if name in done:
        raise ConfigError(f"{where}: {name} is there twice; once is all it does")
    for before in done:
        reason = _TOO_LATE.get((before, name))
        if before in QUANTIZERS and name not in _BESIDE_THE_NETWORK:
            reason = f"{before} finds the ranges of the finished network, which {name} would change: put {before} last"
            if name in QUANTIZERS:
                reason = f"{before} has quantized the network already: keep one of {' and '.join(QUANTIZERS)}"
        if reason:
            raise ConfigError(f"{where}: {name} cannot come after {before}: {reason}")
