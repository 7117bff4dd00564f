"""The loop on real labelled sensor series: train, export, score, evaluate, beside the baselines; a table by data set.

``python -m vedette.benchmarks.real_series [--data DIR] [--only PREFIX] [--config vedette.toml] [-o results.json]``

DIR holds ``series.json`` and a folder per series with ``train.csv.gz`` and ``test.csv.gz``; the default is
``shared/data`` beside the repository, or ``$VEDETTE_SHARED/data``. Scores are the exported int8 bundle's: causal, one
per row.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
import numpy as np

from vedette.compress.export import export
from vedette.errors import DataError
from vedette.runtime import bundle as bundles
from vedette.train.baselines import run_baselines
from vedette.train.config import ProjectConfig, load_config
from vedette.train.data import read_signal
from vedette.train.evaluation import score_table
from vedette.train.metrics import auc_pr, auc_roc, count_events, vus_pr
from vedette.train.pipeline import train

BOARD = "rpi4"
# Rows that are evaluated at most, as the peers' figures are.
MAX_ROWS = 60_000
COLUMNS = ("vus_pr", "auc_pr", "auc_roc", "event_recall", "false_alarms_per_10k")


def shared_data() -> Path:
    """Where the real series are, if they are."""
    beside = Path(__file__).resolve().parents[2] / "shared"
    return Path(os.environ.get("VEDETTE_SHARED", beside)) / "data"


def run_series(folder: Path, entry: dict[str, Any], config: ProjectConfig) -> dict[str, Any]:
    """Train, export, score and measure one series; the bundle is thrown away."""
    with tempfile.TemporaryDirectory() as scratch:
        began = time.perf_counter()
        train(folder / "train.csv.gz", config, Path(scratch) / "model")
        trained = time.perf_counter()
        path = Path(scratch) / "model.vdt"
        exported = export(Path(scratch) / "model", BOARD, path, accept=True)
        done = time.perf_counter()
        loaded = bundles.read(path)
    manifest = loaded.manifest
    test = read_signal(folder / "test.csv.gz", manifest.signal)
    normal = read_signal(folder / "train.csv.gz", manifest.signal).values
    scores = score_table(manifest, loaded.load_model(), test)
    if not np.isfinite(scores.score).all() or not np.isfinite(manifest.threshold):
        raise DataError(f"{entry['id']}: a score or the threshold is not finite")
    label = test.label if test.label is not None else np.zeros(len(test), np.int8)
    buffer = int(entry["window"])
    detectors = {"vedette": measure(label, scores.score, scores.alert, buffer)}
    for name, baseline in run_baselines(manifest.signal, test.values, normal).items():
        detectors[name] = measure(label, baseline.score, baseline.score > baseline.threshold, buffer)
    return {
        "series": entry["id"],
        "dataset": entry["dataset"],
        "channels": len(manifest.signal.channels),
        "threshold": manifest.threshold,
        "model_bytes": exported.model_bytes,
        "train_s": round(trained - began, 2),
        "export_s": round(done - trained, 2),
        "refused_without_accept": exported.comparison.broken_promises(),
        "auc_float": exported.comparison.float_auc_roc,
        "auc_int8": exported.comparison.int8_auc_roc,
        "detectors": detectors,
    }


def measure(label: np.ndarray, score: np.ndarray, alarm: np.ndarray, buffer: int) -> dict[str, float]:
    """Metrics of one detector on one series, over the first :data:`MAX_ROWS` rows."""
    label, score, alarm = label[:MAX_ROWS], np.asarray(score[:MAX_ROWS], np.float64), alarm[:MAX_ROWS]
    counts = count_events(label, alarm, tolerance=buffer)
    return {
        "vus_pr": vus_pr(label, score, buffer),
        "auc_pr": auc_pr(label, score),
        "auc_roc": auc_roc(label, score),
        "event_recall": counts.found / max(1, counts.total),
        "false_alarms_per_10k": 1e4 * counts.false_alarms / len(label),
    }


def summarise(results: Iterable[dict[str, Any]]) -> dict[str, dict[str, dict[str, float]]]:
    """Means by data set and overall: detector -> data set -> metric."""
    groups: dict[str, dict[str, list[dict[str, float]]]] = defaultdict(lambda: defaultdict(list))
    for result in results:
        for detector, metrics in result["detectors"].items():
            groups[detector][result["dataset"]].append(metrics)
            groups[detector]["all"].append(metrics)
    return {
        detector: {
            name: {column: float(np.mean([m[column] for m in rows])) for column in COLUMNS} | {"series": len(rows)}
            for name, rows in sorted(sets.items())
        }
        for detector, sets in groups.items()
    }


def table(summary: dict[str, dict[str, dict[str, float]]]) -> str:
    """The summary as a Markdown table."""
    lines = [
        "| data set | series | detector | VUS-PR | AUC-PR | AUC-ROC | event recall | false alarms / 10k |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in summary["vedette"]:
        for detector, sets in summary.items():
            cells = " | ".join(f"{sets[name][column]:.3f}" for column in COLUMNS[:-1])
            alarms = f"{sets[name]['false_alarms_per_10k']:.1f}"
            lines.append(f"| {name} | {sets[name]['series']:.0f} | {detector} | {cells} | {alarms} |")
    return "\n".join(lines)


@click.command()
@click.option("--data", type=click.Path(path_type=Path), default=None, help="Folder with series.json.")
@click.option("--only", default="", help="Only series whose id starts with this.")
@click.option("--config", type=click.Path(path_type=Path), help="Project file to train with.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the results as JSON.")
def main(data: Path | None, only: str, config: Path | None, output: Path | None) -> None:
    """Run the loop on real series and print a table by data set."""
    folder = data or shared_data()
    if not (folder / "series.json").is_file():
        click.echo(f"no real series at {folder} (series.json is missing): nothing measured", err=True)
        return
    project = load_config(config)
    entries = [
        entry
        for group in json.loads((folder / "series.json").read_text()).values()
        for entry in group
        if entry["id"].startswith(only)
    ]
    results = []
    for number, entry in enumerate(entries, 1):
        result = run_series(folder / entry["id"], entry, project)
        results.append(result)
        ours = result["detectors"]["vedette"]
        click.echo(
            f"[{number}/{len(entries)}] {entry['id']}: VUS-PR {ours['vus_pr']:.3f}, event recall "
            f"{ours['event_recall']:.2f}, {ours['false_alarms_per_10k']:.1f} false alarms / 10k, "
            f"{result['model_bytes']:,} bytes, trained in {result['train_s']:.1f} s",
            err=True,
        )
    summary = summarise(results)
    click.echo(table(summary))
    if output:
        output.write_text(json.dumps({"board": BOARD, "summary": summary, "series": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
