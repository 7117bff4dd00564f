"""``vedette compress``: a model directory, a recipe, and the smaller model directory that comes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from vedette.compress.draft import Bench, Draft, network_teacher
from vedette.compress.network import cost
from vedette.compress.steps import STEPS
from vedette.compress.teachers import teacher_of
from vedette.compress.tuning import Progress, TuningData
from vedette.train import model_dir
from vedette.train.convert import convert, deployed_head, head_converter
from vedette.train.model_dir import CalibrationData, Compressed, ModelDir
from vedette.train.recipe import Recipe, Step, parse_recipe

# Told that a step begins.
OnStep = Callable[[Step], None]


@dataclass(frozen=True)
class Workshop:
    """A model directory, open for compression: its draft, what the steps work with, and what was done before."""

    directory: ModelDir
    data: CalibrationData
    draft: Draft
    bench: Bench

    @classmethod
    def open(
        cls, directory: ModelDir, *, teachers: Sequence[str] = (), on_progress: Progress | None = None
    ) -> Workshop:
        """Load the network and its windows; ``teachers`` as in :func:`~vedette.compress.teachers.teacher_of`."""
        data = directory.load_calibration_data()
        windows = TuningData.of(directory, data)
        head = deployed_head(directory, directory.load_network())
        teacher = teacher_of(teachers, directory, windows) if teachers else network_teacher(head)
        # Names, not paths: where the directories were is of no use elsewhere.
        taught_by = ", ".join(Path(name).resolve().name for name in teachers) or "the network itself"
        bench = Bench(
            directory, windows, teacher, taught_by=taught_by, seed=directory.model.seed, on_progress=on_progress
        )
        draft = Draft(head, directory.score, data.representative, knows_ranges="qat" in directory.recipe)
        return cls(directory, data, draft, bench)

    def run(self, recipe: Recipe, *, on_step: OnStep = lambda step: None) -> tuple[Draft, list[dict[str, Any]]]:
        """Apply the steps in their order; the draft, and the record of each of them."""
        draft, records = self.draft, []
        for step in recipe:
            on_step(step)
            before = cost(draft.head, draft.score)
            draft, done = STEPS[step.name].apply(draft, self.bench, step.amount)
            after = cost(draft.head, draft.score)
            records.append({"step": str(step), **done, "cost_before": asdict(before), "cost": asdict(after)})
        return draft, records


def compress(
    source: Path,
    output: Path,
    recipe: Recipe,
    *,
    teachers: Sequence[str] = (),
    on_step: OnStep = lambda step: None,
    on_progress: Progress | None = None,
) -> ModelDir:
    """Compress a model directory by a recipe and write the result as another one.

    Raises :class:`ConfigError` for steps that make no sense behind those that the directory has seen already.
    """
    directory = model_dir.load(source)
    recipe = parse_recipe([str(step) for step in recipe], after=directory.recipe)
    model_dir.check_writable(output)
    workshop = Workshop.open(directory, teachers=teachers, on_progress=on_progress)
    draft, records = workshop.run(recipe, on_step=on_step)
    return save(workshop, draft, recipe, records, output)


def save(workshop: Workshop, draft: Draft, recipe: Recipe, records: Sequence[dict[str, Any]], output: Path) -> ModelDir:
    """Write what the steps have made of a model directory as another one, whole or not at all."""
    directory = workshop.directory
    before = directory.compressed
    compressed = Compressed(
        recipe=(*directory.recipe, *(str(step) for step in recipe)),
        steps=(*(before.steps if before else ()), *records),
        original_score=before.original_score if before else directory.score,
    )
    original = directory.load_original() if before else convert(head_converter(workshop.draft.head, batch=None))
    made = replace(directory, path=output, score=draft.score, compressed=compressed)
    model_dir.save(made, draft.head, replace(workshop.data, representative=draft.representative), original=original)
    return made
