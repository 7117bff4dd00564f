"""What a search found, for people and for programs."""

from __future__ import annotations

import json
import platform
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from vedette.compress.search.candidate import Budget, Candidate
from vedette.compress.search.plot import plot_front
from vedette.compress.search.run import OnProgress, Progress, SearchResult
from vedette.runtime.bundles import bundle as bundles

# A table that is not read on a terminal is as wide as it needs to be.
FILE_WIDTH = 120


def print_front(result: SearchResult) -> None:
    """Print the Pareto front on stdout, the smallest first."""
    Console(width=None if sys.stdout.isatty() else FILE_WIDTH).print(front_table(result))


def front_table(result: SearchResult) -> Table:
    """The Pareto front as a table; the numbers are those in the picture."""
    table = Table(box=None, header_style="bold", caption_justify="left", title_justify="left")
    table.title, table.caption = _title(result), _caption(result)
    table.add_column("", justify="right")
    table.add_column("recipe", overflow="fold")
    for label in ("bytes", "smaller", "MACs", "µs", "AUC-ROC", "kept"):
        table.add_column(label, justify="right", no_wrap=True)
    table.add_column("")
    for number, candidate in enumerate(result.front, 1):
        elsewhere = candidate.host != platform.node()
        table.add_row(
            str(number),
            Text(candidate.recipe.replace(",", ", ")),
            f"{candidate.bytes:,}",
            f"{result.float_bytes / candidate.bytes:.1f}x",
            f"{candidate.arithmetic:,}",
            f"{candidate.latency_us:.1f}{'*' if elsewhere else ''}",
            f"{candidate.int8_auc_roc:.3f}",
            f"{candidate.auc_retention:.1%}",
            verdict(candidate, result),
            style="bold" if candidate == result.best else "" if result.budget.met_by(candidate) else "dim",
        )
    return table


def verdict(candidate: Candidate, result: SearchResult) -> str:
    """What came of a candidate, in a word or two."""
    if candidate == result.chosen:
        return "chosen"
    if candidate == result.best:
        return "best so far"
    return ", ".join(_misses(candidate, result.budget))


def _misses(candidate: Candidate, budget: Budget) -> list[str]:
    checks = {
        "breaks a promise": bool(candidate.broken),
        "too large": budget.large(candidate),
        "too weak": budget.weak(candidate) and not candidate.broken,
    }
    return [words for words, missed in checks.items() if missed]


def _title(result: SearchResult) -> str:
    tried = f"{len(result.candidates) + len(result.failed)} recipes tried"
    return f"{result.source.name} on {result.board}: what no other recipe beats, of {tried}"


def _caption(result: SearchResult) -> str:
    parts = [f"float32: {result.float_bytes:,} bytes"]
    if result.candidates:
        first = next((c for c in result.candidates if c.host == platform.node()), result.candidates[0])
        parts[0] += f", {first.float_latency_us:.1f} µs, AUC-ROC {first.float_auc_roc:.3f} on injected anomalies"
    parts.append("bytes: .tflite and prototypes; MACs: multiply-accumulates for a window; µs: median invocation here")
    hosts = sorted({candidate.host for candidate in result.candidates} - {platform.node()})
    if hosts:
        parts.append(f"* on {', '.join(hosts)}")
    return "; ".join(parts)


def front_json(result: SearchResult) -> dict[str, Any]:
    """The front and everything that was tried, as JSON types."""
    best = result.best
    return {
        "name": result.source.name,
        "board": result.board,
        "budget": {"max_bytes": result.budget.max_bytes, "min_auc_retention": result.budget.min_auc_retention},
        "float_bytes": result.float_bytes,
        "chosen": result.chosen.recipe if result.chosen else None,
        "best": best.recipe if best else None,
        "interrupted": result.interrupted,
        "front": [_row(candidate, result) for candidate in result.front],
        "candidates": [_row(candidate, result) for candidate in result.candidates],
        "failed": result.failed,
        "study": result.study,
        "obtained": "measured: AUC-ROC on normal data with injected anomalies, latency on the host named, with one "
        "thread of ai-edge-litert",
    }


def _row(candidate: Candidate, result: SearchResult) -> dict[str, Any]:
    return {
        **candidate.to_dict(),
        "bytes": candidate.bytes,
        "times_smaller": result.float_bytes / candidate.bytes,
        "auc_retention": candidate.auc_retention,
        "keeps_its_word": result.budget.met_by(candidate),
    }


def closing_words(result: SearchResult) -> list[str]:
    """What to do next, line by line."""
    best, study = result.best, result.study
    if result.interrupted:
        tried = len(result.candidates) + len(result.failed)
        words = [f"interrupted after {tried} recipes, which are kept in {study}: the same command goes on from there"]
        if best:
            words.append(f"to take the best so far, {best.recipe}, add: --trials {tried}")
        return words
    if result.model is None or best is None:
        return []
    return [
        f"wrote {result.model.path}: {best.recipe}, {best.bytes:,} bytes, {result.float_bytes / best.bytes:.1f} times "
        f"smaller than float32, {best.auc_retention:.1%} of its AUC-ROC",
        f"what was tried is kept in {study}: with --study, more --trials or another budget try nothing again",
        f"next: vedette export {shlex.quote(str(result.model.path))} --board {result.board}",
    ]


@contextmanager
def search_bar() -> Iterator[OnProgress]:
    """Yield what a search is to tell its progress to: on a terminal a bar on stderr with the best so far, elsewhere a
    line for each recipe."""
    if not sys.stderr.isatty():
        yield lambda progress: click.echo(f"{progress.done} of {progress.total}: {_now(progress)}", err=True)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (
        BarColumn(bar_width=16),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}", markup=False),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("")

        def on_progress(progress: Progress) -> None:
            bar.update(task, completed=progress.done, total=progress.total, description=_now(progress))

        yield on_progress


def _now(progress: Progress) -> str:
    """The best so far, and what a search is at; that may be cut off on a terminal."""
    best = progress.best
    told = f"best {best.bytes:,} bytes, {best.auc_retention:.1%} of AUC-ROC; " if best else ""
    return told + progress.doing


def write_front(result: SearchResult, output: Path) -> list[Path]:
    """Write the front beside a model directory, ``OUTPUT.front.json`` and ``OUTPUT.front.svg``; an older one goes."""
    files = {
        ".front.json": (json.dumps(front_json(result), indent=1, allow_nan=False) + "\n").encode(),
        ".front.svg": plot_front(result),
    }
    paths = []
    for ending, content in files.items():
        paths.append(output.with_name(output.name + ending))
        bundles.write(paths[-1], content)
    return paths
