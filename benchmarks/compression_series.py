"""Real labelled series to compress detectors of: trained once a seed, and evaluated with whatever came of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from vedette.benchmarks.real_series import MAX_ROWS, measure
from vedette.compress.artefact import Artefact
from vedette.runtime.interpreter import Model
from vedette.runtime.manifest import Manifest
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
        test = _newest_bounded(read_signal(self.folder / "test.csv.gz", manifest.signal))
        scores, _ = score_table(manifest, model, test)
        label = test.label if test.label is not None else np.zeros(len(test), np.int8)
        return measure(label, scores.score, scores.alert, self.buffer)

    def evaluate_float(self, directory: ModelDir, original: bytes) -> dict[str, float | None]:
        """The same of the float model at its own threshold."""
        model = Model(original)
        manifest = replace(draft_manifest(directory, model), threshold=float(directory.calibration["threshold"]))
        return self.evaluate(manifest, model)

    def evaluate_artefact(self, made: Artefact) -> dict[str, float | None]:
        """The same of what a board runs."""
        return self.evaluate(made.manifest, made.deployed)


def labelled_series(data: Path, only: str) -> Iterator[LabelledSeries]:
    """The series of a folder with series.json whose id starts with one of ``only``, separated by commas."""
    wanted = tuple(only.split(","))
    for group in json.loads((data / "series.json").read_text()).values():
        for entry in group:
            if entry["id"].startswith(wanted):
                yield LabelledSeries(entry["id"], entry["dataset"], data / entry["id"], int(entry["window"]))


def _newest_bounded(table: Table) -> Table:
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


def in_a_child(work: Callable[..., T], *arguments: Any) -> T:
    """What ``work`` returns, in a process of its own: TensorFlow's converter keeps memory for good."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()
