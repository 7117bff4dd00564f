"""The boards that vedette knows, read from ``boards.yaml``; a number without a source does not get in.

A board is resolved into the bundle's manifest at export, so a gateway never reads this file.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from vedette.compress.yaml_keys import Section, parse
from vedette.errors import BoardError, nearest

PATH = Path(__file__).parent.parent / "boards.yaml"
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Source:
    """Where a number comes from: a document's title and, where it is public, its address."""

    title: str
    url: str | None


@dataclass(frozen=True)
class Figure:
    """A number with its source, and a note on what it holds for."""

    value: float
    source: Source
    note: str | None


@dataclass(frozen=True)
class Version:
    """A version with its source, and a note on what it holds for."""

    value: str
    source: Source
    note: str | None


@dataclass(frozen=True)
class Interpreter:
    """The TFLite interpreter that runs on the board, and the rounding family (D, H or S) of its int8 kernels."""

    package: str
    min_version: Version
    family: str
    why: str


@dataclass(frozen=True)
class Accelerator:
    """A chip beside the CPU, and the rules that a model must keep to run on it.

    ``max_op_versions`` is the newest version of an operator that its compiler takes, ``memory_mb`` the room for
    parameters on the chip.
    """

    name: str
    title: str
    tops: Figure
    active_w: Figure
    memory_mb: Figure
    compiler: str
    max_dimensions: Figure
    max_op_versions: dict[str, Figure]
    operators: list[str]
    operators_source: Source


@dataclass(frozen=True)
class Sensor:
    """A file of the board's own power or energy meter."""

    path: str
    source: Source
    note: str | None


@dataclass(frozen=True)
class Power:
    """Watts of the whole board, idle and with every core loaded, and its meter; None where not known or absent."""

    idle_w: Figure | None
    active_w: Figure | None
    sensor: Sensor | None


@dataclass(frozen=True)
class Model:
    """The form of model that the board runs best."""

    dtype: str
    weights: str
    batch: str
    threads: Figure


@dataclass(frozen=True)
class Board:
    """One entry of ``boards.yaml``. Figures are None where no reliable number was found."""

    name: str
    kind: str
    title: str
    arch: str
    cpu: str
    cores: Figure | None
    clock_mhz: Figure | None
    ram_mb: Figure | None
    accelerator: Accelerator | None
    interpreter: Interpreter
    model: Model
    power: Power

    @property
    def threads(self) -> int:
        """Threads to give the interpreter."""
        return int(self.model.threads.value)

    @property
    def per_channel(self) -> bool:
        """Whether each output channel of a layer has a scale of its own, or the layer has one."""
        return self.model.weights == "per-channel"

    @property
    def fixed_batch(self) -> bool:
        """Whether the model takes one window at a time, or any number."""
        return self.model.batch == "fixed"

    def resolved(self) -> dict[str, Any]:
        """The whole entry with its sources, as JSON types, for a bundle's manifest."""
        return asdict(self)


def get_board(name: str) -> Board:
    """The board of that name. Raises :class:`BoardError` that suggests the nearest where there is none."""
    boards = load_boards()
    if name not in boards:
        raise BoardError(f'board "{name}" is not known; {nearest(name, boards)}')
    return boards[name]


@cache
def load_boards() -> dict[str, Board]:
    """Every board that ships with vedette, by name, in the order of ``boards.yaml``."""
    return read_boards(PATH)


def read_boards(path: Path) -> dict[str, Board]:
    """The boards of a file. Raises :class:`ConfigError` with file, line and remedy where an entry is not valid."""
    document = parse(path)
    sources = document.named("sources", lambda _, entry: Source(entry.text("title"), entry.optional_text("url")))
    accelerators = document.named("accelerators", lambda name, entry: _accelerator(name, entry, sources))
    boards = document.named("boards", lambda name, entry: _board(name, entry, sources, accelerators))
    document.done()
    return boards


def _board(name: str, entry: Section, sources: dict[str, Source], accelerators: dict[str, Accelerator]) -> Board:
    chip = entry.word("accelerator", ["none", *accelerators])
    return Board(
        name=name,
        kind=entry.word("kind", ["gateway"]),
        title=entry.text("title"),
        arch=entry.word("arch", ["aarch64", "x86-64", "any"]),
        cpu=entry.text("cpu"),
        cores=_figure_or_unknown(entry, "cores", sources),
        clock_mhz=_figure_or_unknown(entry, "clock_mhz", sources),
        ram_mb=_figure_or_unknown(entry, "ram_mb", sources),
        accelerator=None if chip == "none" else accelerators[chip],
        interpreter=entry.section("interpreter", lambda inner: _interpreter(inner, sources)),
        model=entry.section("model", lambda inner: _model(inner, sources)),
        power=entry.section("power", lambda inner: _power(inner, sources)),
    )


def _accelerator(name: str, entry: Section, sources: dict[str, Source]) -> Accelerator:
    names, source = entry.section(
        "operators", lambda inner: (inner.texts("names"), sources[inner.word("source", sources)])
    )
    return Accelerator(
        name=name,
        title=entry.text("title"),
        tops=_figure(entry, "tops", sources),
        active_w=_figure(entry, "active_w", sources),
        memory_mb=_figure(entry, "memory_mb", sources),
        compiler=entry.text("compiler"),
        max_dimensions=_figure(entry, "max_dimensions", sources),
        max_op_versions=entry.named(
            "max_op_versions", lambda _, inner: Figure(inner.number("value"), *_origin(inner, sources))
        ),
        operators=names,
        operators_source=source,
    )


def _interpreter(entry: Section, sources: dict[str, Source]) -> Interpreter:
    return Interpreter(
        package=entry.word("package", ["ai-edge-litert", "tflite-runtime"]),
        min_version=entry.section("min_version", lambda inner: Version(inner.text("value"), *_origin(inner, sources))),
        family=entry.word("family", ["D", "H", "S"]),
        why=entry.text("why"),
    )


def _model(entry: Section, sources: dict[str, Source]) -> Model:
    return Model(
        dtype=entry.word("dtype", ["int8"]),
        weights=entry.word("weights", ["per-channel", "per-tensor"]),
        batch=entry.word("batch", ["dynamic", "fixed"]),
        threads=_figure(entry, "threads", sources),
    )


def _power(entry: Section, sources: dict[str, Source]) -> Power:
    return Power(
        idle_w=_figure_or_unknown(entry, "idle_w", sources),
        active_w=_figure_or_unknown(entry, "active_w", sources),
        sensor=None if entry.skip("sensor", "none") else entry.section("sensor", lambda inner: _sensor(inner, sources)),
    )


def _sensor(entry: Section, sources: dict[str, Source]) -> Sensor:
    return Sensor(entry.text("path"), *_origin(entry, sources))


def _figure(entry: Section, key: str, sources: dict[str, Source]) -> Figure:
    return entry.section(key, lambda inner: Figure(inner.number("value"), *_origin(inner, sources)))


def _figure_or_unknown(entry: Section, key: str, sources: dict[str, Source]) -> Figure | None:
    return None if entry.skip(key, UNKNOWN) else _figure(entry, key, sources)


def _origin(entry: Section, sources: dict[str, Source]) -> tuple[Source, str | None]:
    return sources[entry.word("source", sources)], entry.optional_text("note")
