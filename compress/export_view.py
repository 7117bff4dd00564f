"""What ``vedette export`` says: the figures of each bundle, or why a board was refused."""

from __future__ import annotations

from typing import Any

import click

from vedette.compress.board import Board
from vedette.compress.export import Exported
from vedette.errors import VedetteError


class ExportView:
    """Says on stderr what happens, and collects it for programs."""

    def __init__(self, *, quiet: bool) -> None:
        """``quiet`` leaves the figures to :meth:`document`."""
        self._quiet = quiet
        self._outcomes: list[dict[str, Any]] = []

    def step(self, name: str) -> None:
        """A step begins."""
        click.echo(f"{name} ...", err=True)

    def board(self, board: Board, outcome: Exported | VedetteError) -> None:
        """A board has its bundle, or was refused."""
        if isinstance(outcome, VedetteError):
            self._outcomes.append({"board": board.name, "error": str(outcome), "exit_code": outcome.exit_code})
            click.echo(f"{board.name}: refused: {outcome}", err=True)
            return
        self._outcomes.append(
            {
                "board": board.name,
                "bundle": str(outcome.path),
                "model_bytes": outcome.model_bytes,
                "float_bytes": outcome.float_bytes,
                "threshold": outcome.manifest.threshold,
                "accuracy": outcome.manifest.accuracy,
                "notes": list(outcome.notes),
            }
        )
        if not self._quiet:
            for line in figures(outcome):
                click.echo(line, err=True)

    def document(self) -> list[dict[str, Any]]:
        """What became of each board, as JSON types."""
        return self._outcomes


def figures(exported: Exported) -> list[str]:
    """The figures of a bundle, a line each."""
    found = exported.comparison
    return [
        f"model       {exported.model_bytes:,} bytes, {exported.float_bytes:,} as float32 "
        f"({exported.float_bytes / exported.model_bytes:.1f} times smaller)",
        f"AUC-ROC     {found.int8_auc_roc:.3f}, {found.float_auc_roc:.3f} as float (injected anomalies)",
        f"threshold   {found.int8_threshold:.4g}, {found.float_threshold:.4g} as float",
        f"above it    {100 * found.int8_alarm_rate:.3f}% of {found.normal_windows:,} held-out normal windows, "
        f"{100 * found.float_alarm_rate:.3f}% as float; {100 * found.int8_alarm_rate_at_float_threshold:.3f}% if the "
        "float threshold were kept",
        *(f"note        {note}" for note in exported.notes),
        f"wrote {exported.path}",
    ]
