"""The evaluation as a table for people."""

from __future__ import annotations

import sys
from typing import Any

from rich.console import Console
from rich.table import Table


def print_metrics(metrics: dict[str, Any]) -> None:
    """Print the bundle's metrics and the baselines' beside them on stdout."""
    rate = next(key for key in ("false_alarms_per_day", "false_alarms_per_10k_samples") if key in metrics)
    delay = "detection_delay_s" if metrics["detection_delay_s"] is not None else "detection_delay_samples"
    labels = {
        "auc_roc": "AUC-ROC",
        "auc_pr": "AUC-PR",
        "vus_pr": "VUS-PR",
        "f1_at_threshold": "F1 at threshold",
        "events": "events found",
        rate: "false alarms / day" if rate.endswith("day") else "false alarms / 10k",
        delay: "mean delay, s" if delay.endswith("_s") else "mean delay, samples",
    }
    title = f"{metrics['name']}: {metrics['rows']:,} rows, {metrics['anomalous_rows']:,} anomalous"
    table = Table(title=title, caption=f"baselines fitted on {next(iter(metrics['baselines'].values()))['fitted_on']}")
    table.add_column("detector")
    for label in labels.values():
        table.add_column(label, justify="right")
    for name, row in (("vedette", metrics), *metrics["baselines"].items()):
        events = f"{row['events_found']} of {row['events_total']}"
        cells = [events if key == "events" else _number(row[key]) for key in labels]
        table.add_row(name, *cells, style="bold" if name == "vedette" else "")
    # A table that is not read on a terminal is as wide as it needs to be.
    Console(width=None if sys.stdout.isatty() else 140).print(table)


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:,.1f}"
