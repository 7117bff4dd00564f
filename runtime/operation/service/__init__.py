"""The systemd service: a hardened unit, the user it runs as, and its folders."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from vedette.errors import ConfigError, OutputError

UNIT, USER, FOLDERS = "vedette.service", "sysusers.conf", "tmpfiles.conf"
# What each drop-in gives the sandbox back.
DEVICES = ("serial", "coral")
# Where an administrator's own files are; those of packages are under usr/lib.
PLACES = {
    UNIT: "etc/systemd/system/vedette.service",
    USER: "etc/sysusers.d/vedette.conf",
    FOLDERS: "etc/tmpfiles.d/vedette.conf",
}
DEFAULT_CONFIG = Path("/etc/vedette/gateway.toml")
_CREDENTIAL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def executable() -> Path:
    """The ``vedette`` that belongs to this Python."""
    return Path(sys.executable).parent / "vedette"


def unit(*, program: Path, config: Path, credentials: Sequence[str] = ()) -> str:
    """The unit's text. Each of ``credentials`` is the name of a file beside ``config``.

    Raises :class:`ConfigError` for paths that are not absolute or that systemd would read as something else.
    """
    for path in (program, config):
        if not path.is_absolute() or re.search(r"[\s%$\"'\\;]", str(path)):
            raise ConfigError(f"{path}: expected an absolute path without spaces, quotes, %, $ and ;")
    lines = []
    for name in credentials:
        if not _CREDENTIAL.fullmatch(name):
            raise ConfigError(f"credential: expected the name of a file in {config.parent}, found {name!r}")
        lines.append(f"LoadCredential={name}:{config.parent / name}\n")
    text = template(UNIT).replace("@PROGRAM@", str(program)).replace("@CONFIG@", str(config))
    return text.replace("@CREDENTIALS@\n", "".join(lines))


def template(name: str) -> str:
    """A file of this folder."""
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def files(unit_text: str, devices: Sequence[str] = ()) -> dict[str, str]:
    """All files of the service, by path below the root folder."""
    found = {PLACES[UNIT]: unit_text, PLACES[USER]: template(USER), PLACES[FOLDERS]: template(FOLDERS)}
    for device in devices:
        found[f"{PLACES[UNIT]}.d/{device}.conf"] = template(f"{device}.conf")
    return found


def write(root: Path, contents: dict[str, str]) -> list[Path]:
    """Write files below ``root``; those that are there and differ are replaced. Raises :class:`OutputError`."""
    written = []
    for name, text in contents.items():
        path = root / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            path.chmod(0o644)
        except OSError as error:
            raise OutputError(f"{path}: cannot be written: {error.strerror}; as root, or to another folder") from None
        written.append(path)
    return written
