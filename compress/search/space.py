"""What the search chooses from: how small the student is, which parts of it and of the prototypes are kept, and which
way it goes to int8."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import optuna

from vedette.errors import ConfigError
from vedette.train.model_dir import ModelDir
from vedette.train.recipe import QUANTIZERS, Recipe, Step, parse_recipe

# Sizes are powers of two apart, in halves: each is about 0.7 of the one before.
STEP = 0.5
FEWEST_UNITS = 4
# Pruning and thinning keep at least an eighth.
MOST_PRUNED, MOST_THINNED = 3.0, 3.0
FIRST_THINNED = 1.0
# A parameter of a trial -> its value: how often it was halved, or the quantizer's name.
Parameters = dict[str, float | str]
STUDENT, PRUNED, THINNED, QUANTIZER = "student_halvings", "prune_halvings", "thin_halvings", "quantizer"


@dataclass(frozen=True)
class Space:
    """``ranges`` are the greatest halvings of each parameter that there is, ``hidden`` the units that a student of no
    halvings would have, and ``quantizers`` the ways to int8."""

    hidden: int
    ranges: Mapping[str, float]
    quantizers: tuple[str, ...]

    @classmethod
    def of(cls, model: ModelDir) -> Space:
        """What makes sense for a model directory and the steps that it has behind it.

        Raises :class:`ConfigError` where it is quantized already.
        """
        quantizers = tuple(name for name in QUANTIZERS if _possible(name, model))
        if not quantizers:
            parse_recipe([QUANTIZERS[0]], after=model.recipe, where=f"--recipe auto on {model.path}")
        hidden = model.model.hidden
        ranges = {
            STUDENT: math.floor(math.log2(max(hidden, FEWEST_UNITS) / FEWEST_UNITS) / STEP) * STEP,
            PRUNED: MOST_PRUNED,
            THINNED: MOST_THINNED if model.score.nearest else 0.0,
        }
        names = {STUDENT: "distill", PRUNED: "prune", THINNED: "thin"}
        return cls(
            hidden, {key: most for key, most in ranges.items() if most and _possible(names[key], model)}, quantizers
        )

    def recipe(self, parameters: Mapping[str, float | str]) -> Recipe:
        """The steps that parameters stand for; what is halved 0 times is no step."""
        halvings = {key: float(parameters.get(key, 0.0)) for key in (STUDENT, PRUNED, THINNED)}
        steps = []
        if halvings[STUDENT]:
            steps.append(Step("distill", max(1, round(self.hidden / 2 ** halvings[STUDENT]))))
        if halvings[PRUNED]:
            steps.append(Step("prune", round(2 ** -halvings[PRUNED], 3)))
        if halvings[THINNED]:
            steps.append(Step("thin", round(2 ** -halvings[THINNED], 3)))
        return (*steps, Step(str(parameters[QUANTIZER])))

    def first(self) -> list[Parameters]:
        """What is tried before the sampler has anything to go by: quantizing alone, then students and pruned networks
        of every size without training for int8, then some with it.

        All but the first keep half of the prototypes: with fewer, the loss may come of these, whatever the network.
        """
        # Those with the same network follow each other, so that it is at hand for the second.
        wanted = [(0.0, 0.0, 0)]
        wanted += [(*size, quantizer) for size in ((2.0, 0.0), (0.0, 2.0), (3.0, 0.0)) for quantizer in (0, 1)]
        wanted += [(1.0, 0.0, 0), (0.0, 1.0, 0), (0.0, 3.0, 0)]
        found: list[Parameters] = []
        for student, pruned, quantizer in wanted:
            halvings = {STUDENT: student, PRUNED: pruned, THINNED: FIRST_THINNED if student or pruned else 0.0}
            made: Parameters = {key: min(halvings[key], most) for key, most in self.ranges.items()}
            made[QUANTIZER] = self.quantizers[min(quantizer, len(self.quantizers) - 1)]
            if made not in found:
                found.append(made)
        return found

    def all(self) -> Iterator[Parameters]:
        """Every choice."""
        axes = [[number * STEP for number in range(round(most / STEP) + 1)] for most in self.ranges.values()]
        for halvings, quantizer in itertools.product(itertools.product(*axes), self.quantizers):
            yield {**dict(zip(self.ranges, halvings, strict=True)), QUANTIZER: quantizer}

    def nearest_untried(self, wanted: Mapping[str, float | str], tried: Collection[str]) -> Parameters | None:
        """The choice nearest to one that was tried already; None where all were."""

        def distance(made: Parameters) -> float:
            halved = sum(abs(float(made[key]) - float(wanted[key])) for key in self.ranges)
            return halved + (made[QUANTIZER] != wanted[QUANTIZER])

        untried = (made for made in self.all() if recipe_text(self.recipe(made)) not in tried)
        return min(untried, key=distance, default=None)

    def suggest(self, trial: optuna.Trial) -> Parameters:
        """The parameters of a trial."""
        found: Parameters = {key: trial.suggest_float(key, 0.0, most, step=STEP) for key, most in self.ranges.items()}
        found[QUANTIZER] = trial.suggest_categorical(QUANTIZER, self.quantizers)
        return found


def recipe_text(recipe: Recipe) -> str:
    """A recipe as it is written on the command line."""
    return ",".join(map(str, recipe))


def _possible(step: str, model: ModelDir) -> bool:
    """Whether a step may follow those that the directory has behind it."""
    try:
        parse_recipe([step], after=model.recipe)
    except ConfigError:
        return False
    return True
