"""Real labelled series to compress detectors of: trained once a seed, and evaluated with whatever came of them."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import click
import numpy as np
import numpy.typing as npt

from vedette.benchmarks.real_series import MAX_ROWS, measure, shared_data
from vedette.compress.artefact import Artefact
from vedette.runtime.bundles.manifest import Manifest
from vedette.runtime.inference.interpreter import Model
from vedette.runtime.streams.scoring import Scores
from vedette.train import model_dir
from vedette.train.config import ModelConfig, ProjectConfig
from vedette.train.data.table import Table, read_signal
from vedette.train.evaluation.evaluate import score_table
from vedette.train.held_out import draft_manifest
from vedette.train.model_dir import ModelDir
from vedette.train.pipeline import train

T = TypeVar("T")


@dataclass(frozen=True)
class LabelledSeries:
    """A real series: its id, its folder with train.csv.gz and test.csv.gz, and the tolerance of VUS-PR in rows."""

    id: str
    dataset: str
    folder: Path
    buffer: int

    def trained(self, models: Path, seed: int) -> ModelDir:
        """The model directory of that seed below ``models``; trained with the default project where it is not there."""
        path = models / f"s{seed}" / self.id.replace("/", "__")
        if not path.exists():
            train(self.folder / "train.csv.gz", ProjectConfig(model=ModelConfig(seed=seed)), path)
        return model_dir.load(path)

    def evaluate(self, manifest: Manifest, model: Model) -> dict[str, float | None]:
        """The metrics of :func:`~vedette.benchmarks.real_series.measure` on the test rows."""
        scores, label = self._score(manifest, model)
        return measure(label, scores.score, scores.alert, self.buffer)

    def score_normal(self, manifest: Manifest, model: Model) -> npt.NDArray[np.float32]:
        """The scores of the normal test rows."""
        scores, label = self._score(manifest, model)
        normal: npt.NDArray[np.float32] = scores.score[label == 0]
        return normal

    def evaluate_float(self, directory: ModelDir, original: bytes) -> dict[str, float | None]:
        """The same of the float model at its own threshold."""
        model = Model(original)
        manifest = replace(draft_manifest(directory, model), threshold=float(directory.calibration["threshold"]))
        return self.evaluate(manifest, model)

    def evaluate_artefact(self, made: Artefact) -> dict[str, float | None]:
        """The same of what a board runs."""
        return self.evaluate(made.manifest, made.deployed)

    def _score(self, manifest: Manifest, model: Model) -> tuple[Scores, npt.NDArray[np.int8]]:
        """The scores of the test rows, and their labels."""
        test = _first_bounded(read_signal(self.folder / "test.csv.gz", manifest.signal))
        scores, _ = score_table(manifest, model, test)
        return scores, test.label if test.label is not None else np.zeros(len(test), np.int8)


def labelled_series(data: Path, only: str) -> Iterator[LabelledSeries]:
    """The series of a folder with series.json whose id starts with one of ``only``, separated by commas."""
    wanted = tuple(only.split(","))
    for group in json.loads((data / "series.json").read_text()).values():
        for entry in group:
            if entry["id"].startswith(wanted):
                yield LabelledSeries(entry["id"], entry["dataset"], data / entry["id"], int(entry["window"]))


def _first_bounded(table: Table) -> Table:
    """The first rows of a table, as many as are evaluated."""
    part = slice(0, MAX_ROWS)
    return replace(
        table,
        values=table.values[part],
        times=None if table.times is None else table.times[part],
        label=None if table.label is None else table.label[part],
    )


def spread(values: list[float]) -> tuple[float, float]:
    """Mean and standard deviation."""
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else 0.0


def series_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that :func:`measure_all` takes."""
    paths = click.Path(path_type=Path)
    for option in (
        click.option("-o", "--output", type=paths, help="Results as JSON; a run goes on from them."),
        click.option("--models", type=paths, help="Keep the trained directories here."),
        click.option("--only", default="", help="Only series whose id starts with one of these, separated by commas."),
        click.option("--data", type=paths, default=None, help="Folder with series.json."),
    ):
        command = option(command)
    return command


def measure_all(
    work: Callable[[LabelledSeries, Path, int], T],
    numbers: Iterable[int],
    *,
    data: Path | None,
    only: str,
    models: Path | None,
    output: Path | None,
) -> dict[str, T]:
    """``work(series, models, number)`` of every series and number, by ``NUMBER/SERIES``; none where there is no data.

    Each is done in a process of its own, as TensorFlow's converter keeps memory for good. ``output`` is written after
    each, and what it holds already is not done again.
    """
    folder = data or shared_data()
    if not (folder / "series.json").is_file():
        click.echo(f"no real series at {folder} (series.json is missing): nothing measured", err=True)
        return {}
    results: dict[str, T] = json.loads(output.read_text()) if output and output.exists() else {}
    with ExitStack() as stack:
        kept = models or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for number in numbers:
            for series in labelled_series(folder, only):
                key = f"{number}/{series.id}"
                if key in results:
                    continue
                with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                    results[key] = pool.submit(work, series, kept, number).result()
                click.echo(key, err=True)
                if output:
                    output.write_text(json.dumps(results, indent=1) + "\n")
    return results
