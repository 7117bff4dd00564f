"""``vedette status``: asks the running gateway, and prints."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import click

from vedette.errors import ConfigError, VedetteError
from vedette.runtime.config.document import read_document
from vedette.runtime.observe import terminal
from vedette.runtime.observe.status_socket import RUNTIME_DIRECTORY, ask, socket_paths

EVERY_S = 1.0
DEFAULT_OUTBOX = "/var/lib/vedette/outbox.db"
# Cursor home, and clearing from the cursor on: the screen is overwritten in place, so that it does not flicker.
_HOME, _REST_OF_LINE, _BELOW = "\x1b[H", "\x1b[K", "\x1b[J"


def places(config: Path) -> list[Path]:
    """Where the gateway of a configuration answers.

    Only what says that is read, and not checked further: the question is how the *running* gateway is, also while the
    file has a mistake. Raises :class:`ConfigError` where the file does not say it, and no single gateway runs here.
    """
    config = config.absolute()
    try:
        document = read_document(config, os.environ)
        gateway, outbox, socket = (
            _text(document, *key) for key in (("gateway",), ("outbox", "path"), ("status", "socket"))
        )
        if gateway is None:
            raise ConfigError(f"{config}: gateway: expected a name")
    except ConfigError:
        only = sorted(RUNTIME_DIRECTORY.glob("*.sock")) if RUNTIME_DIRECTORY.is_dir() else []
        if len(only) == 1:
            return only
        raise
    environ = {"RUNTIME_DIRECTORY": str(RUNTIME_DIRECTORY), **os.environ}
    folder = config.parent
    return socket_paths(gateway, folder / (outbox or DEFAULT_OUTBOX), folder / socket if socket else None, environ)


def once(paths: list[Path], *, as_json: bool) -> str:
    """What to print. Raises :class:`DataError` where no gateway answers."""
    found = ask(paths)
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n" if as_json else terminal.render(found)


def watch(paths: list[Path], *, as_json: bool) -> None:
    """Print anew every second, until interrupted; a gateway that does not answer may come back."""
    live = not as_json and sys.stdout.isatty()
    while True:
        try:
            text = json.dumps(ask(paths), ensure_ascii=False) + "\n" if as_json else once(paths, as_json=False)
        except VedetteError as error:
            text = "" if as_json else f"{error}\n"
            if as_json:
                click.echo(f"vedette: {error}", err=True)
        click.echo(_screen(text) if live else text, nl=False)
        time.sleep(EVERY_S)


def _screen(text: str) -> str:
    """The text over what is on the screen, cut to its size."""
    columns, lines = shutil.get_terminal_size()
    shown = [line[:columns] for line in text.splitlines()[: lines - 1]]
    return _HOME + "".join(f"{line}{_REST_OF_LINE}\n" for line in shown) + _BELOW


def _text(document: dict[str, Any], *keys: str) -> str | None:
    value: Any = document
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, str) else None
