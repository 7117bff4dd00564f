"""The sections ``[metrics]``, ``[status_page]``, ``[status]`` and ``[discovery]`` of ``gateway.toml``."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from vedette.errors import ConfigError
from vedette.runtime.json_keys import Keys

# The scalar keys by section, which the environment may set too.
SCALARS: dict[str, dict[str, type]] = {
    "metrics": {"textfile": str, "every_s": int, "listen": str, "allow_remote": bool},
    "status_page": {"listen": str, "allow_remote": bool},
    "status": {"socket": str},
    "discovery": {"home_assistant": bool, "prefix": str},
}
DEFAULT_EVERY_S = 15
_PREFIX = re.compile(r"[A-Za-z0-9_-]{1,64}(/[A-Za-z0-9_-]{1,64}){0,3}")
Section = Callable[[Keys, str, Iterable[str]], Keys]


@dataclass(frozen=True)
class Listen:
    """Where to listen: an IP address and a port; ``allow_remote`` where that is not loopback."""

    host: str
    port: int
    allow_remote: bool

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True)
class ObserveConfig:
    """What of a running gateway can be seen from outside of it; by default only ``vedette status`` on this machine.

    ``prefix`` is Home Assistant's discovery prefix, None where discovery is off.
    """

    textfile: Path | None = None
    every_s: int = DEFAULT_EVERY_S
    metrics: Listen | None = None
    page: Listen | None = None
    socket: Path | None = None
    prefix: str | None = None

    @classmethod
    def from_keys(cls, root: Keys, folder: Path, section: Section) -> ObserveConfig:
        """Read the sections; ``section`` takes one with no unknown keys. Raises :class:`ConfigError`."""
        metrics, page, status, discovery = (section(root, name, keys) for name, keys in SCALARS.items())
        textfile = metrics.optional("textfile", metrics.text)
        if textfile is not None and not textfile.endswith(".prom"):
            raise ConfigError(
                f'{metrics.where}: textfile: expected a name that ends in ".prom", which is what the node exporter '
                f'reads, found "{textfile}"'
            )
        every_s = metrics.optional("every_s", lambda key: metrics.integer(key, low=1, high=3600))
        enabled = discovery.optional("home_assistant", lambda key: discovery.get(key, bool))
        prefix = discovery.optional("prefix", discovery.text) or "homeassistant"
        if not _PREFIX.fullmatch(prefix):
            raise ConfigError(f'{discovery.where}: prefix: expected a topic such as "homeassistant", found {prefix!r}')
        socket = status.optional("socket", status.text)
        return cls(
            textfile=None if textfile is None else folder / textfile,
            every_s=every_s or DEFAULT_EVERY_S,
            metrics=_listen(metrics),
            page=_listen(page),
            socket=None if socket is None else folder / socket,
            prefix=prefix if enabled else None,
        )


def _listen(keys: Keys) -> Listen | None:
    text = keys.optional("listen", keys.text)
    allow_remote = keys.optional("allow_remote", lambda key: keys.get(key, bool)) or False
    if text is None:
        return None
    host, _, port = text.rpartition(":")
    host = "127.0.0.1" if host == "localhost" else host.strip("[]")
    try:
        address = ipaddress.ip_address(host)
        number = int(port) if port.isdecimal() else -1
    except ValueError:
        number = -1
    if not 1 <= number <= 65535:
        raise ConfigError(
            f'{keys.where}: listen: expected an IP address and a port such as "127.0.0.1:8480", found {text!r}'
        )
    if not (address.is_loopback or allow_remote):
        raise ConfigError(
            f"{keys.where}: listen: {host} can be reached from other machines, and what is shown there is neither "
            "encrypted nor protected by a password; listen on 127.0.0.1, or say allow_remote = true"
        )
    return Listen(str(address), number, allow_remote)
