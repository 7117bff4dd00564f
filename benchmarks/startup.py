"""How long ``vedette --help`` takes against a bare ``python -c "import click"``.

Run it with ``python -m vedette.benchmarks.startup``. The promise is a ratio of at most 3. The two commands take
turns, so that a change in the machine's load meets both.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

import click

PROMISED_RATIO = 3.0


def seconds(command: list[str]) -> float:
    """Wall time of one run of the command. Raises ``CalledProcessError`` where it fails."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def measure(runs: int) -> tuple[float, float]:
    """Median seconds of ``vedette --help`` and of the bare import of click, over ``runs`` turns after a first one."""
    commands = [
        [str(Path(sys.executable).with_name("vedette")), "--help"],
        [sys.executable, "-c", "import click"],
    ]
    turns = [[seconds(command) for command in commands] for _ in range(runs + 1)][1:]
    ours, bare = (statistics.median(column) for column in zip(*turns, strict=True))
    return ours, bare


@click.command()
@click.option("--runs", default=20, show_default=True, type=click.IntRange(1), help="Turns to measure.")
def main(runs: int) -> None:
    """Measure the start of the command line; exit 1 where it misses the promise."""
    ours, bare = measure(runs)
    ratio = ours / bare
    click.echo(f"vedette --help {ours * 1e3:.0f} ms, import click {bare * 1e3:.0f} ms, ratio {ratio:.2f}", nl=False)
    click.echo(f" (measured, median of {runs}; promised at most {PROMISED_RATIO:.0f})")
    sys.exit(ratio > PROMISED_RATIO)


if __name__ == "__main__":
    main()
