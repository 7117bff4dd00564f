"""Feed a million hostile payloads to each source: ``python tests/fuzz/fuzz_run.py``. Needs nothing but vedette.

A failure shows the payload, the target and the seed, and exits with 1.
"""

from __future__ import annotations

import json
import time
from itertools import islice

import click
from fuzz_mutations import payloads
from fuzz_targets import TARGETS


@click.command()
@click.option("--target", "names", multiple=True, type=click.Choice(list(TARGETS)), help="Default: all of them.")
@click.option("--count", default=1_000_000, show_default=True, help="Payloads for each target.")
@click.option("--seed", default=1, show_default=True)
def main(*, names: tuple[str, ...], count: int, seed: int) -> None:
    """Fuzz the sources, and print what became of the payloads as JSON lines."""
    for name in names or TARGETS:
        target = TARGETS[name]()
        start = time.monotonic()
        for number, payload in enumerate(islice(payloads(target.seeds, seed=seed), count)):
            try:
                target.feed(payload)
            except Exception:
                click.echo(f"{name}: payload {number} of seed {seed} failed: {payload!r}", err=True)
                raise
        told = {"target": name, "seed": seed, "fed": count, **target.counts}
        click.echo(json.dumps({**told, "seconds": round(time.monotonic() - start, 1)}))


if __name__ == "__main__":
    main()
