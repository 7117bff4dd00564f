"""What firmware is made of: a bundle, or a bare int8 .tflite model, for one board."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from vedette.errors import BoardError, DataError, ModelError
from vedette.firmware_bridge.plan import FAMILIES, FirmwareModel
from vedette.firmware_bridge.target import Boards, Target, require_mcu
from vedette.runtime.bundles import bundle as bundles
from vedette.runtime.bundles.bundle import MAX_MEMBER_BYTES, MODEL, Bundle
from vedette.runtime.inference.reference.rounding import Family

IDENTIFIER = b"TFL3"


@dataclass(frozen=True)
class Source:
    """A model for a board. ``bundle`` is None for a bare model; ``title`` says what it is, for people."""

    name: str
    title: str
    board: Target
    model: FirmwareModel
    data: bytes
    bundle: Bundle | None


def read_source(path: Path, *, board: str | None, boards: Boards, name: str | None = None) -> Source:
    """Read a bundle, which knows its board, or a model, which needs one.

    Another board than the bundle's own is possible where it computes in the same rounding family: the threshold is
    calibrated on these bits. Raises :class:`DataError` for a file that cannot be read, :class:`BundleError`,
    :class:`ModelError`, and :class:`BoardError` for a board that runs no firmware.
    """
    content = _read(path)
    if content[4:8] == IDENTIFIER:
        if board is None:
            raise BoardError(f"{path}: a model does not say what board it is for; add --board NAME (vedette boards)")
        target = require_mcu(boards.get(board))
        model = FirmwareModel(content, _family(target))
        return Source(name or c_name(path.stem), f"{path.name} for {target.title}", target, model, content, None)
    bundle = bundles.read(path)
    manifest = bundle.manifest
    own = str(manifest.board.get("name"))
    target = require_mcu(boards.get(board or own))
    if _family(target) != manifest.runtime.family:
        raise BoardError(
            f"{path}: its threshold was calibrated on rounding family {manifest.runtime.family} (for {own}), "
            f"{target.name} computes in {target.interpreter.family}; export the detector for {target.name}"
        )
    title = f"{manifest.name} {manifest.version} (sequence {manifest.sequence}) for {target.title}"
    model = FirmwareModel(bundle.model_bytes, _family(target))
    return Source(name or c_name(manifest.name), title, target, model, bundle.model_bytes, bundle)


def c_name(text: str) -> str:
    """A prefix for C names out of a file's or a detector's name.

    >>> c_name("Pump-3 (new)"), c_name("3d")
    ('pump_3_new', 'm_3d')
    """
    plain = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")[:24].rstrip("_")
    return plain if plain[:1].isalpha() else f"m_{plain}".rstrip("_")


def _family(board: Target) -> Family:
    family = board.interpreter.family
    for known in FAMILIES:
        if known == family:
            return known
    raise ModelError(f"board {board.name} computes in rounding family {family}; firmware knows {', '.join(FAMILIES)}")


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_MEMBER_BYTES[MODEL] + 1)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    if content[4:8] == IDENTIFIER and len(content) > MAX_MEMBER_BYTES[MODEL]:
        raise ModelError(f"{path}: expected a model of at most {MAX_MEMBER_BYTES[MODEL]:,} bytes")
    return content
