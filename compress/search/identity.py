"""What a study's figures hold for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from vedette import __version__
from vedette.compress.boards import Board
from vedette.train.model_dir import CALIBRATION, CORE, DETECTOR, HEAD, ORIGINAL, ModelDir


def identity_of(model: ModelDir, board: Board, teachers: Sequence[str]) -> dict[str, str]:
    """What a study's figures hold for, in words and checksums: the same on every machine that has the same files."""
    files = (DETECTOR, CORE, HEAD, CALIBRATION, ORIGINAL)
    form = f"{board.name} {board.model.weights} {board.model.batch} {board.interpreter.family}"
    taught = [_checksum([Path(name) / file for file in files]) if Path(name).is_dir() else name for name in teachers]
    return {
        "vedette": __version__,
        "board": form,
        "model directory": _checksum([model.path / file for file in files]),
        "teacher": ", ".join(taught) or "the network itself",
    }


def _checksum(paths: Sequence[Path]) -> str:
    """The start of the SHA-256 of those files that there are."""
    digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths if path.is_file()}
    return hashlib.sha256(json.dumps(digests, sort_keys=True).encode()).hexdigest()[:16]
