"""``python -m vedette.benchmarks.delivery``: the long form of what the tests show in short."""

from __future__ import annotations

import importlib
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import click

import vedette
from vedette.errors import DependencyError, VedetteError

PARTS = ("kills", "power-cuts", "outage")
_MIB = 1024 * 1024


@click.command()
@click.option("--only", type=click.Choice(PARTS), help="Only this part.  [default: all]")
@click.option("--kills", default=200, show_default=True, help="Random SIGKILLs of gateway, broker and consumer.")
@click.option("--alerts", default=10_000, show_default=True, help="Alerts committed during the kills, at least.")
@click.option("--rounds", default=60, show_default=True, help="Rounds of the workload whose power is cut.")
@click.option("--days", default=7.0, show_default=True, help="Days without a broker.")
@click.option("--rate", default=3600, show_default=True, help="Alerts per hour during these days.")
@click.option("--quota-mb", default=64, show_default=True, help="The outbox's max_mb during these days.")
@click.option("--seed", default=1, show_default=True, help="Same seed, same kills and cuts.")
@click.option("--keep", type=click.Path(path_type=Path, file_okay=False), help="Work here, and keep logs and ledgers.")
def main(
    *,
    only: str | None,
    kills: int,
    alerts: int,
    rounds: int,
    days: float,
    rate: int,
    quota_mb: int,
    seed: int,
    keep: Path | None,
) -> None:
    """Prove that alerts are delivered: one JSON line per part, exit code 1 where an alert was lost or doubled."""
    good = True
    with tempfile.TemporaryDirectory() as temporary:
        folder = keep or Path(temporary)
        for part in PARTS if only is None else (only,):
            place = folder / part
            place.mkdir(parents=True)
            if part == "kills":
                good &= _kills(place, kills=kills, alerts=alerts, seed=seed)
            elif part == "power-cuts":
                good &= _power_cuts(place, rounds=rounds, seed=seed)
            else:
                good &= _outage(place, days=days, rate=rate, quota_mb=quota_mb, seed=seed)
    sys.exit(0 if good else 1)


def _kills(folder: Path, *, kills: int, alerts: int, seed: int) -> bool:
    from vedette.benchmarks.delivery.kills import run_kills

    bundle = folder / "tiny.vdt"
    bundle.write_bytes(_tiny_bundle())

    def tell(done: int, committed: int) -> None:
        if done % 10 == 0:
            click.echo(f"kills: {done} of {kills}, alerts committed: {committed:,}", err=True)

    run = run_kills(folder, bundle, kills=kills, alerts=alerts, seed=seed, tell=tell)
    click.echo(json.dumps({"part": "kills", **asdict(run)}))
    return not run.verdict.faults


def _power_cuts(folder: Path, *, rounds: int, seed: int) -> bool:
    from vedette.benchmarks.delivery.power_cuts import record, replay

    work = folder / "work"
    work.mkdir()
    calls = record(work, rounds=rounds, seed=seed)
    click.echo(f"power cuts: {len(calls):,} system calls to cut after", err=True)
    run = replay(calls, seed=seed, variants=2)
    click.echo(json.dumps({"part": "power-cuts", **asdict(run)}))
    return not run.faults


def _outage(folder: Path, *, days: float, rate: int, quota_mb: int, seed: int) -> bool:
    from vedette.benchmarks.delivery.outage import run_outage

    def tell(done: int, total: int) -> None:
        click.echo(f"outage: {done:,} of {total:,} alerts", err=True)

    run = run_outage(folder, days=days, alerts_per_hour=rate, quota_bytes=quota_mb * _MIB, seed=seed, tell=tell)
    click.echo(json.dumps({"part": "outage", **asdict(run), "exact": run.exact}))
    return run.exact


def _tiny_bundle() -> bytes:
    """The bundle of the tests: 3 channels, windows of 4, samples of 1.0 are normal and of 5.0 are not."""
    tests = Path(vedette.__file__).parent / "tests"
    if not (tests / "tiny.py").exists():
        raise DependencyError(f"the kills need the bundle that the tests make, and there is no {tests}; use a checkout")
    sys.path.insert(0, str(tests))
    bundle: bytes = importlib.import_module("tiny").tiny_bundle_bytes()
    return bundle


if __name__ == "__main__":
    try:
        main()
    except VedetteError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
