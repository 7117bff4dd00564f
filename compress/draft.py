"""A detector on its way through a recipe, and what every step may use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from vedette.compress.tuning import Progress, TuningData, Windows, tune
from vedette.compress.unfamiliar import unfamiliar
from vedette.runtime.detection.score_spec import ScoreSpec
from vedette.runtime.detection.signal import FloatArray
from vedette.train.model_dir import ModelDir
from vedette.train.score_terms import prediction_term
from vedette.train.windows import evenly

# Flat standardised windows to the rows that they let expect: ``(n, window * channels)`` to ``(n, channels)``.
Teacher = Callable[[FloatArray], FloatArray]

# Unfamiliar windows for each normal one that a step learns from. With three times as many, networks of a quarter of the
# units lose more on normal data than they gain on the rest.
UNFAMILIAR_PART = 0.1


@dataclass(frozen=True)
class Draft:
    """The deployed network, how its residuals become scores, and windows ``(m, window * channels)`` that cover the
    range its quantization has to. ``knows_ranges`` is whether it was trained with quantization, which then needs none.
    """

    head: Any
    score: ScoreSpec
    representative: FloatArray
    knows_ranges: bool = False


@dataclass(frozen=True)
class Bench:
    """What a step works with: the model directory, its windows, and the teacher, the uncompressed network by default.

    ``on_progress`` is told the rounds of training.
    """

    model: ModelDir
    data: TuningData
    teacher: Teacher
    taught_by: str = "the network itself"
    seed: int = 0
    on_progress: Progress | None = field(default=None, compare=False)

    @cached_property
    def lessons(self) -> TuningData:
        """What a step trains on, and by which it knows when to stop: windows, with what the network should expect.

        Of a normal window that is half way between what the teacher expects and what was observed, the best answer to
        both by squared error; of an unfamiliar one, for each few normal ones, what the teacher expects.
        """
        learned, held_out = self.data.learned, self.data.held_out
        some = learned.inputs[evenly(len(learned.inputs), round(UNFAMILIAR_PART * len(learned.inputs)))]
        others = unfamiliar(some, self.data.channels, self.model.signal.input_clip, seed=self.seed)
        half = np.float32(0.5)
        wanted, wanted_held_out = (
            half * (self.teacher(part.inputs) + part.newest) for part in (learned, held_out)
        )  # fmt: skip
        return replace(
            self.data,
            learned=Windows(np.concatenate([learned.inputs, others]), np.concatenate([wanted, self.teacher(others)])),
            held_out=Windows(held_out.inputs, wanted_held_out),
        )

    def tune(
        self,
        network: Any,
        *,
        rounds: int,
        learning_rate: float,
        callbacks: tuple[Any, ...] = (),
        keep_best: bool = True,
    ) -> list[float]:
        """Train ``network`` in place on the lessons; the held-out losses, see :func:`~.tuning.tune`."""
        return tune(
            network,
            self.lessons,
            rounds=rounds,
            learning_rate=learning_rate,
            seed=self.seed,
            callbacks=callbacks,
            keep_best=keep_best,
            on_progress=self.on_progress,
        )

    def rescored(self, draft: Draft, head: Any) -> Draft:
        """The draft with another network, whose residuals are measured anew."""
        learned = self.data.learned
        term = prediction_term(learned.newest - network_teacher(head)(learned.inputs))
        return replace(draft, head=head, score=replace(draft.score, prediction=term))


def network_teacher(head: Any) -> Teacher:
    """A deployed network as a teacher."""

    def expect(windows: FloatArray) -> FloatArray:
        expected: FloatArray = head.predict(windows, batch_size=1024, verbose=0)
        return expected

    return expect
