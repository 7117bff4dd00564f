"""Boards as a person reads them: the table of all, and the sheet of one with the source of every number."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from textwrap import fill

from rich import box
from rich.table import Table

from vedette.compress.boards import Board, Figure, Source

WIDTH = 110


def table(boards: Iterable[Board]) -> Table:
    """One row for each board."""
    result = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("board", "title", "accelerator", "model"):
        result.add_column(heading, no_wrap=heading == "board")
    for heading in ("cores", "MHz", "RAM MB", "idle W", "active W"):
        result.add_column(heading, justify="right")
    for board in boards:
        result.add_row(
            board.name,
            board.title,
            board.accelerator.name if board.accelerator else "none",
            f"{board.model.dtype} {board.model.weights}",
            *map(_number, (board.cores, board.clock_mhz, board.ram_mb, board.power.idle_w, board.power.active_w)),
        )
    return result


def sheet(board: Board) -> str:
    """Everything about one board, each number followed by its note and the number of its source below."""
    sources: list[Source] = []
    lines = [f"{board.name}: {board.title}", ""]
    for label, value, note, source in _rows(board):
        if source is not None and source not in sources:
            sources.append(source)
        mark = f"  [{sources.index(source) + 1}]" if source is not None else ""
        text = f"{value}{f' ({note})' if note else ''}{mark}"
        indent = f"  {label:<14} "
        lines.append(fill(text, WIDTH, initial_indent=indent, subsequent_indent=" " * len(indent)))
    lines += ["", "Sources"]
    lines += [
        f"  [{number}] {item.title}{f'  {item.url}' if item.url else ''}" for number, item in enumerate(sources, 1)
    ]
    return "\n".join(lines)


Row = tuple[str, str, str | None, Source | None]


def _rows(board: Board) -> Iterator[Row]:
    yield "kind", board.kind, None, None
    yield "cpu", f"{board.cpu} ({board.arch})", None, None
    yield _row("cores", board.cores)
    yield _row("clock", board.clock_mhz, " MHz")
    yield _row("ram", board.ram_mb, " MB")
    version = board.interpreter.min_version
    yield "interpreter", f"{board.interpreter.package}, rounding family {board.interpreter.family}", None, None
    yield "", f"at least {version.value}", version.note, version.source
    yield "", board.interpreter.why, None, None
    yield "model", f"{board.model.dtype}, {board.model.weights} weights, {board.model.batch} batch", None, None
    yield _row("threads", board.model.threads)
    yield _row("idle", board.power.idle_w, " W")
    yield _row("active", board.power.active_w, " W")
    sensor = board.power.sensor
    yield ("meter", sensor.path, sensor.note, sensor.source) if sensor else ("meter", "none", None, None)
    yield from _accelerator_rows(board)


def _accelerator_rows(board: Board) -> Iterator[Row]:
    chip = board.accelerator
    if chip is None:
        yield "accelerator", "none", None, None
        return
    yield "accelerator", f"{chip.title}, compiled by {chip.compiler}", None, None
    yield _row("", chip.tops, " TOPS")
    yield _row("", chip.active_w, " W")
    yield _row("", chip.memory_mb, " MB on the chip")
    yield _row("", chip.max_dimensions, " dimensions at most")
    for operator, version in chip.max_op_versions.items():
        yield _row("", version, f": newest version of {operator}")
    yield "operators", ", ".join(chip.operators), None, chip.operators_source


def _row(label: str, figure: Figure | None, unit: str = "") -> Row:
    if figure is None:
        return label, "unknown", None, None
    return label, f"{_number(figure)}{unit}", figure.note, figure.source


def _number(figure: Figure | None) -> str:
    return "unknown" if figure is None else f"{figure.value:g}"
