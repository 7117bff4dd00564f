"""The commands that ``compress`` brings to the command line."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Any

import click


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def boards(context: click.Context, as_json: bool) -> None:
    """List the boards that models can be exported for."""
    if context.invoked_subcommand is not None:
        return
    from vedette.compress.boards import load_boards

    entries = load_boards().values()
    if as_json:
        _print_json([board.resolved() for board in entries])
        return
    from rich.console import Console

    from vedette.compress.boards_view import tables

    # A table that is not read on a terminal is as wide as it needs to be.
    console = Console(width=None if sys.stdout.isatty() else 140)
    for number, table in enumerate(tables(entries)):
        if number:
            console.print()
        console.print(table)


@boards.command("show")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def boards_show(name: str, as_json: bool) -> None:
    """Show everything about one board, with the source of every number."""
    from vedette.compress.boards import get_board

    board = get_board(name)
    if as_json:
        _print_json(board.resolved())
        return
    from vedette.compress.boards_view import sheet

    click.echo(sheet(board))


def _print_json(document: object) -> None:
    click.echo(json.dumps(document, indent=2, ensure_ascii=False))


@click.command()
@click.argument("model_dir", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="Model directory to write.")
@click.option("--recipe", help='Steps like "distill,prune:0.5,qat", or "auto".  [default: the project\'s, or auto]')
@click.option("--teacher", "teachers", multiple=True, help="Whom to learn from: a model directory or a baseline.")
@click.option("--board", default="x86-64", show_default=True, help="The board to compress for; see: vedette boards.")
@click.option("--max-bytes", type=click.IntRange(min=1), help="auto: what model and prototypes may take at most.")
@click.option("--min-auc-retention", type=click.FloatRange(0, 1), help="auto: part of AUC to keep.  [default: 0.99]")
@click.option("--trials", type=click.IntRange(min=1), help="auto: how many candidates to try.")
@click.option("--study", help="auto: database that keeps what was tried, to go on from.  [default: OUTPUT.study.db]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def compress(
    *,
    model_dir: Path,
    output: Path,
    recipe: str | None,
    teachers: tuple[str, ...],
    board: str,
    max_bytes: int | None,
    min_auc_retention: float | None,
    trials: int | None,
    study: str | None,
    as_json: bool,
) -> None:
    """Make a trained detector smaller, and measure what that does to it.

    \b
    distill:UNITS    a smaller network learns what the teacher expects
    prune:PART       keep that part of every layer's units
    thin:PART        keep that part of the prototypes
    sparsify:PART    make that part of the weights zero (for compressed transfer only)
    ptq or qat       int8: choose the ranges, or train on with the rounding

    "auto" searches over them for the smallest detector that keeps its word on the board. The amounts may be left out.
    """
    from vedette.compress.boards import get_board
    from vedette.train import model_dir as model_dirs
    from vedette.train.config import AUTO
    from vedette.train.recipe import parse_recipe

    chosen_board = get_board(board)
    wanted: str | list[str] = recipe or model_dirs.load(model_dir).compress.recipe or AUTO
    asked = {"max_bytes": max_bytes, "min_auc_retention": min_auc_retention, "trials": trials, "study": study}
    given = {name: value for name, value in asked.items() if value is not None}
    if wanted == AUTO:
        _search(model_dir, output, board, {**given, "teachers": teachers}, as_json)
        return
    if given:
        option = "--" + next(iter(given)).replace("_", "-")
        raise click.UsageError(f"{option} is for --recipe auto; a recipe of steps does what it says")
    steps = parse_recipe(wanted, where="--recipe")
    from vedette.compress.compress import compress as run
    from vedette.compress.compress_view import compression_bar, describe, print_compression

    with compression_bar() as (on_step, on_progress):
        compressed = run(model_dir, output, steps, teachers=teachers, on_step=on_step, on_progress=on_progress)
        on_step("measure")
        found = describe(compressed, chosen_board)
    if as_json:
        _print_json(found)
    else:
        print_compression(found)
    click.echo(f"wrote {output}", err=True)
    click.echo(f"next: vedette export {shlex.quote(str(output))} --board {board}", err=True)


@click.command()
@click.argument("model_dir", type=click.Path(path_type=Path))
@click.option("--board", "boards", multiple=True, help="A board to export for, or several; see: vedette boards.")
@click.option("--all", "all_boards", is_flag=True, help="Export for every board.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Bundle, or a folder for several boards.  [default: NAME-VERSION-BOARD.vdt]",
)
@click.option("--accept", is_flag=True, help="Export even if a promise is broken; the manifest records it.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def export(
    *, model_dir: Path, boards: tuple[str, ...], all_boards: bool, output: Path | None, accept: bool, as_json: bool
) -> None:
    """Export a detector as a bundle for a board, in the form that the board runs best.

    Quantizes it where it is not yet, calibrates the threshold on the artefact's own scores as the board computes them,
    compares it with the float model, and refuses what lost more than is promised.
    """
    from vedette.compress.boards import get_board, load_boards

    if bool(boards) == all_boards:
        raise click.UsageError("give --board NAME, as often as there are boards, or --all; see: vedette boards")
    chosen = list(load_boards().values()) if all_boards else [get_board(name) for name in dict.fromkeys(boards)]
    from vedette.compress.export import export_all
    from vedette.compress.export_view import ExportView

    view = ExportView(quiet=as_json)
    try:
        exported = export_all(model_dir, chosen, output, accept=accept, on_step=view.step, on_board=view.board)
    finally:
        if as_json:
            _print_json(view.document())
    if not as_json:
        click.echo(f"next: vedette score {shlex.quote(str(exported[0].path))} DATA -o scores.csv", err=True)


def _search(model_dir: Path, output: Path, board: str, options: dict[str, Any], as_json: bool) -> None:
    """Search for the smallest detector that keeps its word; what was found so far is shown whatever comes of it."""
    from vedette.compress.search.run import search
    from vedette.compress.search.view import closing_words, front_json, print_front, search_bar, write_front

    with search_bar() as on_progress:
        result = search(model_dir, output, board, **options, on_progress=on_progress)
    if as_json:
        _print_json(front_json(result))
    else:
        print_front(result)
    for path in write_front(result, output):
        click.echo(f"wrote {path}", err=True)
    for line in closing_words(result):
        click.echo(line, err=True)
    if result.interrupted:
        raise KeyboardInterrupt
    result.require_model()


COMMANDS: list[click.Command] = [boards, compress, export]
