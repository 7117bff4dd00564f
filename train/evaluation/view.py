"""The evaluation as a table for people."""

from __future__ import annotations

import sys
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

# A table that is not read on a terminal is as wide as it needs to be.
FILE_WIDTH = 160


def print_metrics(metrics: dict[str, Any]) -> None:
    """Print the bundle's metrics and the baselines' beside them on stdout."""
    timed = "false_alarms_per_day" in metrics
    rate = "false_alarms_per_day" if timed else "false_alarms_per_10k_samples"
    unit = "s" if timed else "samples"
    columns = {
        "VUS-PR": "vus_pr",
        "AUC-PR": "auc_pr",
        "AUC-ROC": "auc_roc",
        "F1": "f1_at_threshold",
        "event\nprecision": "event_precision",
        f"false alarms\na {'day' if timed else '10k samples'}": rate,
        "normal time\nin alarm": "normal_time_in_alarm",
        f"delay, {unit}\nmean": f"detection_delay_{unit}",
        f"delay, {unit}\nmedian": f"detection_delay_median_{unit}",
    }
    table = Table(
        title=f"{metrics['name']}: {metrics['rows']:,} rows, {metrics['anomalous_rows']:,} of them anomalous",
        caption=_caption(metrics),
        caption_justify="left",
    )
    table.add_column("detector")
    table.add_column("events\nfound", justify="right", no_wrap=True)
    for label in columns:
        table.add_column(label, justify="right")
    for name, row in (("vedette", metrics), *((row["title"], row) for row in metrics["baselines"].values())):
        cells = [_cell(key, row[key]) for key in columns.values()]
        style = {"vedette": "bold", "random": "dim"}.get(name, "")
        table.add_row(name, f"{row['events_found']} of {row['events_total']}", *cells, style=style)
    Console(width=None if sys.stdout.isatty() else FILE_WIDTH).print(table)


def _cell(key: str, value: float | None) -> str:
    decimals = 3 if key.startswith(("vus", "auc", "f1", "event")) else None
    return number(value, percent=key == "normal_time_in_alarm", decimals=decimals)


def _caption(metrics: dict[str, Any]) -> Text:
    fitted_on = next((row["fitted_on"] for row in metrics["baselines"].values()), "nothing")
    lines = [
        f"baselines: fitted on {fitted_on}; alarm above the 99.5% quantile of their scores there",
        f"random: what chance reaches on this data; reference window: {metrics['reference_window']} samples",
    ]
    if not metrics["anomalous_rows"]:
        lines.append("no row is anomalous: only false alarms can be measured")
    if metrics["anomalous_rows"] == metrics["rows"]:
        lines.append("every row is anomalous: false alarms and areas cannot be measured")
    return Text("\n".join(lines), style="dim")


def number(value: float | None, *, percent: bool = False, decimals: int | None = None) -> str:
    """A metric in three digits, or in as many decimals; a dash where it is not defined.

    >>> number(0.12345), number(1234.5), number(0.0), number(None), number(0.012, percent=True)
    ('0.123', '1,234', '0', '-', '1.20%')
    """
    if value is None:
        return "-"
    if percent:
        return f"{value:.2%}"
    if decimals is not None:
        return f"{value:.{decimals}f}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
