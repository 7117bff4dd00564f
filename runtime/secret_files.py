"""Where passwords, keys and certificates are found, and who may read them. What is in them is never shown."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from pathlib import Path

from vedette.errors import ConfigError

# systemd sets it to a folder that only the service can read, with what LoadCredential= names.
CREDENTIALS = "CREDENTIALS_DIRECTORY"


def find(text: str, folder: Path, environ: Mapping[str, str], *, where: str) -> Path:
    """The file that a key of the configuration names: systemd's credential of that name, else a path from ``folder``.

    Raises :class:`ConfigError` where there is none; ``where`` names the key.
    """
    credentials = environ.get(CREDENTIALS)
    places = [folder / text]
    if credentials and Path(text).name == text:
        places.insert(0, Path(credentials) / text)
    for place in places:
        try:
            if place.is_file():
                return place
        except OSError as error:
            raise ConfigError(f"{where}: {place}: {error.strerror}; who runs vedette must be able to read it") from None
    listed = " or ".join(str(place) for place in places)
    raise ConfigError(f"{where}: expected a file, found none at {listed}")


def require_private(path: Path, what: str) -> None:
    """Raise :class:`ConfigError` where everybody can read or replace a secret."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    if stat.S_IMODE(mode) & 0o007:
        raise ConfigError(f"{path}: everybody can read or change this {what}; try: chmod o-rwx {path}")
