"""The candidates of an automatic choice as a table for people."""

from __future__ import annotations

import sys
from typing import Any

from rich.console import Console
from rich.table import Table

# A table that is not read on a terminal is as wide as it needs to be.
FILE_WIDTH = 120


def print_candidates(record: dict[str, Any]) -> None:
    """Print what :attr:`vedette.train.auto.Choice.record` holds on stderr, in the order of training."""
    shortest, longest = record["anomaly_rows"]
    table = Table(
        title="candidates",
        caption=f"{record['judged_by']}; {record['injections']} times {record['held_out_rows']:,} rows, anomalies of "
        f"{shortest} to {longest} rows; chosen: {record['rule']}",
        caption_justify="left",
    )
    table.add_column("kind")
    for label in ("window", "latent", "hidden", "faults", "patterns", "figure", "behind best", "size, bytes"):
        table.add_column(label, justify="right", no_wrap=True)
    table.add_column("")
    for row in record["candidates"]:
        table.add_row(
            row["kind"],
            *(str(row[key]) for key in ("window", "latent", "hidden")),
            *(f"{row[key]:.3f}" for key in ("faults", "patterns", "figure")),
            f"{row['behind_best']:.3f} ± {row['noise']:.3f}" if row["behind_best"] else "-",
            f"{row['size']:,}",
            "chosen" if row["chosen"] else "",
            style="bold" if row["chosen"] else "",
        )
    Console(stderr=True, width=None if sys.stderr.isatty() else FILE_WIDTH).print(table)
