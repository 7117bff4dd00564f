"""``gateway.toml`` as written: the file, its drop-ins in ``conf.d/`` beside it, and ``VEDETTE_…`` in the environment.

Later drop-ins win over earlier ones, and the environment over all; ``[[stream]]`` tables add up.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vedette.errors import ConfigError, nearest
from vedette.runtime.config.observe_settings import SCALARS as OBSERVE_SCALARS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

# The scalar keys, by section, and how the environment's text becomes a value.
SCALARS: dict[str, dict[str, type]] = {
    "": {"gateway": str, "interpreter": str},
    "mqtt": {
        "host": str,
        "port": int,
        "username": str,
        "password_file": str,
        "client_id": str,
        "keepalive_s": int,
        "version": str,
        "tls": bool,
        "allow_plaintext": bool,
    },
    "outbox": {"path": str, "max_mb": int},
    "input": {"max_payload_bytes": int, "max_queued": int, "max_latency_ms": int},
    "trust": {"allow_unsigned": bool},
    "alerts": {"max_per_hour": int},
    **OBSERVE_SCALARS,
}
_BOOLS = {"true": True, "1": True, "false": False, "0": False}


def read_document(path: Path, environ: Mapping[str, str]) -> dict[str, Any]:
    """The keys of a gateway's configuration, merged but not checked. Raises :class:`ConfigError`."""
    document = _read(path)
    for drop_in in sorted((path.parent / "conf.d").glob("*.toml")):
        _merge(document, _read(drop_in), str(drop_in))
    _override(document, environ)
    return document


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except RecursionError:
        raise ConfigError(f"{path}: not valid TOML: nested too deeply") from None
    except ValueError as error:  # besides the parser's own errors: not UTF-8, or a number of thousands of digits
        raise ConfigError(f"{path}: not valid TOML: {error}") from None


def _merge(document: dict[str, Any], more: dict[str, Any], where: str) -> None:
    for key, value in more.items():
        old = document.get(key)
        if old is not None and isinstance(old, (dict, list)) and type(old) is not type(value):
            raise ConfigError(f"{where}: {key}: expected the same kind of value as in the file before it")
        if isinstance(old, dict):
            _merge(old, value, where)
        elif isinstance(old, list):
            old.extend(value)
        else:
            document[key] = value


def _override(document: dict[str, Any], environ: Mapping[str, str]) -> None:
    names = {
        "_".join(filter(None, ("VEDETTE", section, key))).upper(): (section, key, kind)
        for section, keys in SCALARS.items()
        for key, kind in keys.items()
    }
    sections = tuple(f"VEDETTE_{section.upper()}_" for section in SCALARS if section)
    for name, text in environ.items():
        if name in names:
            section, key, kind = names[name]
            table = document.setdefault(section, {}) if section else document
            if isinstance(table, dict):
                table[key] = _from_environment(name, text, kind)
        elif name.startswith(sections):
            raise ConfigError(f"environment: unknown variable {name}; {nearest(name, names)}")


def _from_environment(name: str, text: str, kind: type) -> object:
    try:
        return _BOOLS[text.lower()] if kind is bool else kind(text)
    except (KeyError, ValueError):
        expected = "true or false" if kind is bool else "a whole number"
        raise ConfigError(f"environment: {name}: expected {expected}, found {text!r}") from None
