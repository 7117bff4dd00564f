"""The C and linker files that a program is built with."""

from __future__ import annotations

from importlib import resources
from pathlib import Path


def write_support(folder: Path, *names: str) -> list[Path]:
    """Write those files of ``support`` into a folder; returns their paths."""
    support = resources.files("vedette.firmware_bridge.machine").joinpath("support")
    paths = [folder / name for name in names]
    for path in paths:
        path.write_bytes(support.joinpath(path.name).read_bytes())
    return paths
