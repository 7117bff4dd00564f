"""The command line. Each folder declares its own commands; this module joins them and turns errors into exit codes.

The ``commands`` modules import click only; everything heavy is imported inside the command's body.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterable
from typing import TYPE_CHECKING, NoReturn

import click

from vedette import __version__
from vedette.benchmarks import commands as benchmarks
from vedette.compress import commands as compress
from vedette.errors import DependencyError, VedetteError
from vedette.firmware_bridge import commands as firmware_bridge
from vedette.runtime import commands as runtime
from vedette.train import commands as train

if TYPE_CHECKING:
    from vedette.compress.board import Board

# What a shell reports for a program that was ended by Ctrl-C.
INTERRUPTED = 130


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="vedette")
@click.option("--debug", is_flag=True, help="Show a traceback when something fails.")
def cli(debug: bool) -> None:
    """Anomaly detectors for the edge: train, compress, prove, run. Only alerts leave the device."""


for module in (train, compress, runtime, firmware_bridge, benchmarks):
    for command in module.COMMANDS:
        cli.add_command(command)


class Boards:
    """The boards for commands that lie below what reads ``boards.yaml``."""

    def get(self, name: str) -> Board:
        """The board of that name. Raises :class:`BoardError`."""
        from vedette.compress.boards import get_board

        return get_board(name)

    def all(self) -> Iterable[Board]:
        """All boards."""
        from vedette.compress.boards import load_boards

        return load_boards().values()


def main() -> NoReturn:
    """Run the command line and exit; errors are told once, on stderr, with their family's exit code."""
    try:
        result = cli.main(standalone_mode=False, obj=Boards())
        sys.exit(result if isinstance(result, int) else 0)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except VedetteError as error:
        _fail(str(error), error.exit_code)
    except ModuleNotFoundError as error:
        if not error.name or error.name.startswith("vedette"):
            raise
        _fail(f'this command needs {error.name}; try: pip install "vedette[desktop]"', DependencyError.exit_code)
    except (KeyboardInterrupt, click.Abort):
        _fail("interrupted", INTERRUPTED)


def _fail(message: str, exit_code: int) -> NoReturn:
    """Tell what went wrong, with a traceback where it was asked for, and exit."""
    if "--debug" in sys.argv:
        traceback.print_exc()
    click.echo(f"vedette: {message}", err=True)
    sys.exit(exit_code)
