"""The demo on a terminal: phases with their times, alerts as they arrive, and the summary."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from vedette.benchmarks.demo_live import Event
from vedette.benchmarks.demo_results import DemoResult, Fault
from vedette.runtime.delivery.listen import event_line

# As wide as lines get where there is no terminal, and on a very wide one.
WIDTH = 100
_NAME_WIDTH = 10


class Phase:
    """What is known of a phase while it runs: ``told`` is shown with its time when it is done."""

    def __init__(self, bar: Progress | None) -> None:
        self.told = ""
        self._bar = bar
        self._task = bar.add_task("", total=None) if bar else None

    def update(self, part: float | None = None, note: str = "") -> None:
        """Show the part done, 0 to 1, or a note on what happens, where somebody looks."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=part, total=None if part is None else 1.0, description=note)


class Screen:
    """Talk on stderr, with bars on a terminal; alerts and the summary on stdout. ``phases`` are the seconds of each."""

    def __init__(self) -> None:
        self.phases: dict[str, float] = {}
        self._talk = Console(stderr=True, highlight=False)
        self._terminal = self._talk.is_terminal
        self._width = min(self._talk.width, WIDTH) if self._terminal else WIDTH

    def say(self, text: str) -> None:
        """A line on stderr."""
        self._talk.print(Text(text), soft_wrap=True)

    @contextmanager
    def phase(self, name: str, doing: str) -> Iterator[Phase]:
        """A part of the demo: its bar while it runs, one line with its time when it is done."""
        began = time.monotonic()
        if self._terminal:
            columns = (
                TextColumn(f"  [cyan]{name:<{_NAME_WIDTH}}[/] {doing}"),
                BarColumn(bar_width=20),
                TextColumn("{task.description}", style="dim"),
                TimeElapsedColumn(),
            )
            with Progress(*columns, console=self._talk, transient=True, redirect_stdout=False) as bar:
                yield (phase := Phase(bar))
        else:
            yield (phase := Phase(None))
        self.phases[name] = time.monotonic() - began
        line = Text.assemble("  ", (f"{name:<{_NAME_WIDTH}}", "bold cyan"), " ", phase.told)
        seconds = f"{self.phases[name]:6.1f} s"
        line.pad_right(self._width - line.cell_len - len(seconds))
        self._talk.print(line.append(seconds, "dim"), soft_wrap=True)

    def event(self, event: Event) -> None:
        """Print an alert as ``vedette listen`` does."""
        if self._terminal and sys.stdout.isatty():
            # Both are the same terminal: print above the bar, and cut what is too long for a line.
            line = Text.from_ansi(event_line(event, colour=True))
            self._talk.print(line, no_wrap=True, overflow="ellipsis", crop=True)
        else:
            click.echo(event_line(event, colour=False))


def print_summary(result: DemoResult) -> None:
    """The tables, on stdout."""
    console = Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False)
    console.print()
    console.print(Text(headline(result), "bold"))
    console.print(Text("Simulated data; times and memory measured on this machine: " + result.machine, "dim"))
    for table in (_faults(result), _detectors(result), _precisions(result)):
        console.print()
        console.print(table)
    console.print()
    facts = Table.grid(padding=(0, 2))
    for name, text in plain_facts(result):
        facts.add_row(Text(name, "cyan"), text)
    console.print(facts)


def headline(result: DemoResult) -> str:
    """The result in one sentence."""
    metrics = result.metrics
    false = metrics["false_alarms"]
    alarms = "no false alarm" if false == 0 else "1 false alarm" if false == 1 else f"{false} false alarms"
    return (
        f"{metrics['events_found']} of {metrics['events_total']} faults found, {alarms} in "
        f"{result.normal_hours:.1f} h of normal operation"
    )


def plain_facts(result: DemoResult) -> list[tuple[str, str]]:
    """Speed, size and delivery as (name, sentence)."""
    latency, delivery, agreement = result.latency, result.delivery, result.agreement
    rss = delivery["gateway_rss_mib"]
    scale = "all" if agreement.complete else "NOT all"
    return [
        ("speed", f"{latency.step_us:.0f} µs from sample to score, of which the bare model {latency.invoke_us:.1f} µs "
         f"(medians of {latency.windows:,} windows, one thread)"),
        ("size", f"bundle {result.bundle_bytes:,} bytes, for {result.board}"
         + (f"; gateway process {rss:.0f} MiB at its peak" if rss else "")),
        ("delivery", f"{delivery['samples']:,} samples in {delivery['messages']:,} messages at "
         f"{delivery['times_real_time']:,.0f} times real time ({delivery['broker']}, MQTT {delivery['mqtt_version']}); "
         f"{delivery['samples_lost'] or 'none'} lost"),
        ("alerts", f"{delivery['alerts_raised']} steps of {len(result.incidents)} alerts raised by the gateway, "
         f"{delivery['alerts_received']} received by the consumer"),
        ("data faults", "; ".join(f"{fault.kind}: {fault.detail} (from {fault.start[11:16]})"
                                  for fault in result.data_faults) or "none"),
        ("same path", f"vedette score on the same file gives the same alerts and scores: {scale} of "
         f"{agreement.rows:,} rows, {agreement.steps} scores"),
        ("time", ", ".join(f"{name} {seconds:.1f} s" for name, seconds in result.phases.items())),
    ]  # fmt: skip


def minutes(seconds: float | None) -> str:
    """A duration for people.

    >>> minutes(42.0), minutes(3420.0), minutes(None)
    ('42 s', '57 min', '-')
    """
    if seconds is None:
        return "-"
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def found_after(fault: Fault) -> str:
    """When a fault was found; an alert at its very first row is one that was open before."""
    if fault.delay_s is None:
        return "missed"
    return minutes(fault.delay_s) if fault.delay_s > 0 else "open before"


def _table(*columns: tuple[str, str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold", show_edge=False)
    for name, justify in columns:
        table.add_column(name, justify="left" if justify == "<" else "right")
    return table


def _faults(result: DemoResult) -> Table:
    table = _table(("", ">"), ("fault", "<"), ("from", "<"), ("lasts", ">"), ("found\nafter", ">"),
                   ("severity", ">"), ("main channel", "<"))  # fmt: skip
    for fault in result.faults:
        found = fault.delay_s is not None
        channel = f"{fault.channel} {fault.share:.0%}" if fault.channel else "-"
        after = Text(found_after(fault), "green" if found else "red")
        table.add_row(
            str(fault.number), fault.name, fault.start[11:16], minutes(fault.duration_s), after,
            f"{fault.peak_severity:.2f}", channel,
        )  # fmt: skip
    table.caption = "severity: highest score in the fault over the threshold"
    table.caption_justify = "left"
    return table


def _detectors(result: DemoResult) -> Table:
    table = _table(("detector", "<"), ("found", ">"), ("false alarms\na day", ">"), ("AUC-\nROC", ">"),
                   ("AUC-\nPR", ">"), ("VUS-\nPR", ">"), ("mean\ndelay", ">"))  # fmt: skip
    for name, row in detector_rows(result):
        table.add_row(name, *row, style="bold" if name == "vedette" else "")
    table.caption = "baselines: fitted to train.csv, alarm above the 99.5% quantile of their scores there"
    table.caption_justify = "left"
    return table


def detector_rows(result: DemoResult) -> list[tuple[str, list[str]]]:
    """The detector and the baselines on the test data."""
    found: list[tuple[str, dict[str, Any]]] = [("vedette", result.metrics)]
    found += [(row["title"], row) for row in result.metrics["baselines"].values()]
    return [
        (
            name,
            [
                f"{row['events_found']} of {row['events_total']}",
                f"{row['false_alarms_per_day']:.1f}",
                *(f"{row[key]:.3f}" for key in ("auc_roc", "auc_pr", "vus_pr")),
                minutes(row["detection_delay_s"]),
            ],
        )
        for name, row in found
    ]


def precision_rows(result: DemoResult) -> list[tuple[str, list[str]]]:
    """Float against int8, as the bundle's manifest tells it."""
    found = result.accuracy
    return [
        (
            name,
            [
                f"{found[f'{key}_auc_roc']:.3f}",
                f"{found[f'{key}_threshold']:.4g}",
                f"{found[f'{key}_alarm_rate']:.3%}",
                f"{size:,}",
            ],
        )
        for name, key, size in (("float32", "float", result.float_bytes), ("int8", "int8", result.model_bytes))
    ]


def _precisions(result: DemoResult) -> Table:
    table = _table(("float against int8", "<"), ("AUC-ROC", ">"), ("threshold", ">"), ("normal windows\nabove it", ">"),
                   ("model bytes", ">"))  # fmt: skip
    for name, row in precision_rows(result):
        table.add_row(name, *row, style="bold" if name == "int8" else "")
    windows = f"{result.accuracy['normal_windows']:,}"
    table.caption = f"measured on {windows} held-out normal windows, AUC-ROC with injected anomalies"
    table.caption_justify = "left"
    return table
