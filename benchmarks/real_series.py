"""The loop on real labelled sensor series: train, export, score, evaluate, beside the baselines; a table by data set.

``python -m vedette.benchmarks.real_series [--data DIR] [--only PREFIX] [--config vedette.toml] [--baselines none]
[-o results.json]``

DIR holds ``series.json`` and a folder per series with ``train.csv.gz`` and ``test.csv.gz``; the default is
``shared/data`` beside the repository, or ``$VEDETTE_SHARED/data``. Scores are the exported int8 bundle's: causal, one
per row. Two rows are the bundle's: "vedette" counts its alerts, "vedette, no alert policy" the rows above its threshold
as they are counted for the baselines, which alarm above the 99.5th percentile of their training scores.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from vedette.compress.export import export
from vedette.errors import DataError, nearest
from vedette.runtime.bundles import bundle as bundles
from vedette.train.config import ProjectConfig, load_config
from vedette.train.data.table import read_signal, read_table
from vedette.train.evaluation.baseline_kinds import BASELINES
from vedette.train.evaluation.baselines import run_baselines
from vedette.train.evaluation.evaluate import score_table
from vedette.train.evaluation.metrics import auc_pr, auc_roc, count_events, f1, vus_pr
from vedette.train.pipeline import train

BOARD = "rpi4"
# Rows that are evaluated at most, as the peers' figures are.
MAX_ROWS = 60_000
COLUMNS = {
    "vus_pr": "VUS-PR",
    "auc_pr": "AUC-PR",
    "auc_roc": "AUC-ROC",
    "event_recall": "event recall",
    "event_precision": "event precision",
    "false_alarms_per_10k": "false alarms / 10k",
    "f1_at_threshold": "F1 at threshold",
}

# Detector -> data set -> metric, and the number of series.
Summary = dict[str, dict[str, dict[str, float | None]]]


def shared_data() -> Path:
    """Where the real series are, if they are."""
    beside = Path(__file__).resolve().parents[2] / "shared"
    return Path(os.environ.get("VEDETTE_SHARED", beside)) / "data"


def run_series(
    folder: Path, entry: dict[str, Any], config: ProjectConfig, baselines: Sequence[str] = tuple(BASELINES)
) -> dict[str, Any]:
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
    scores, _ = score_table(manifest, loaded.load_model(), test)
    if not np.isfinite(scores.score).all() or not np.isfinite(manifest.threshold):
        raise DataError(f"{entry['id']}: a score or the threshold is not finite")
    label = test.label if test.label is not None else np.zeros(len(test), np.int8)
    buffer, above = int(entry["window"]), scores.score > manifest.threshold
    detectors = {
        "vedette": measure(label, scores.score, scores.alert, buffer),
        "vedette, no alert policy": measure(label, scores.score, above, buffer, gap=buffer),
    }
    if baselines:
        # All channels, whichever of them the detector uses.
        normal = read_table(folder / "train.csv.gz")
        whole = read_table(folder / "test.csv.gz", channels=list(normal.channels))
        for name, found in run_baselines(whole.values, normal.values, names=baselines).items():
            alarm = found.score > found.threshold
            detectors[BASELINES[name].title] = measure(label, found.score, alarm, buffer, gap=buffer)
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


def measure(
    label: np.ndarray, score: np.ndarray, alarm: np.ndarray, buffer: int, *, gap: int = 0
) -> dict[str, float | None]:
    """Metrics of one detector on one series, over the first :data:`MAX_ROWS` rows; None where it raised no alarm."""
    label, score, alarm = label[:MAX_ROWS], np.asarray(score[:MAX_ROWS], np.float64), alarm[:MAX_ROWS]
    counts = count_events(label, alarm, tolerance=buffer, gap=gap)
    return {
        "vus_pr": vus_pr(label, score, buffer),
        "auc_pr": auc_pr(label, score),
        "auc_roc": auc_roc(label, score),
        "event_recall": counts.recall,
        "event_precision": counts.precision if counts.alarms else None,
        "false_alarms_per_10k": 1e4 * counts.false_alarms / len(label),
        "f1_at_threshold": f1(label, alarm),
    }


def summarise(results: Iterable[dict[str, Any]]) -> Summary:
    """Means by data set and overall: detector -> data set -> metric."""
    groups: dict[str, dict[str, list[dict[str, float | None]]]] = defaultdict(lambda: defaultdict(list))
    for result in results:
        for detector, metrics in result["detectors"].items():
            groups[detector][result["dataset"]].append(metrics)
            groups[detector]["all"].append(metrics)
    return {
        detector: {
            name: {column: _mean([m[column] for m in rows]) for column in COLUMNS} | {"series": len(rows)}
            for name, rows in sorted(sets.items())
        }
        for detector, sets in groups.items()
    }


def _mean(values: list[float | None]) -> float | None:
    """The mean of those that are defined."""
    defined = [value for value in values if value is not None]
    return float(np.mean(defined)) if defined else None


def _cell(value: float | None, decimals: int = 3) -> str:
    return "-" if value is None else f"{value:.{decimals}f}"


def tables(summary: Summary) -> str:
    """The summary as Markdown: the means of every metric, then the main ones by data set."""
    sets = [name for name in summary["vedette"] if name != "all"]
    sizes = [f"{name} ({summary['vedette'][name]['series']:.0f})" for name in sets]
    means = {detector: [_cell(found["all"][column]) for column in COLUMNS] for detector, found in summary.items()}
    vus = {detector: [_cell(found[name]["vus_pr"]) for name in sets] for detector, found in summary.items()}
    alarms = {
        detector: [
            f"{_cell(found[name]['event_recall'], 2)} / {_cell(found[name]['false_alarms_per_10k'], 1)}"
            for name in sets
        ]
        for detector, found in summary.items()
    }
    series = summary["vedette"]["all"]["series"]
    parts = [
        (f"Means over {series:.0f} series", list(COLUMNS.values()), means),
        ("Mean VUS-PR by data set", sizes, vus),
        ("Event recall / false alarms per 10k samples by data set", sizes, alarms),
    ]
    return "\n\n".join(f"{title}\n\n{_table(columns, rows)}" for title, columns, rows in parts)


def _table(columns: Sequence[str], rows: dict[str, list[str]]) -> str:
    lines = [["detector", *columns], ["---"] * (len(columns) + 1), *([name, *cells] for name, cells in rows.items())]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _choose(text: str) -> tuple[str, ...]:
    """The baselines that ``--baselines`` names. Raises :class:`click.BadParameter`."""
    if text in ("all", "none"):
        return tuple(BASELINES) if text == "all" else ()
    names = tuple(name.strip() for name in text.split(","))
    if unknown := [name for name in names if name not in BASELINES]:
        raise click.BadParameter(
            f'no baseline is called "{unknown[0]}": {nearest(unknown[0], ("all", "none", *BASELINES))}'
        )
    return names


@click.command()
@click.option("--data", type=click.Path(path_type=Path), default=None, help="Folder with series.json.")
@click.option("--only", default="", help="Only series whose id starts with this.")
@click.option("--config", type=click.Path(path_type=Path), help="Project file to train with.")
@click.option("--baselines", default="all", show_default=True, help="all, none, or names separated by commas.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the results as JSON.")
def main(data: Path | None, only: str, config: Path | None, baselines: str, output: Path | None) -> None:
    """Run the loop on real series and print tables of means, overall and by data set."""
    chosen = _choose(baselines)
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
        result = run_series(folder / entry["id"], entry, project, chosen)
        results.append(result)
        ours = result["detectors"]["vedette"]
        click.echo(
            f"[{number}/{len(entries)}] {entry['id']}: VUS-PR {ours['vus_pr']:.3f}, event recall "
            f"{ours['event_recall']:.2f}, {ours['false_alarms_per_10k']:.1f} false alarms / 10k, "
            f"{result['model_bytes']:,} bytes, trained in {result['train_s']:.1f} s",
            err=True,
        )
    if not results:
        raise click.BadParameter(f'no series starts with "{only}"', param_hint="--only")
    summary = summarise(results)
    click.echo(tables(summary))
    if output:
        output.write_text(json.dumps({"board": BOARD, "summary": summary, "series": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
