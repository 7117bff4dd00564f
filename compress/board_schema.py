"""The schema of ``boards.yaml``: which keys an entry has, what each may hold, and what must not stand together.

Every reader takes the keys of its section; :class:`~vedette.compress.yaml_keys.Section` refuses what is left over.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from vedette.compress.board import (
    GATEWAY_KEYS,
    MCU_KEYS,
    Accelerator,
    Benchmark,
    Board,
    Compiler,
    Emulator,
    Figure,
    Interpreter,
    Model,
    Power,
    Sensor,
    Source,
    Version,
)
from vedette.compress.yaml_keys import Register, Section
from vedette.errors import ConfigError
from vedette.train.recipe import QUANTIZERS, parse_recipe

UNKNOWN = "unknown"
# What runs the models, and how its int8 kernels round: see docs/boards.md.
GATEWAY_FAMILIES = {"ai-edge-litert": "S", "tflite-runtime": "H"}
MCU_FAMILIES = {"firmware": "D"}
GATEWAY_ARCHITECTURES = ("aarch64", "x86-64", "any")
MCU_ARCHITECTURES = ("armv6-m", "armv7-m", "armv7e-m", "armv8-m.main", "armv8.1-m.main", "xtensa-lx7")

Sources = Register[Source]
T = TypeVar("T")


def read_document(document: Section) -> dict[str, Board]:
    """The boards of a whole file. Raises :class:`ConfigError` where an entry is not valid or nothing uses it."""
    sources = document.register("sources", lambda _, entry: Source(entry.text("title"), entry.optional_text("url")))
    accelerators = document.register("accelerators", lambda name, entry: _accelerator(name, entry, sources))
    boards = document.named("boards", _Boards(sources, accelerators).read)
    document.done()
    sources.all_named()
    accelerators.all_named()
    return boards


class _Boards:
    """Reads one board after the other, and remembers what no two of them may share."""

    def __init__(self, sources: Sources, accelerators: Register[Accelerator]) -> None:
        self._sources, self._accelerators = sources, accelerators
        self._device_trees: dict[str, str] = {}

    def read(self, name: str, entry: Section) -> Board:
        kind = entry.word("kind", ["gateway", "mcu"])
        mcu = kind == "mcu"
        if mcu:
            entry.refuse(GATEWAY_KEYS, "only a gateway has this key, and this board is an mcu")
        else:
            entry.refuse(MCU_KEYS, "only an mcu has this key, and this board is a gateway")
        sources = self._sources
        return Board(
            name=name,
            kind=kind,
            title=entry.text("title"),
            arch=entry.word("arch", MCU_ARCHITECTURES if mcu else GATEWAY_ARCHITECTURES),
            cpu=entry.text("cpu"),
            cores=_unless(UNKNOWN, entry, "cores", _counted(sources)),
            clock_mhz=_unless(UNKNOWN, entry, "clock_mhz", _measured(sources)),
            ram_mb=None if mcu else _unless(UNKNOWN, entry, "ram_mb", _counted(sources)),
            ram_kb=entry.section("ram_kb", _counted(sources)) if mcu else None,
            flash_kb=entry.section("flash_kb", _counted(sources)) if mcu else None,
            device_tree=None if mcu else self._device_tree(name, entry),
            accelerator=None if mcu else self._accelerators.pick_or_none(entry, "accelerator"),
            fpu=entry.word("fpu", ["none", "single", "double"]) if mcu else None,
            interpreter=entry.section("interpreter", lambda inner: _interpreter(inner, sources, mcu=mcu)),
            model=entry.section("model", lambda inner: _model(inner, sources, mcu=mcu)),
            recipe=_recipe(entry),
            compiler=entry.section("compiler", _compiler) if mcu else None,
            emulator=_unless("none", entry, "emulator", lambda inner: _emulator(inner, sources)),
            benchmark=_unless("none", entry, "benchmark", lambda inner: _benchmark(inner, sources)) if mcu else None,
            power=entry.section("power", lambda inner: _power(inner, sources, mcu=mcu)),
        )

    def _device_tree(self, name: str, entry: Section) -> str | None:
        """The text that tells this board from every other: none may start with another's."""
        text = entry.text("device_tree")
        if text == "none":
            return None
        for other, start in self._device_trees.items():
            if text.startswith(start) or start.startswith(text):
                raise entry.error("device_tree", f'"{text}" does not tell this board from {other} ("{start}")')
        self._device_trees[name] = text
        return text


def _accelerator(name: str, entry: Section, sources: Sources) -> Accelerator:
    names, source = entry.section("operators", lambda inner: (inner.texts("names"), sources.pick(inner, "source")))
    return Accelerator(
        name=name,
        title=entry.text("title"),
        tops=entry.section("tops", _measured(sources)),
        active_w=entry.section("active_w", _measured(sources)),
        memory_mb=entry.section("memory_mb", _measured(sources)),
        invoke_us=entry.section("invoke_us", _measured(sources)),
        cpu_macs_per_us=entry.section("cpu_macs_per_us", _measured(sources)),
        compiler=entry.text("compiler"),
        max_dimensions=entry.section("max_dimensions", _counted(sources)),
        max_op_versions=entry.named("max_op_versions", lambda _, inner: _counted(sources)(inner)),
        operators=names,
        operators_source=source,
    )


def _interpreter(entry: Section, sources: Sources, *, mcu: bool) -> Interpreter:
    families = MCU_FAMILIES if mcu else GATEWAY_FAMILIES
    package = entry.word("package", families)
    family = entry.word("family", ["D", "H", "S"])
    if family != families[package]:
        raise entry.error("family", f"{package} rounds as family {families[package]}, found {family}")
    if mcu:
        entry.refuse(("min_version", "python"), "firmware is written for one bundle, so it has neither")
    return Interpreter(
        package=package,
        family=family,
        why=entry.text("why"),
        min_version=None if mcu else entry.section("min_version", lambda inner: _version(inner, sources)),
        python=None if mcu else entry.section("python", lambda inner: _version(inner, sources)),
    )


def _model(entry: Section, sources: Sources, *, mcu: bool) -> Model:
    if mcu:
        entry.refuse(("alternatives",), "another dtype than int8 is only for gateways, and this board is an mcu")
        entry.refuse(("threads",), "an mcu runs the model in one thread")
    return Model(
        dtype=entry.word("dtype", ["int8"]),
        weights=entry.word("weights", ["per-channel", "per-tensor"]),
        batch=entry.word("batch", ["fixed"] if mcu else ["dynamic", "fixed"]),
        alternatives=[] if mcu else entry.optional_words("alternatives", ["float16"]),
        threads=None if mcu else entry.section("threads", _counted(sources)),
    )


def _recipe(entry: Section) -> list[str]:
    words = entry.texts("recipe")
    try:
        parse_recipe(words)
    except ConfigError as error:
        raise entry.error("recipe", str(error).removeprefix("recipe: ")) from None
    if not any(word in QUANTIZERS for word in words):
        raise entry.error("recipe", f"int8 needs {' or '.join(QUANTIZERS)}; found {', '.join(words)}")
    return words


def _compiler(entry: Section) -> Compiler:
    return Compiler(entry.text("command"), entry.texts("flags"))


def _emulator(entry: Section, sources: Sources) -> Emulator:
    counts = entry.word("counts", ["instructions", "nothing"])
    if counts == "nothing":
        entry.refuse(("clock_mhz",), "it only turns ticks into instructions, and this emulator counts nothing")
    return Emulator(
        program=entry.text("program"),
        machine=entry.optional_text("machine"),
        cpu=entry.text("cpu"),
        counts=counts,
        clock_mhz=entry.section("clock_mhz", _measured(sources)) if counts == "instructions" else None,
        note=entry.optional_text("note"),
    )


def _benchmark(entry: Section, sources: Sources) -> Benchmark:
    return Benchmark(
        title=entry.text("title"),
        multiply_accumulates=entry.section("multiply_accumulates", _counted(sources)),
        latency_ms=entry.section("latency_ms", _measured(sources)),
        energy_uj=_unless(UNKNOWN, entry, "energy_uj", _measured(sources)),
    )


def _power(entry: Section, sources: Sources, *, mcu: bool) -> Power:
    if mcu:
        entry.refuse(("sensor",), "a meter is a file, and an mcu has none")
    return Power(
        idle_w=_unless(UNKNOWN, entry, "idle_w", _measured(sources)),
        active_w=_unless(UNKNOWN, entry, "active_w", _measured(sources)),
        sensor=None if mcu else _unless("none", entry, "sensor", lambda inner: _sensor(inner, sources)),
    )


def _sensor(entry: Section, sources: Sources) -> Sensor:
    return Sensor(entry.text("path"), *_origin(entry, sources))


def _version(entry: Section, sources: Sources) -> Version:
    return Version(entry.text("value"), *_origin(entry, sources))


def _measured(sources: Sources) -> Callable[[Section], Figure]:
    """Reads a number of at least 0, with its source."""
    return lambda entry: Figure(entry.number("value"), *_origin(entry, sources))


def _counted(sources: Sources) -> Callable[[Section], Figure]:
    """Reads a whole number of at least 1, with its source."""
    return lambda entry: Figure(entry.count("value"), *_origin(entry, sources))


def _origin(entry: Section, sources: Sources) -> tuple[Source, str | None]:
    return sources.pick(entry, "source"), entry.optional_text("note")


def _unless(word: str, entry: Section, key: str, read: Callable[[Section], T]) -> T | None:
    """What ``read`` makes of the section, or None where the word stands instead of it."""
    return None if entry.skip(key, word) else entry.section(key, read)
