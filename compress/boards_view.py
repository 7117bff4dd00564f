"""Boards as a person reads them: the tables of all, and the sheet of one with the source of every number."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from textwrap import fill

from rich import box
from rich.table import Table

from vedette.compress.board import Accelerator, Benchmark, Board, Emulator, Figure, Interpreter, Source, Version

WIDTH = 100


def tables(boards: Collection[Board]) -> Iterator[Table]:
    """The gateways and then the microcontrollers, one row for each board."""
    gateways = _table("Gateways", "board", "title", ">RAM MB", "runs (family)", "model")
    mcus = _table("Microcontrollers", "board", "title", ">RAM kB", ">flash kB", "runs (family)", "model")
    for board in boards:
        runs = f"{board.interpreter.package} {board.interpreter.family}"
        if board.is_mcu:
            mcus.add_row(board.name, board.title, _number(board.ram_kb), _number(board.flash_kb), runs, _form(board))
        else:
            gateways.add_row(board.name, board.title, _number(board.ram_mb), runs, _form(board))
    yield from (table for table in (gateways, mcus) if table.row_count)


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
        lines.append(_folded(text, indent, " " * len(indent)))
    lines += ["", "Sources"]
    for number, item in enumerate(sources, 1):
        lines.append(_folded(f"[{number}] {item.title}", "  ", " " * 6))
        if item.url:
            lines.append(f"      {item.url}")
    return "\n".join(lines)


Row = tuple[str, str, str | None, Source | None]


def _folded(text: str, first: str, further: str) -> str:
    """Lines of at most ``WIDTH`` columns that break at spaces only, so that paths and flags stay whole."""
    return fill(
        text, WIDTH, initial_indent=first, subsequent_indent=further, break_on_hyphens=False, break_long_words=False
    )


def _table(title: str, *headings: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    table.padding, table.show_edge, table.pad_edge = (0, 1, 0, 0), False, False
    for heading in headings:
        right = heading.startswith(">")
        table.add_column(heading.lstrip(">"), justify="right" if right else "left", no_wrap=heading == "board")
    return table


def _form(board: Board) -> str:
    accelerator = f", {board.accelerator.name}" if board.accelerator else ""
    return f"{'/'.join([board.model.dtype, *board.model.alternatives])} {board.model.weights}{accelerator}"


def _rows(board: Board) -> Iterator[Row]:
    yield _text("kind", board.kind)
    yield _text("cpu", f"{board.cpu} ({board.arch})")
    yield _figure("cores", board.cores)
    yield _figure("clock", board.clock_mhz, " MHz")
    if board.is_mcu:
        yield _figure("ram", board.ram_kb, " kB")
        yield _figure("flash", board.flash_kb, " kB")
        yield _text("fpu", f"{board.fpu} precision" if board.fpu != "none" else "none")
    else:
        yield _figure("ram", board.ram_mb, " MB")
        if board.device_tree:
            yield _text("recognised by", f"/proc/device-tree/model: {board.device_tree} ...")
    yield from _interpreter(board.interpreter)
    model = board.model
    yield _text("model", f"{model.dtype}, {model.weights} weights, {model.batch} batch")
    if model.alternatives:
        yield _text("", f"{', '.join(model.alternatives)} where that measures faster on the board")
    if model.threads:
        yield _figure("threads", model.threads)
    yield _text("recipe", ", ".join(board.recipe))
    if board.compiler:
        yield _text("compiler", " ".join([board.compiler.command, *board.compiler.flags]))
    yield from _emulator(board.emulator)
    if board.benchmark:
        yield from _benchmark(board.benchmark)
    yield _figure("idle", board.power.idle_w, " W")
    yield _figure("active", board.power.active_w, " W")
    if not board.is_mcu:
        sensor = board.power.sensor
        yield ("meter", sensor.path, sensor.note, sensor.source) if sensor else _text("meter", "none")
        yield from _accelerator(board.accelerator)


def _interpreter(interpreter: Interpreter) -> Iterator[Row]:
    yield _text("interpreter", f"{interpreter.package}, rounding family {interpreter.family}")
    yield _text("", interpreter.why)
    if interpreter.min_version:
        yield _version("", "at least ", interpreter.min_version)
    if interpreter.python:
        yield _version("", "on Python ", interpreter.python)


def _emulator(emulator: Emulator | None) -> Iterator[Row]:
    if emulator is None:
        yield _text("emulator", "none")
        return
    machine = f" -M {emulator.machine}" if emulator.machine else ""
    yield "emulator", f"{emulator.program}{machine} -cpu {emulator.cpu}, counts {emulator.counts}", emulator.note, None
    if emulator.clock_mhz:
        yield _figure("", emulator.clock_mhz, " MHz emulated")


def _benchmark(benchmark: Benchmark) -> Iterator[Row]:
    yield _text("benchmark", benchmark.title)
    yield _figure("", benchmark.multiply_accumulates, " multiply-accumulates")
    yield _figure("", benchmark.latency_ms, " ms")
    yield _figure("", benchmark.energy_uj, " uJ")


def _accelerator(chip: Accelerator | None) -> Iterator[Row]:
    if chip is None:
        yield _text("accelerator", "none")
        return
    yield _text("accelerator", f"{chip.title}, compiled by {chip.compiler}")
    yield _figure("", chip.tops, " TOPS")
    yield _figure("", chip.active_w, " W")
    yield _figure("", chip.memory_mb, " MB on the chip")
    yield _figure("", chip.invoke_us, " microseconds for the smallest model")
    yield _figure("", chip.cpu_macs_per_us, " multiplications a microsecond on the CPU beside it")
    yield _figure("", chip.max_dimensions, " dimensions at most")
    for operator, version in chip.max_op_versions.items():
        yield _figure("", version, f": newest version of {operator}")
    yield "operators", ", ".join(chip.operators), None, chip.operators_source


def _text(label: str, text: str) -> Row:
    return label, text, None, None


def _figure(label: str, figure: Figure | None, unit: str = "") -> Row:
    if figure is None:
        return _text(label, "unknown")
    return label, f"{_number(figure)}{unit}", figure.note, figure.source


def _version(label: str, words: str, version: Version) -> Row:
    return label, f"{words}{version.value}", version.note, version.source


def _number(figure: Figure | None) -> str:
    return "unknown" if figure is None else f"{figure.value:,.10g}"
