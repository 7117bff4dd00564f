"""What ``vedette compress`` shows: a bar while it works, then what each step did and what the detector is worth now."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from vedette.compress import artefact
from vedette.compress.board import Board
from vedette.compress.compress import Workshop
from vedette.compress.tuning import Progress
from vedette.train.model_dir import ModelDir
from vedette.train.recipe import QUANTIZERS


@contextmanager
def compression_bar() -> Iterator[tuple[Callable[[object], None], Progress | None]]:
    """Two functions: one is told each step, the other the rounds of training within it. On a terminal they draw a bar,
    elsewhere each step is a line on stderr."""
    if not sys.stderr.isatty():
        yield lambda step: click.echo(f"{step} ...", err=True), None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.fields[step]}"), BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None, step="load")

        def on_step(step: object) -> None:
            bar.update(task, step=str(step), description="", completed=0, total=None)

        def on_progress(done: int, rounds: int, loss: float) -> None:
            bar.update(task, completed=done, total=rounds, description=f"held-out loss {loss:.4f}")

        yield on_step, on_progress


def describe(directory: ModelDir, board: Board) -> dict[str, Any]:
    """What a compressed directory has become, measured on the artefact of a board, as JSON types."""
    workshop = Workshop.open(directory)
    original, reference = artefact.load_reference(directory, workshop.data)
    made = artefact.build(
        directory,
        workshop.draft,
        workshop.data,
        board,
        reference,
    )
    assert directory.compressed is not None
    return {
        "directory": str(directory.path),
        "board": board.name,
        "recipe": list(directory.recipe),
        "steps": [dict(step) for step in directory.compressed.steps],
        "float_bytes": len(original),
        "model_bytes": len(made.model),
        "prototype_bytes": made.prototype_bytes,
        "quantized": any(step in QUANTIZERS for step in directory.recipe),
        "accuracy": made.comparison.to_dict(),
        "broken_promises": made.comparison.broken_promises(),
    }


def print_compression(found: dict[str, Any]) -> None:
    """Print a description as a table of the steps and the figures of the result."""
    from rich.console import Console
    from rich.table import Table

    table = Table("step", "parameters", "multiplications", "prototypes'", box=None, header_style="bold")
    for column in table.columns[1:]:
        column.justify = "right"
    first = found["steps"][0]["cost_before"]
    for name, cost in [("as trained", first), *((step["step"], step["cost"]) for step in found["steps"])]:
        table.add_row(name, *(f"{cost[key]:,}" for key in ("parameters", "macs", "prototype_macs")))
    Console(width=None if sys.stdout.isatty() else 100).print(table)
    accuracy, model, original = found["accuracy"], found["model_bytes"], found["float_bytes"]
    lines = [
        f"model       {model:,} bytes as int8 for {found['board']}, {original:,} as trained in float32 "
        f"({original / model:.1f} times smaller)",
        f"prototypes  {found['prototype_bytes']:,} bytes",
        f"AUC-ROC     {accuracy['int8_auc_roc']:.3f}, {accuracy['float_auc_roc']:.3f} as trained (injected anomalies)",
        f"alarms      {100 * accuracy['int8_alarm_rate']:.3f}% of {accuracy['normal_windows']:,} held-out normal "
        f"windows are above the threshold, {100 * accuracy['float_alarm_rate']:.3f}% as trained",
        *(f"export would refuse it: {promise}" for promise in found["broken_promises"]),
    ]
    for line in lines:
        click.echo(line)
