"""What ``vedette compress --recipe auto`` comes to on real labelled series: on its own terms, and on the labels.

``python -m vedette.benchmarks.auto_compression [--data DIR] [--only PREFIX,…] [--trials N] [--models DIR]
[-o results.json]``

DIR is as in :mod:`vedette.benchmarks.real_series`. For each series, two points of the front are made again and scored
on the test rows, whose labels the search does not see: what it *chose*, and the *tenth*, the best by injected anomalies
of those whose .tflite is at least ten times smaller than the float32 one. The table also shows what the threshold of
the float model would have done to the artefact's alarms.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np

from vedette.benchmarks.compression_series import LabelledSeries, measure_all, series_options
from vedette.compress.artefact import Artefact, build, load_reference
from vedette.compress.boards import get_board
from vedette.compress.compress import Workshop
from vedette.compress.search.candidate import Candidate
from vedette.compress.search.run import search
from vedette.train.recipe import parse_recipe

BOARD = "rpi4"
TENTH = 10.0
MEANS = {
    "times_smaller": "times smaller, .tflite",
    "injected_auc_loss": "points lost, injected",
    "auc_loss": "points lost, test",
    "vus_pr_float": "VUS-PR float",
    "vus_pr": "VUS-PR",
}


def compress_series(series: LabelledSeries, models: Path, trials: int) -> dict[str, Any]:
    """Search, and score the two points of the front and the float model on the test rows."""
    directory = series.trained(models, seed=0)
    with tempfile.TemporaryDirectory() as scratch:
        result = search(directory.path, Path(scratch) / "compressed", BOARD, trials=trials)
    workshop = Workshop.open(directory)
    original, reference = load_reference(directory, workshop.data)

    def make(candidate: Candidate) -> Artefact:
        draft, _ = workshop.run(parse_recipe(candidate.recipe))
        return build(directory, draft, workshop.data, get_board(BOARD), reference)

    small = [candidate for candidate in result.candidates if len(original) >= TENTH * candidate.model_bytes]
    points = {"chosen": result.chosen, "tenth": max(small, key=lambda found: found.int8_auc_roc, default=None)}
    float_test = series.evaluate_float(directory, original)
    return {
        "dataset": series.dataset,
        "float_bytes": len(original),
        "float_test": float_test,
        "tried": [candidate.to_dict() for candidate in result.candidates],
        **{name: None if found is None else _point(series, found, make(found)) for name, found in points.items()},
    }


def _point(series: LabelledSeries, candidate: Candidate, made: Artefact) -> dict[str, Any]:
    return {
        "recipe": candidate.recipe,
        "model_bytes": len(made.model),
        "prototype_bytes": made.prototype_bytes,
        "arithmetic": candidate.arithmetic,
        "comparison": made.comparison.to_dict(),
        "test": series.evaluate_artefact(made),
        "test_at_float_threshold": series.evaluate(
            replace(made.manifest, threshold=made.comparison.float_threshold), made.deployed
        ),
    }


def tables(results: dict[str, dict[str, Any]]) -> str:
    """The means of both points, then each series."""
    lines = [["point", "series", *MEANS.values()]]
    for name in ("chosen", "tenth"):
        figures = [_figures(result, name) for result in results.values() if result[name]]
        means = [np.nanmean([found[key] for found in figures]) for key in MEANS] if figures else []
        lines.append([name, str(len(figures)), *(f"{mean:.3f}" for mean in means)])
    rows = [["series", "chosen", "bytes", "prototypes", *MEANS.values(), "above: float", "int8", "int8 at float's"]]
    for key, result in results.items():
        point = result["chosen"]
        if not point:
            rows.append([key, "nothing keeps its word"])
            continue
        found, comparison = _figures(result, "chosen"), point["comparison"]
        rates = ("float_alarm_rate", "int8_alarm_rate", "int8_alarm_rate_at_float_threshold")
        rows.append(
            [
                key.split("/", maxsplit=1)[1],
                point["recipe"],
                f"{point['model_bytes']:,}",
                f"{point['prototype_bytes']:,}",
            ]
            + [f"{found[name]:.3f}" for name in MEANS]
            + [f"{100 * comparison[name]:.2f}%" for name in rates]
        )
    return f"{_markdown(lines)}\n\n{_markdown(rows)}"


def _figures(result: dict[str, Any], name: str) -> dict[str, float]:
    point, original = result[name], result["float_test"]
    return {
        "times_smaller": result["float_bytes"] / point["model_bytes"],
        "injected_auc_loss": 100 * (point["comparison"]["float_auc_roc"] - point["comparison"]["int8_auc_roc"]),
        "auc_loss": 100 * (original["auc_roc"] - point["test"]["auc_roc"]),
        "vus_pr_float": original["vus_pr"],
        "vus_pr": point["test"]["vus_pr"],
    }


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    lines = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


@click.command()
@click.option("--trials", type=click.IntRange(min=1), default=20, show_default=True, help="Recipes tried a series.")
@series_options
def main(trials: int, **options: Any) -> None:
    """Search on every real series and print what came of it."""
    results = measure_all(compress_series, [trials], **options)
    if results:
        click.echo(tables(results))


if __name__ == "__main__":
    main()
