"""The commands that ``compress`` brings to the command line."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

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

    from vedette.compress.boards_view import table

    # A table that is not read on a terminal is as wide as it needs to be.
    Console(width=None if sys.stdout.isatty() else 140).print(table(entries))


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
@click.option("--board", required=True, help="The board to export for; see: vedette boards.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Bundle.  [default: NAME-VERSION-BOARD.vdt]")
@click.option("--accept", is_flag=True, help="Export even if int8 breaks the promises; the manifest records it.")
def export(*, model_dir: Path, board: str, output: Path | None, accept: bool) -> None:
    """Export a trained detector as a bundle for one board.

    Quantizes to int8, calibrates the threshold on the int8 model's own scores, and compares it with the float model.
    """
    from vedette.compress.boards import get_board

    get_board(board)
    from vedette.compress.export import export as run

    exported = run(model_dir, board, output, accept=accept, on_step=lambda step: click.echo(f"{step} ...", err=True))
    found = exported.comparison
    for line in (
        f"model       {exported.model_bytes:,} bytes int8, {exported.float_bytes:,} float32",
        f"AUC-ROC     {found.int8_auc_roc:.3f} int8, {found.float_auc_roc:.3f} float (injected anomalies)",
        f"threshold   {found.int8_threshold:.4g} int8, {found.float_threshold:.4g} float",
        f"above it    {100 * found.int8_alarm_rate:.3f}% of {found.normal_windows:,} held-out normal windows int8, "
        f"{100 * found.float_alarm_rate:.3f}% float; {100 * found.int8_alarm_rate_at_float_threshold:.3f}% int8 at the "
        "float threshold",
        f"wrote {exported.path}",
        f"next: vedette score {shlex.quote(str(exported.path))} DATA -o scores.csv",
    ):
        click.echo(line, err=True)


COMMANDS: list[click.Command] = [boards, export]
