"""What the gate lets pass and what it refuses, on real series: honest artefacts, and ones broken on purpose.

``python -m vedette.benchmarks.gate [--data DIR] [--only PREFIX,…] [--models DIR] [-o results.json]``

DIR is as in :mod:`vedette.benchmarks.real_series`. For each series, one detector is quantized as it should be, with
ranges that are too small, and with weights of 3 bits. The honest one is also run over the normal rows of the test part,
which calibration never saw: at its own threshold, and at the float model's, which is what keeping that would have done.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import tf_keras

from vedette.benchmarks.compression_series import LabelledSeries, measure_all, series_options
from vedette.compress.artefact import build, load_reference
from vedette.compress.boards import get_board
from vedette.compress.compress import Workshop
from vedette.compress.draft import Draft
from vedette.runtime.inference.interpreter import Model
from vedette.train.held_out import draft_manifest
from vedette.train.recipe import parse_recipe

BOARD = "rpi4"
HONEST = "int8, as it should be"
BITS = 3


def _narrowed(factor: float) -> Callable[[Draft], Draft]:
    return lambda draft: replace(draft, representative=draft.representative * np.float32(factor))


def _coarse(draft: Draft) -> Draft:
    """The network with weights of a few bits; the biases stay."""
    head = tf_keras.models.clone_model(draft.head)
    weights = []
    for weight in draft.head.get_weights():
        step = np.abs(weight).max() / (2 ** (BITS - 1) - 0.5) if weight.ndim > 1 else 0.0
        weights.append((np.round(weight / step) * step).astype(weight.dtype) if step else weight)
    head.set_weights(weights)
    return replace(draft, head=head)


ARTEFACTS: dict[str, Callable[[Draft], Draft]] = {
    HONEST: lambda draft: draft,
    "int8, range a quarter of the right one": _narrowed(1 / 4),
    "int8, range 1,000 times too small": _narrowed(1 / 1000),
    f"int8, weights of {BITS} bits": _coarse,
}


def judge(series: LabelledSeries, models: Path, seed: int) -> dict[str, Any]:
    """The comparison and the broken promises of each artefact; of the honest one, its alarms on normal test rows."""
    directory = series.trained(models, seed)
    workshop = Workshop.open(directory)
    original, reference = load_reference(directory, workshop.data)
    draft, _ = workshop.run(parse_recipe("ptq"))
    found: dict[str, Any] = {}
    for name, change in ARTEFACTS.items():
        made = build(directory, change(draft), workshop.data, get_board(BOARD), reference)
        found[name] = {"comparison": made.comparison.to_dict(), "broken": made.comparison.broken_promises()}
        if name == HONEST:
            float_model = Model(original)
            float_scores = series.score_normal(draft_manifest(directory, float_model), float_model)
            scores = series.score_normal(made.manifest, made.deployed)
            found["normal_test_rows"] = {
                "rows": len(scores),
                "float": int((float_scores > made.comparison.float_threshold).sum()),
                "int8": int((scores > made.comparison.int8_threshold).sum()),
                "int8_at_float_threshold": int((scores > made.comparison.float_threshold).sum()),
            }
    return found


def tables(results: dict[str, dict[str, Any]]) -> str:
    """What was refused and lost, for each artefact; then the alarm rates of the honest one, for each series."""
    lines = [["artefact", "refused", "points lost, faults", "points lost, changed patterns"], ["---"] * 4]
    for name in ARTEFACTS:
        comparisons = [found[name]["comparison"] for found in results.values()]
        losses = [
            100 * np.mean([c[family]["float_auc_roc"] - c[family]["int8_auc_roc"] for c in comparisons])
            for family in ("faults", "changed_patterns")
        ]
        refused = sum(bool(found[name]["broken"]) for found in results.values())
        lines.append([name, f"{refused} of {len(results)}", *(f"{loss:.1f}" for loss in losses)])
    above = ("above: float", "int8", "int8 at float's threshold")
    rows = [["series", "held-out windows", *above, "normal test rows", *above], ["---"] * 9]
    for key, found in results.items():
        comparison, test = found[HONEST]["comparison"], found["normal_test_rows"]
        rates = ("float_alarm_rate", "int8_alarm_rate", "int8_alarm_rate_at_float_threshold")
        counts = [round(comparison[rate] * comparison["normal_windows"]) for rate in rates]
        rows.append([key.split("/", maxsplit=1)[1], *_numbers(comparison["normal_windows"], *counts)])
        rows[-1] += _numbers(test["rows"], test["float"], test["int8"], test["int8_at_float_threshold"])
    return "\n\n".join("\n".join(f"| {' | '.join(row)} |" for row in part) for part in (lines, rows))


def _numbers(*numbers: int) -> list[str]:
    return [f"{number:,}" for number in numbers]


@click.command()
@series_options
def main(**options: Any) -> None:
    """Judge artefacts of every real series and print what was refused."""
    results = measure_all(judge, [0], **options)
    if results:
        click.echo(tables(results))


if __name__ == "__main__":
    main()
