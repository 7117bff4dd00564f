"""The commands that ``train`` brings to the command line."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import click


@contextmanager
def _late_bar(label: str) -> Iterator[Callable[[float], None]]:
    """Yield a function to be told the part done; it draws a bar on stderr when a terminal would wait over 2 s."""
    began = time.monotonic()
    with ExitStack() as stack:
        bar: Any = None

        def update(part: float) -> None:
            nonlocal bar
            elapsed = time.monotonic() - began
            if bar is None and sys.stderr.isatty() and elapsed > 0.5 and elapsed > 2 * part:
                bar = stack.enter_context(click.progressbar(length=100, label=label, file=sys.stderr))
            if bar is not None:
                bar.update(round(100 * part) - bar.pos)

        yield update


@click.command()
@click.argument("kind")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Directory to write to.  [default: ./KIND]")
@click.option("--seed", type=click.IntRange(min=0), default=7, show_default=True, help="Same seed, same data.")
@click.option("--train-hours", type=float, default=24.0, show_default=True, help="Normal operation to simulate.")
@click.option("--test-hours", type=float, default=24.0, show_default=True, help="Operation with faults, after it.")
@click.option("--force", is_flag=True, help="Overwrite files that exist.")
def simulate(*, kind: str, output: Path | None, seed: int, train_hours: float, test_hours: float, force: bool) -> None:
    """Simulate a machine's data, with labelled faults.

    KIND is "pump". Writes train.csv (normal operation) and test.csv (with `label` and `fault`).
    """
    from vedette.errors import ConfigError, OutputError, nearest
    from vedette.train.simulators import SIMULATORS

    if kind not in SIMULATORS:
        raise ConfigError(f'no simulator is called "{kind}": {nearest(kind, SIMULATORS)}')
    folder = output or Path(kind)
    paths = folder / "train.csv", folder / "test.csv"
    try:
        existing = [path for path in paths if path.exists()]
    except OSError as error:
        raise OutputError(f"{folder} cannot be used ({error.strerror}); choose another place with -o") from error
    if existing and not force:
        raise OutputError(f"{existing[0]} exists already; choose another directory with -o, or overwrite with --force")
    with _late_bar("simulating") as progress:
        recordings = SIMULATORS[kind](seed, train_hours, test_hours, progress)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{folder} cannot be made a directory ({error.strerror}); choose another place with -o"
        ) from error
    for path, recording, what in zip(paths, recordings, ("normal operation", "operation with faults"), strict=True):
        recording.write_csv(path)
        click.echo(f"wrote {path}: {len(recording):,} samples of {what}", err=True)
    train, model = shlex.quote(str(paths[0])), shlex.quote(str(folder / "model"))
    click.echo(f"next: vedette train {train} -o {model}", err=True)


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("-c", "--config", type=click.Path(path_type=Path), help="Detector project file (vedette.toml).")
@click.option("-o", "--output", type=click.Path(path_type=Path), default="model", show_default=True, help="Directory.")
def train(*, data: Path, config: Path | None, output: Path) -> None:
    """Train a detector on normal data.

    DATA is CSV, CSV.gz or Parquet. Columns named time, timestamp, index or label are never input.
    """
    from vedette.train.config import load_config

    project = load_config(config)
    from vedette.train.pipeline import train as run

    with rounds_bar("training") as on_progress:
        model, notes = run(data, project, output, on_progress=on_progress)
    for note in notes:
        click.echo(f"note: {note}", err=True)
    calibration = model.calibration
    budget = ", ".join(f"{name} = {value:g}" for name, value in calibration["budget"].items())
    how = "read off the held-out data" if calibration["supported"] else "extrapolated from the held-out data's tail"
    windows = model.provenance["train_windows"]
    click.echo(f"{model.model.kind} on {len(model.signal.channels)} channels, {windows:,} windows", err=True)
    click.echo(f"threshold {calibration['threshold']:.4g} for {budget} ({how})", err=True)
    click.echo(f"wrote {output}", err=True)
    click.echo(f"next: vedette export {shlex.quote(str(output))} --board x86-64", err=True)


@contextmanager
def rounds_bar(label: str) -> Iterator[Callable[[int, int, float], None] | None]:
    """A bar on stderr with the loss, for ``on_progress`` of training; None where nobody looks."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn(label), BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("starting TensorFlow", total=None)

        def update(done: int, total: int, loss: float) -> None:
            bar.update(task, completed=done, total=total, description=f"held-out loss {loss:.4f}")

        yield update


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.argument("data", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="CSV file to write.  [default: stdout]")
@click.option("--window-scores", is_flag=True, help="One row per window instead of one per input row.")
@click.option("--interpreter", help="TFLite package to use: ai-edge-litert or tflite-runtime.")
def score(*, bundle: Path, data: Path, output: Path | None, window_scores: bool, interpreter: str | None) -> None:
    """Score data with a bundle, on the daemon's code path.

    Writes index (or the timestamp), score, alert for every row; a score uses its row and earlier ones only.
    """
    from vedette.runtime import bundle as bundles
    from vedette.train.model_dir import check_absent
    from vedette.train.score_file import score_file, to_csv

    if output:
        check_absent(output)
    loaded = bundles.read(bundle)
    result = score_file(loaded, loaded.load_model(package=interpreter), data)
    if result.scores.rejected:
        told = f"{result.scores.rejected} rows could not be scored and repeat the score before; first: "
        click.echo(f"warning: {told}{result.scores.first_rejection}", err=True)
    text = to_csv(result, window_scores=window_scores)
    if output:
        bundles.write(output, text.encode())
    else:
        click.echo(text, nl=False)


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--json", "json_path", type=click.Path(path_type=Path, allow_dash=True), help="Write JSON (- is stdout).")
@click.option("--normal", type=click.Path(path_type=Path), help="Normal data to fit the baselines to.")
@click.option("--interpreter", help="TFLite package to use: ai-edge-litert or tflite-runtime.")
def evaluate(*, bundle: Path, data: Path, json_path: Path | None, normal: Path | None, interpreter: str | None) -> None:
    """Measure a bundle on labelled data, beside baselines.

    DATA has a column label with 0 and 1. Without --normal, the baselines are fitted to DATA's rows, without labels.
    """
    import json

    from vedette.runtime import bundle as bundles
    from vedette.train.evaluation import evaluate as run
    from vedette.train.evaluation_view import print_metrics

    loaded = bundles.read(bundle)
    metrics = run(loaded, loaded.load_model(package=interpreter), data, normal=normal).metrics
    text = json.dumps(metrics, indent=1) + "\n"
    if json_path and str(json_path) != "-":
        bundles.write(json_path, text.encode())
    if json_path and str(json_path) == "-":
        click.echo(text, nl=False)
    else:
        print_metrics(metrics)


COMMANDS: list[click.Command] = [simulate, train, score, evaluate]
