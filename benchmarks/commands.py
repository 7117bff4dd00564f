"""The commands that ``benchmarks`` brings to the command line."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), default="demo-output", show_default=True, help="Directory."
)
@click.option("--broker", metavar="HOST[:PORT]", help="Use this MQTT broker.  [default: one of the demo's own]")
@click.option("--seed", type=click.IntRange(min=0), default=7, show_default=True, help="Same seed, same data.")
def demo(*, output: Path, broker: str | None, seed: int) -> None:
    """Watch a failing pump: train, export, run, alert.

    Simulates a pump, trains on its normal day, exports, runs a gateway, and prints the alerts of the next day.
    Takes about a minute. Writes a picture and a page (index.html) beside the data, the bundle and the gateway's
    configuration.
    """
    import signal
    import sys

    # Ended by somebody, the demo still ends its own processes.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda found, _: sys.exit(128 + found))
    from vedette.benchmarks.demo import run_demo
    from vedette.benchmarks.demo_view import print_summary

    result = run_demo(output, broker=broker, seed=seed)
    print_summary(result)
    click.echo(f"\nOpen {output / 'index.html'} (picture: {output / 'demo.png'})", err=True)


COMMANDS: list[click.Command] = [demo]
