"""The gateway's configuration, checked: ``gateway.toml`` with its drop-ins and the environment.

Every key is checked and unknown ones are refused. Relative paths are relative to the folder of ``gateway.toml``.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

from vedette.errors import ConfigError, nearest
from vedette.runtime import secret_files
from vedette.runtime.alerting.alert_config import (
    AlertOverrides,
    check_fault_channels,
    read_faults,
    read_maintenance,
    read_max_per_hour,
    read_overrides,
)
from vedette.runtime.alerting.faults import FaultPolicy
from vedette.runtime.alerting.maintenance import Maintenance
from vedette.runtime.config.document import SCALARS, read_document
from vedette.runtime.config.observe_settings import SCALARS as OBSERVE_SECTIONS
from vedette.runtime.config.observe_settings import ObserveConfig
from vedette.runtime.detection.signal import SignalSpec
from vedette.runtime.inference.interpreter import PACKAGES
from vedette.runtime.ingest.samples import MAX_BYTES
from vedette.runtime.ingest.sources import KINDS, source_kind
from vedette.runtime.ingest.sources.base import SourceConfig
from vedette.runtime.ingest.sources.mqtt import MqttSourceConfig
from vedette.runtime.ingest.timeline import REORDER_KEYS, TimePolicy
from vedette.runtime.json_keys import Keys
from vedette.runtime.mqtt.connection import MqttConfig, TlsConfig

DEFAULT_OUTBOX = "/var/lib/vedette/outbox.db"
DEFAULT_OUTBOX_MB, LEAST_OUTBOX_MB = 64, 4
DEFAULT_QUEUE = 10_000
DEFAULT_LATENCY_MS = 10
DEFAULT_DEVICES = 1000
PORT_TLS, PORT_PLAINTEXT = 8883, 1883

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True)
class StreamConfig:
    """One ``[[stream]]``. ``max_devices`` bounds the streams of an entry with many devices."""

    name: str
    bundle: Path
    kind: str
    source: SourceConfig
    alert: AlertOverrides
    max_devices: int
    faults: FaultPolicy
    times: TimePolicy

    def check(self, signal: SignalSpec) -> list[str]:
        """Compare it with the bundle's signal; returns what cannot be compared.

        Raises :class:`ConfigError` for channels that the bundle does not have, and for other units than the bundle's.
        """
        check_fault_channels(self.faults, signal, stream=self.name)
        return self.source.check(signal, f'stream "{self.name}": source')


@dataclass(frozen=True)
class GatewayConfig:
    """A whole, checked configuration."""

    gateway: str
    mqtt: MqttConfig
    outbox_path: Path
    outbox_max_bytes: int
    max_payload_bytes: int
    max_queued: int
    max_latency_s: float
    interpreter: str | None
    streams: tuple[StreamConfig, ...]
    maintenance: Maintenance
    max_alerts_per_hour: int
    observe: ObserveConfig

    @property
    def source_topics(self) -> tuple[str, ...]:
        """The topics from which samples come, each once."""
        topics = [stream.source.topic for stream in self.streams if isinstance(stream.source, MqttSourceConfig)]
        return tuple(dict.fromkeys(topics))


def load_gateway(path: Path, *, environ: Mapping[str, str] = os.environ) -> GatewayConfig:
    """Read a gateway's configuration. Raises :class:`ConfigError` that names the file, the key and the remedy."""
    path = path.absolute()
    keys = Keys(read_document(path, environ), str(path), ConfigError)
    _known(
        keys, (*SCALARS[""], "mqtt", "outbox", "input", "trust", "stream", "alerts", "maintenance", *OBSERVE_SECTIONS)
    )
    gateway = _name(keys, "gateway")
    interpreter = keys.optional("interpreter", keys.text)
    if interpreter is not None and interpreter not in PACKAGES:
        raise ConfigError(f'{path}: interpreter: unknown "{interpreter}"; {nearest(interpreter, PACKAGES)}')
    _check_trust(_section(keys, "trust", ("public_keys", "allow_unsigned")))
    outbox = _section(keys, "outbox", SCALARS["outbox"])
    limits = _section(keys, "input", SCALARS["input"])
    streams = _streams(keys, path.parent)
    return GatewayConfig(
        gateway=gateway,
        mqtt=_mqtt(keys, gateway, path.parent, environ),
        outbox_path=path.parent / (outbox.optional("path", outbox.text) or DEFAULT_OUTBOX),
        outbox_max_bytes=_integer(outbox, "max_mb", DEFAULT_OUTBOX_MB, low=LEAST_OUTBOX_MB, high=1_000_000) * 2**20,
        max_payload_bytes=_integer(limits, "max_payload_bytes", MAX_BYTES, low=64, high=8 * MAX_BYTES),
        max_queued=_integer(limits, "max_queued", DEFAULT_QUEUE, low=1, high=1_000_000),
        max_latency_s=_integer(limits, "max_latency_ms", DEFAULT_LATENCY_MS, low=0, high=10_000) / 1000,
        interpreter=interpreter,
        streams=streams,
        maintenance=read_maintenance(keys, [stream.name for stream in streams]),
        max_alerts_per_hour=read_max_per_hour(_section(keys, "alerts", SCALARS["alerts"])),
        observe=ObserveConfig.from_keys(keys, path.parent, _section),
    )


def load_broker(path: Path, *, client_id: str, environ: Mapping[str, str] = os.environ) -> MqttConfig:
    """Only the ``[mqtt]`` section of a gateway's configuration, for another client of the same broker."""
    path = path.absolute()
    keys = Keys(read_document(path, environ), str(path), ConfigError)
    return replace(_mqtt(keys, client_id, path.parent, environ), client_id=client_id)


def broker_config(address: str, *, client_id: str, ca: Path | None = None) -> MqttConfig:
    """A broker given as ``host[:port]``: TLS, except on this machine when no ``ca`` is given."""
    host, _, port = address.rpartition(":") if re.search(r":\d+$", address) else (address, "", "")
    host = host.strip("[]")
    tls = TlsConfig(ca) if ca or not is_loopback(host) else None
    number = int(port) if port else PORT_TLS if tls else PORT_PLAINTEXT
    if not host or not 1 <= number <= 65535:
        raise ConfigError(f'broker: expected "host" or "host:port", found "{address}"')
    return MqttConfig(host, number, tls, client_id)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, without asking the network."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _mqtt(root: Keys, gateway: str, folder: Path, environ: Mapping[str, str]) -> MqttConfig:
    keys = _section(root, "mqtt", SCALARS["mqtt"])
    host = keys.text("host")
    tls = _tls(keys, folder, environ)
    allow_plaintext = keys.optional("allow_plaintext", lambda key: keys.get(key, bool)) or False
    if tls is None and not (is_loopback(host) or allow_plaintext):
        raise ConfigError(
            f'{keys.where}: tls = false would send plaintext to "{host}", which is not this machine; '
            "set up TLS, or say allow_plaintext = true"
        )
    version = keys.optional("version", keys.text) or "auto"
    if version not in ("auto", "5", "3.1.1"):
        raise ConfigError(f'{keys.where}: version: expected "auto", "5" or "3.1.1", found "{version}"')
    password_file = _path(keys, "password_file", folder, environ)
    username = keys.optional("username", keys.text)
    if password_file is not None and username is None:
        raise ConfigError(f"{keys.where}: password_file: expected a username with it")
    if password_file is not None:
        secret_files.require_private(password_file, "password")
    return MqttConfig(
        host=host,
        port=_integer(keys, "port", PORT_TLS if tls else PORT_PLAINTEXT, low=1, high=65535),
        tls=tls,
        client_id=keys.optional("client_id", keys.text) or f"vedette-{gateway}",
        username=username,
        password_file=password_file,
        keepalive_s=_integer(keys, "keepalive_s", 30, low=5, high=3600),
        version=version,
    )


def _tls(keys: Keys, folder: Path, environ: Mapping[str, str]) -> TlsConfig | None:
    value = keys.document.get("tls", True)
    if isinstance(value, bool):
        return TlsConfig() if value else None
    files = _section(keys, "tls", ("ca", "cert", "key"))
    tls = TlsConfig(*(_path(files, name, folder, environ) for name in ("ca", "cert", "key")))
    if (tls.cert is None) != (tls.key is None):
        raise ConfigError(f"{files.where}: cert and key: expected both or none")
    if tls.key is not None:
        secret_files.require_private(tls.key, "key")
    return tls


def _check_trust(keys: Keys) -> None:
    keys.optional("allow_unsigned", lambda key: keys.get(key, bool))
    if "public_keys" in keys.document:
        raise ConfigError(
            f"{keys.where}: public_keys: this version of vedette cannot check signatures, so the key would protect "
            "nothing; remove it, and guard the bundle files by their permissions"
        )


def _streams(root: Keys, folder: Path) -> tuple[StreamConfig, ...]:
    if not root.document.get("stream"):
        raise ConfigError(f"{root.where}: expected at least one [[stream]], found none")
    streams = root.items("stream", lambda keys: _stream(keys, folder))
    names = [stream.name for stream in streams]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f'{root.where}: stream: the name "{name}" is given {names.count(name)} times')
    sole = [stream.source.sole for stream in streams if stream.source.sole is not None]
    for what in sole:
        if sole.count(what) > 1:
            raise ConfigError(f"{root.where}: stream: only one stream can read {what}")
    topics = {stream.source.topic: stream.source for stream in streams if isinstance(stream.source, MqttSourceConfig)}
    for one, other in combinations(sorted(topics.values(), key=lambda source: source.topic), 2):
        if one.overlaps(other):
            raise ConfigError(
                f'{root.where}: stream: the topics "{one.topic}" and "{other.topic}" overlap, and a broker may then '
                "send a sample twice; use one of them for both streams, or topics that differ"
            )
    return streams


def _stream(keys: Keys, folder: Path) -> StreamConfig:
    _known(keys, ("name", "bundle", "source", "alert", "faults", "max_devices", "reorder", "max_ahead_s"))
    name = _name(keys, "name")
    keys.where = f'{keys.where} ("{name}")'
    source = keys.section("source")
    kinds = [kind for kind in KINDS if kind in source.document]
    if len(kinds) != 1:
        unknown = next((key for key in source.document if key not in KINDS), "nothing")
        hint = nearest(unknown, KINDS)
        raise ConfigError(f'{source.where}: expected one kind of source, found "{unknown}"; {hint}')
    config_class = source_kind(kinds[0])[0]
    _known(source, (kinds[0], *config_class.keys))
    source_config = config_class.from_keys(source, folder)
    return StreamConfig(
        name=name,
        bundle=folder / keys.text("bundle"),
        kind=kinds[0],
        source=source_config,
        alert=read_overrides(_table(keys, "alert")),
        faults=read_faults(_table(keys, "faults")),
        max_devices=_integer(keys, "max_devices", DEFAULT_DEVICES, low=1, high=1_000_000),
        times=TimePolicy.from_keys(
            _section(keys, "reorder", REORDER_KEYS), keys, current=source_config.current, live=source_config.live
        ),
    )


def _section(keys: Keys, key: str, known: Iterable[str]) -> Keys:
    """A table that may be absent, with no unknown keys."""
    section = _table(keys, key)
    section.only(known)
    return section


def _table(keys: Keys, key: str) -> Keys:
    """A table that may be absent; whoever reads it checks its keys."""
    return Keys(keys.document.get(key, {}), f"{keys.where}: {key}", ConfigError)


def _known(keys: Keys, known: Iterable[str]) -> None:
    keys.only(known)


def _integer(keys: Keys, key: str, default: int, *, low: int, high: int) -> int:
    value = keys.optional(key, lambda key: keys.integer(key, low=low, high=high))
    return default if value is None else value


def _path(keys: Keys, key: str, folder: Path, environ: Mapping[str, str]) -> Path | None:
    """A file that must exist, among systemd's credentials or from the configuration's folder."""
    text = keys.optional(key, keys.text)
    return None if text is None else secret_files.find(text, folder, environ, where=f"{keys.where}: {key}")


def _name(keys: Keys, key: str) -> str:
    """A name that can stand in a topic."""
    name = keys.text(key)
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{keys.where}: {key}: expected 1 to 64 letters, digits, dots, hyphens or underscores that begin with a "
            f"letter or digit (it becomes part of a topic), found {name[:80]!r}"
        )
    return name
