"""The command line. Each folder declares its own commands; this module joins them and turns errors into exit codes.

The ``commands`` modules import click only; everything heavy is imported inside the command's body.
"""

from __future__ import annotations

import sys
import traceback
from typing import NoReturn

import click

from vedette import __version__
from vedette.benchmarks import commands as benchmarks
from vedette.compress import commands as compress
from vedette.errors import DependencyError, VedetteError
from vedette.runtime import commands as runtime
from vedette.train import commands as train


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="vedette")
@click.option("--debug", is_flag=True, help="Show a traceback when something fails.")
def cli(debug: bool) -> None:
    """Anomaly detectors for the edge: train, compress, prove, run. Only alerts leave the device."""


for module in (train, compress, runtime, benchmarks):
    for command in module.COMMANDS:
        cli.add_command(command)


def main() -> NoReturn:
    """Run the command line and exit; errors are told once, on stderr, with their family's exit code."""
    try:
        sys.exit(cli.main(standalone_mode=True))
    except VedetteError as error:
        if "--debug" in sys.argv:
            traceback.print_exc()
        click.echo(f"vedette: {error}", err=True)
        sys.exit(error.exit_code)
    except ModuleNotFoundError as error:
        if "--debug" in sys.argv or not error.name or error.name.startswith("vedette"):
            raise
        click.echo(f'vedette: this command needs {error.name}; try: pip install "vedette[desktop]"', err=True)
        sys.exit(DependencyError.exit_code)
    except KeyboardInterrupt:
        click.echo("vedette: interrupted", err=True)
        sys.exit(130)
