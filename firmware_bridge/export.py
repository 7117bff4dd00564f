"""``vedette firmware export``: a folder of C for one model on one board."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vedette.errors import BoardError, OutputError
from vedette.firmware_bridge.detector.numbers import least_bytes
from vedette.firmware_bridge.detector.text import detector_text
from vedette.firmware_bridge.plan import Plan, make_plan
from vedette.firmware_bridge.source import Source
from vedette.firmware_bridge.tflm import tflm_files
from vedette.firmware_bridge.writer.example import example, readme
from vedette.firmware_bridge.writer.layout import LAYOUTS
from vedette.firmware_bridge.writer.network import network_text
from vedette.firmware_bridge.writer.pair import Text, check_name, pair


@dataclass(frozen=True)
class Firmware:
    """Generated files by path, and the plan that they follow; ``plan`` is that of the network."""

    name: str
    files: dict[str, str]
    plan: Plan


def generate(source: Source, *, layout: str = "plain") -> Firmware:
    """The C of a source in a layout of :data:`LAYOUTS`. Raises :class:`BoardError` where it does not fit the board."""
    name = check_name(source.name)
    plan = make_plan(source.model)
    _require_fit(source, plan)
    files = pair(name, source.title, parts(source, plan))
    whole = LAYOUTS[layout](name, source.title, files, example(name, source))
    return Firmware(name, {**whole, "README.md": readme(name, source, plan, layout)}, plan)


def parts(source: Source, plan: Plan) -> list[Text]:
    """The network, and of a bundle the detector around it."""
    network = network_text(plan, source.name)
    if source.bundle is None:
        return [network]
    return [network, detector_text(source.bundle, source.name, model=source.bundle.load_model())]


def generate_tflm(source: Source) -> dict[str, str]:
    """The files for TFLite Micro, by path."""
    return tflm_files(check_name(source.name), source.title, source.model, source.data)


def write_files(folder: Path, files: dict[str, str], *, force: bool) -> list[Path]:
    """Write files below a folder that is new or empty, or with ``force`` any. Raises :class:`OutputError`."""
    try:
        if folder.exists() and not force and (not folder.is_dir() or any(folder.iterdir())):
            raise OutputError(f"{folder}: exists and is not an empty folder; add --force to write into it")
        written = []
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
            written.append(path)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written: {error.strerror}") from None
    return written


def needs(source: Source, plan: Plan) -> tuple[int, int]:
    """Bytes of flash and of RAM that a source takes before code and stack."""
    if source.bundle is None:
        return plan.weights_bytes, plan.arena.bytes + plan.input.bytes + plan.output.bytes
    flash, ram = least_bytes(source.bundle.manifest)
    return plan.weights_bytes + flash, plan.arena.bytes + ram


def _require_fit(source: Source, plan: Plan) -> None:
    board = source.board
    flash, ram = needs(source, plan)
    problems = [
        f"{memory}: needs {need:,} B, {board.name} has {have:,} B, too much by {need - have:,} B"
        for memory, need, have in (("flash", flash, board.flash_bytes), ("RAM", ram, board.ram_bytes))
        if have is not None and need > have
    ]
    if problems:
        raise BoardError(
            f"{source.title}: {'; '.join(problems)}, before any code. Compress the model (vedette compress), or choose "
            "a larger board (vedette firmware fit lists them)"
        )
