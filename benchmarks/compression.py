"""What each compression step brings on real labelled series: size, arithmetic and detection, over several seeds.

``python -m vedette.benchmarks.compression [--data DIR] [--only PREFIX,…] [--seeds 5] [--models DIR] [-o results.json]``

DIR is as in :mod:`vedette.benchmarks.real_series`. Each recipe is measured on the artefact for a Raspberry Pi 4. The
figures of a seed are means over the series; the table shows their mean over the seeds, and their standard deviation.
``--models`` keeps the trained directories, which take longest; ``-o`` is written after every series, and a run that
finds it goes on from there.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from vedette.benchmarks.compression_series import LabelledSeries, measure_all, series_options, spread
from vedette.compress import artefact
from vedette.compress.boards import get_board
from vedette.compress.compress import Workshop
from vedette.compress.draft import Draft
from vedette.compress.network import cost
from vedette.errors import VedetteError
from vedette.train.recipe import Recipe, parse_recipe

BOARD = "rpi4"
RECIPES = (
    "ptq",
    "qat",
    "sparsify,ptq",
    "prune:0.5,ptq",
    "prune:0.5,qat",
    "prune:0.25,ptq",
    "prune:0.25,qat",
    "distill:16,ptq",
    "distill:16,qat",
    "distill:32,prune:0.5,qat",
    "thin:0.25,ptq",
    "distill:16,thin:0.25,qat",
)
AS_TRAINED = "float32, as trained"
COLUMNS = {
    "model_bytes": "model bytes",
    "prototype_bytes": "prototype bytes",
    "times_smaller": "times smaller",
    "arithmetic": "multiplications",
    "injected_auc_roc": "AUC-ROC, injected",
    "auc_roc": "AUC-ROC, test",
    "vus_pr": "VUS-PR, test",
    "event_recall": "event recall",
    "false_alarms_per_10k": "false alarms / 10k",
    "refused": "refused by the gate",
}


def ablate(series: LabelledSeries, models: Path, seed: int) -> dict[str, dict[str, Any]]:
    """The figures of every recipe on one series, and of the float model."""
    directory = series.trained(models, seed)
    workshop = Workshop.open(directory)
    original, reference = artefact.load_reference(directory, workshop.data)
    draft = workshop.draft
    prototypes = draft.score.nearest.prototypes.size if draft.score.nearest else 0
    found: dict[str, dict[str, Any]] = {}
    found[AS_TRAINED] = {
        "model_bytes": len(original),
        "prototype_bytes": prototypes,
        "times_smaller": 1.0,
        "arithmetic": cost(draft.head, draft.score).arithmetic,
        **series.evaluate_float(directory, original),
    }
    drafts: dict[Recipe, Draft] = {(): draft}
    for text in RECIPES:
        recipe = parse_recipe(text)
        try:
            # What several recipes begin with is done once.
            for length in range(1, len(recipe) + 1):
                if recipe[:length] not in drafts:
                    begun = replace(workshop, draft=drafts[recipe[: length - 1]])
                    drafts[recipe[:length]], _ = begun.run(recipe[length - 1 : length])
            made = artefact.build(
                directory,
                drafts[recipe],
                workshop.data,
                get_board(BOARD),
                reference,
            )
        except VedetteError as error:
            found[text] = {"failed": str(error)}
            continue
        found[AS_TRAINED]["injected_auc_roc"] = made.comparison.float_auc_roc
        found[text] = {
            "model_bytes": len(made.model),
            "prototype_bytes": made.prototype_bytes,
            "times_smaller": len(original) / len(made.model),
            "arithmetic": cost(drafts[recipe[:-1]].head, made.directory.score).arithmetic,
            "injected_auc_roc": made.comparison.int8_auc_roc,
            "refused": float(bool(made.comparison.broken_promises())),
            "comparison": made.comparison.to_dict(),
            **series.evaluate_artefact(made),
        }
    return found


def table(results: dict[str, dict[str, dict[str, Any]]]) -> str:
    """``results[seed/series][recipe]`` as a Markdown table: means over series, mean and deviation over seeds."""
    sums: dict[str, dict[str, dict[str, list[float]]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for key, recipes in results.items():
        seed = key.split("/", maxsplit=1)[0]
        for recipe, figures in recipes.items():
            for column in COLUMNS:
                if figures.get(column) is not None:
                    sums[recipe][column][seed].append(float(figures[column]))
    lines = [["recipe", *COLUMNS.values()], ["---"] * (len(COLUMNS) + 1)]
    for recipe, columns in sums.items():
        cells = []
        for column in COLUMNS:
            means = [spread(values)[0] for values in columns[column].values()]
            cells.append(_cell(*spread(means)) if means else "-")
        lines.append([recipe, *cells])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _cell(mean: float, deviation: float) -> str:
    if mean >= 100:
        return f"{mean:,.0f}"
    digits = 3 if mean < 1 else 1
    return f"{mean:.{digits}f} ± {deviation:.{digits}f}"


@click.command()
@click.option("--seeds", type=click.IntRange(min=1), default=5, show_default=True)
@series_options
def main(seeds: int, **options: Any) -> None:
    """Measure every recipe on real series and print a table of means and their spread over seeds."""
    results = measure_all(ablate, range(seeds), **options)
    if results:
        click.echo(table(results))


if __name__ == "__main__":
    main()
