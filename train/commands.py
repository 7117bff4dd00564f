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
@click.option("--train-hours", type=float, help="Normal operation to simulate.  [default: see KIND]")
@click.option("--test-hours", type=float, help="Operation with faults, after it.  [default: see KIND]")
@click.option("--force", is_flag=True, help="Overwrite files that exist.")
def simulate(
    *,
    kind: str,
    output: Path | None,
    seed: int,
    train_hours: float | None,
    test_hours: float | None,
    force: bool,
) -> None:
    """Simulate data to watch, with labelled faults.

    Writes train.csv (normal operation) and test.csv (with `label` and `fault`).

    \b
    KIND     train h  test h  what
    pump          24      24  a centrifugal pump on a variable-frequency drive
    ecg          0.4     0.4  a two-lead wearable electrocardiogram
    meter        672     672  a smart meter at a house
    network      240     168  the traffic counters of an internet gateway
    atm         2160    1440  the counters of a cash machine
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
@click.argument("data", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("-c", "--config", type=click.Path(path_type=Path), help="Detector project file (vedette.toml).")
@click.option("-o", "--output", type=click.Path(path_type=Path), default="model", show_default=True, help="Directory.")
def train(*, data: tuple[Path, ...], config: Path | None, output: Path) -> None:
    """Train a detector on normal data.

    DATA is CSV, CSV.gz or Parquet: files, folders of them, or patterns like "logs/*.csv"; it may be larger than memory.
    Columns named time, timestamp, index or label are never input.
    """
    from vedette.train.config import load_config

    project = load_config(config)
    from vedette.train.pipeline import train as run

    with _training_bar() as (on_read, on_candidate, on_progress):
        model, notes = run(data, project, output, on_read=on_read, on_candidate=on_candidate, on_progress=on_progress)
    if "auto" in model.provenance:
        from vedette.train.auto_view import print_candidates

        print_candidates(model.provenance["auto"])
    for note in notes:
        click.echo(f"note: {note}", err=True)
    calibration = model.calibration
    budget = ", ".join(f"{name} = {value:g}" for name, value in calibration["budget"].items())
    how = ("read off" if calibration["supported"] else "extrapolated from the tail of") + f" {calibration['scores_of']}"
    windows = model.provenance["train_windows"]
    click.echo(f"{model.model.kind} on {len(model.signal.channels)} channels, {windows:,} windows", err=True)
    click.echo(f"threshold {calibration['threshold']:.4g} for {budget} ({how})", err=True)
    click.echo(f"wrote {output}", err=True)
    click.echo(f"next: vedette export {shlex.quote(str(output))} --board x86-64", err=True)


_OnRead = Callable[[float], None] | None
_OnCandidate = Callable[[int, int, str], None] | None
_OnRound = Callable[[int, int, float], None] | None


@contextmanager
def _training_bar() -> Iterator[tuple[_OnRead, _OnCandidate, _OnRound]]:
    """A bar on stderr for reading, for candidates where there are any, then for the rounds of training, with the loss;
    None three times where nobody looks."""
    if not sys.stderr.isatty():
        yield None, None, None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("training"), BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading", total=None)

        def on_read(part: float) -> None:
            bar.update(task, completed=part, total=1.0)
            if part >= 1.0:
                bar.reset(task, total=None, description="starting TensorFlow")

        def on_candidate(number: int, total: int, what: str) -> None:
            bar.update(task, completed=number - 1, total=total, description=f"candidate {number} of {total}: {what}")

        def on_round(done: int, total: int, loss: float) -> None:
            bar.update(task, completed=done, total=total, description=f"held-out loss {loss:.4f}")

        yield on_read, on_candidate, on_round


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
    from vedette.runtime.bundles import bundle as bundles
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
@click.option("--plot", type=click.Path(path_type=Path), help="Write a picture, .png or .svg.")
@click.option("--labels", type=click.Path(path_type=Path), help="Take the labels from this file instead of DATA.")
@click.option("--normal", type=click.Path(path_type=Path), help="Normal data to fit the baselines to.")
@click.option("--interpreter", help="TFLite package to use: ai-edge-litert or tflite-runtime.")
def evaluate(
    *,
    bundle: Path,
    data: Path,
    json_path: Path | None,
    plot: Path | None,
    labels: Path | None,
    normal: Path | None,
    interpreter: str | None,
) -> None:
    """Measure a bundle on labelled data, beside baselines.

    DATA has a column label with 0 and 1, or --labels names a file with one label for each row. Give the training data
    as --normal: without it the baselines are fitted to DATA's own rows, without labels.
    """
    import json

    from vedette.train.evaluation.plots import FORMATS

    form = FORMATS.get(plot.suffix.lower()) if plot else "png"
    if form is None:
        raise click.BadParameter(f"expected a name that ends in .png or .svg, found {plot}", param_hint="--plot")
    from vedette.runtime.bundles import bundle as bundles
    from vedette.train.evaluation.evaluate import evaluate as run
    from vedette.train.evaluation.plot import plot_evaluation
    from vedette.train.evaluation.view import print_metrics

    loaded = bundles.read(bundle)
    model = loaded.load_model(package=interpreter)
    with _late_bar("evaluating") as progress:
        found = run(loaded, model, data, normal=normal, labels=labels, on_progress=progress)
    text = json.dumps(found.metrics, indent=1) + "\n"
    if plot:
        bundles.write(plot, plot_evaluation(loaded, found, form=form))
    if json_path and str(json_path) != "-":
        bundles.write(json_path, text.encode())
    if json_path and str(json_path) == "-":
        click.echo(text, nl=False)
    else:
        print_metrics(found.metrics)


COMMANDS: list[click.Command] = [simulate, train, score, evaluate]
