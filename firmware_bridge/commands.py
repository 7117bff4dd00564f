"""The commands that ``firmware_bridge`` brings to the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from vedette.firmware_bridge.target import Boards

LAYOUTS = ("plain", "arduino", "cmake")
_MODEL = click.argument("model", type=click.Path(path_type=Path, dir_okay=False))
_BOARD = click.option("--board", help="The microcontroller.  [default: the bundle's own]")


@click.group()
def firmware() -> None:
    """Turn a bundle or an int8 .tflite model into dependency-free C for a microcontroller, and prove it."""


@firmware.command()
@_MODEL
@_BOARD
@click.option("-o", "--output", "folder", required=True, type=click.Path(path_type=Path, file_okay=False))
@click.option("--name", help="What all C names begin with.  [default: the detector's name]")
@click.option(
    "--layout", type=click.Choice(LAYOUTS), default="plain", show_default=True, help="How the folder is laid out."
)
@click.option("--format", "form", type=click.Choice(["c", "tflm"]), default="c", show_default=True,
              help="C, or what a TFLite Micro application includes.")  # fmt: skip
@click.option("--force", is_flag=True, help="Write into a folder that is not empty.")
@click.pass_obj
def export(
    boards: Boards,
    *,
    model: Path,
    board: str | None,
    folder: Path,
    name: str | None,
    layout: str,
    form: str,
    force: bool,
) -> None:
    """Write a folder of C for a bundle (X.vdt) or a model (X.tflite)."""
    from vedette.firmware_bridge.export import generate, generate_tflm, write_files
    from vedette.firmware_bridge.source import read_source

    source = read_source(model, board=board, boards=boards, name=name)
    files = generate_tflm(source) if form == "tflm" else generate(source, layout=layout).files
    for path in write_files(folder, files, force=force):
        click.echo(path)


@firmware.command()
@_MODEL
@_BOARD
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def size(boards: Boards, *, model: Path, board: str | None, as_json: bool) -> None:
    """Compile for a board and tell what it takes of flash and RAM, by function and table; runs nothing."""
    import json
    from dataclasses import asdict

    from vedette.firmware_bridge.proving import measure
    from vedette.firmware_bridge.source import read_source
    from vedette.firmware_bridge.view import size_table

    source = read_source(model, board=board, boards=boards)
    found = measure(source)
    if as_json:
        click.echo(json.dumps({**asdict(found), "flash": found.flash, "ram": found.ram}, indent=2))
    else:
        click.echo(size_table(source.title, found))


@firmware.command("test")
@_MODEL
@_BOARD
@click.option(
    "--windows", default=1000, show_default=True, type=click.IntRange(1), help="Windows, and samples, to run."
)
@click.option("--seed", default=0, show_default=True, help="Of the random windows.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def prove(boards: Boards, *, model: Path, board: str | None, windows: int, seed: int, as_json: bool) -> None:
    """Run the C on this machine and on the board's core, emulated, and compare every byte."""
    import json
    import sys

    from vedette.errors import SelfTestError
    from vedette.firmware_bridge.proving import prove as prove_all
    from vedette.firmware_bridge.source import read_source
    from vedette.firmware_bridge.view import progress, proof_table

    source = read_source(model, board=board, boards=boards)
    found = []
    for tested in prove_all(source, windows=windows, seed=seed):
        found.append(tested)
        if sys.stderr.isatty():
            click.echo(progress(tested), err=True)
    rows = [{"part": tested.part, **tested.outcome.as_json()} for tested in found]
    click.echo(json.dumps(rows, indent=2) if as_json else proof_table(source.title, found))
    if not all(tested.outcome.holds for tested in found):
        raise SelfTestError(f"{source.title}: the C does not give the expected bytes everywhere; see the table")


@firmware.command()
@_MODEL
@_BOARD
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def fit(boards: Boards, *, model: Path, board: str | None, as_json: bool) -> None:
    """List the microcontrollers on which a bundle or a model fits, and why not on the others."""
    import json
    from dataclasses import asdict

    from vedette.firmware_bridge.export import needs
    from vedette.firmware_bridge.fit import fit as fit_all
    from vedette.firmware_bridge.plan import make_plan
    from vedette.firmware_bridge.source import read_source
    from vedette.firmware_bridge.view import fit_table

    source = read_source(model, board=board, boards=boards)
    plan = make_plan(source.model)
    flash, ram = needs(source, plan)
    found = fit_all(boards.all(), plan, flash_bytes=flash, ram_bytes=ram)
    click.echo(
        json.dumps([{**asdict(one), "fits": one.fits} for one in found], indent=2) if as_json else fit_table(found)
    )


COMMANDS: list[click.Command] = [firmware]
