"""The measuring of candidates: a recipe is run, its artefact built and compared, and its latency taken."""

from __future__ import annotations

import platform
import time
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import Any

from vedette.compress.artefact import INSTALLED_HERE, build, load_reference
from vedette.compress.boards import Board
from vedette.compress.comparison import FloatReference
from vedette.compress.compress import Workshop
from vedette.compress.draft import Draft
from vedette.compress.network import cost
from vedette.compress.search.candidate import Candidate
from vedette.compress.search.space import recipe_text
from vedette.compress.this_machine import invoke_us
from vedette.runtime.inference.interpreter import Model
from vedette.train.recipe import Recipe, Step

# Networks between two steps that are kept, so that recipes with the same beginning train it once.
KEPT_DRAFTS = 8

Made = tuple[Draft, tuple[dict[str, Any], ...]]


@dataclass
class Lab:
    """A workshop with the float model that everything is measured against; ``original`` is its .tflite."""

    workshop: Workshop
    board: Board
    original: bytes
    reference: FloatReference
    host: str = field(default_factory=platform.node)
    _made: OrderedDict[tuple[Step, ...], Made] = field(default_factory=OrderedDict)

    @classmethod
    def of(cls, workshop: Workshop, board: Board) -> Lab:
        """Measure the float model of the workshop's directory, once for all candidates."""
        original, reference = load_reference(workshop.directory, workshop.data)
        return cls(workshop, board, original, reference)

    def make(self, recipe: Recipe) -> tuple[Draft, list[dict[str, Any]]]:
        """The draft of a recipe and the records of its steps; what was made before is not made again."""
        draft, records = self.workshop.draft, tuple[dict[str, Any], ...]()
        for done in range(1, len(recipe) + 1):
            key = recipe[:done]
            if key not in self._made:
                bench = replace(self.workshop, draft=draft)
                draft, new = bench.run(key[-1:])
                self._made[key] = draft, (*records, *new)
            draft, records = self._made[key]
            self._made.move_to_end(key)
            while len(self._made) > KEPT_DRAFTS:
                self._made.popitem(last=False)
        return draft, list(records)

    def measure(self, recipe: Recipe) -> Candidate:
        """Everything about a recipe. Raises :class:`ModelError` where it comes to nothing."""
        began = time.monotonic()
        draft, _ = self.make(recipe)
        artefact = build(self.workshop.directory, draft, self.workshop.data, self.board, self.reference)
        spent, found = cost(draft.head, draft.score), artefact.comparison
        models = (artefact.model, self.original)
        latency, float_latency = invoke_us(*(Model(model, package=INSTALLED_HERE) for model in models))
        return Candidate(
            recipe=recipe_text(recipe),
            model_bytes=len(artefact.model),
            prototype_bytes=artefact.prototype_bytes,
            parameters=spent.parameters,
            arithmetic=spent.arithmetic,
            latency_us=latency,
            float_latency_us=float_latency,
            host=self.host,
            float_auc_roc=found.float_auc_roc,
            int8_auc_roc=found.int8_auc_roc,
            auc_loss=found.auc_loss,
            broken=tuple(found.broken_promises()),
            seconds=round(time.monotonic() - began, 1),
        )
