"""A new configuration beside the running one: read, checked and self-tested completely before anything changes.

Reading and loading happen on a thread of their own; scoring goes on meanwhile. Whatever is wrong, the running
configuration stays. What is taken over, and what it means for each stream, is decided here as well.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import NamedTuple

from vedette.errors import ConfigError, VedetteError
from vedette.runtime.bundles import bundle as bundles
from vedette.runtime.bundles.bundle import Bundle
from vedette.runtime.bundles.selftest_child import self_test_apart
from vedette.runtime.config.gateway import GatewayConfig, StreamConfig
from vedette.runtime.streams.stream import StreamGroup

log = logging.getLogger(__name__)

# What a running gateway can change; anything else takes a restart, and a reload says so.
CHANGEABLE = frozenset({"mqtt", "streams", "observe", "maintenance"})
# How a field is called in gateway.toml, where that is not its own name.
_SPELLED = {
    "outbox_path": "[outbox] path",
    "outbox_max_bytes": "[outbox] max_mb",
    "max_payload_bytes": "[input] max_payload_bytes",
    "max_queued": "[input] max_queued",
    "max_latency_s": "[input] max_latency_ms",
    "max_alerts_per_hour": "[alerts] max_per_hour",
}

# Bundles by resolved path, with the group that scores all their streams.
Loaded = dict[str, tuple[Bundle, StreamGroup]]


class ReloadResult(NamedTuple):
    """What came of reading the configuration anew: the configuration with its bundles, or why not."""

    config: GatewayConfig | None
    loaded: Loaded
    failure: str | None


class Running(NamedTuple):
    """A stream entry that runs, or is to: its configuration and its bundle."""

    config: StreamConfig
    bundle: Bundle


@dataclass(frozen=True)
class Plan:
    """What changes: numbers of running entries, and places in the new configuration.

    What is ``kept`` goes on untouched. What is ``replaced`` (number to place) keeps its source, but ends its alerts and
    begins new windows. ``removed`` gives the reason with which the alerts end; ``added`` are the places of what begins,
    also where a stream of that name is removed because its source has changed.
    """

    kept: frozenset[int]
    replaced: dict[int, int]
    removed: dict[int, str]
    added: tuple[int, ...]


class Reloader:
    """Reads in the background, one reload at a time; a request that comes meanwhile is served afterwards."""

    def __init__(self, read: Callable[[], GatewayConfig], post: Callable[[ReloadResult], None]) -> None:
        """``read`` reads the configuration and raises :class:`VedetteError`; ``post`` takes the result to the scoring
        thread."""
        self._read, self._post = read, post
        self._requested = self._busy = False

    def request(self) -> None:
        """Ask for a reload; safe to call from a signal handler."""
        self._requested = True

    def step(self, running: GatewayConfig, loaded: Loaded) -> bool:
        """Begin where a reload was asked for and none is under way; True where it has begun."""
        if not self._requested or self._busy:
            return False
        self._requested, self._busy = False, True
        arguments = (running, dict(loaded))
        threading.Thread(target=self._run, args=arguments, name="reload", daemon=True).start()
        return True

    def done(self) -> None:
        """The result was taken over, or refused."""
        self._busy = False

    def _run(self, running: GatewayConfig, loaded: Loaded) -> None:
        try:
            config = self._read()
            check_changes(running, config)
            _check_files(config)
            new = _load(config, loaded)
            for stream in config.streams:
                stream.check(new[key(stream)][0].manifest.signal)
            result = ReloadResult(config, new, None)
        except VedetteError as error:
            result = ReloadResult(None, {}, str(error))
        except Exception as error:  # a thread must not end unseen
            log.debug("reload", exc_info=True)
            result = ReloadResult(None, {}, f"{type(error).__name__}: {error}")
        self._post(result)


def check_changes(old: GatewayConfig, new: GatewayConfig) -> None:
    """Raises :class:`ConfigError` where something changed that a running gateway cannot change."""
    changed = [
        _SPELLED.get(field.name, field.name)
        for field in fields(GatewayConfig)
        if field.name not in CHANGEABLE and getattr(old, field.name) != getattr(new, field.name)
    ]
    if new.observe.socket != old.observe.socket:
        changed.append("[status] socket")
    if changed:
        raise ConfigError(f"{', '.join(changed)} cannot change while the gateway runs; restart it")


def plan(running: Mapping[int, Running], new: Sequence[Running]) -> Plan:
    """Match the running entries, by their numbers, with the new ones by name."""
    numbers = {entry.config.name: number for number, entry in running.items()}
    kept, replaced, added = set(), {}, []
    removed = dict.fromkeys(numbers.values(), "stream removed")
    for place, (config, bundle) in enumerate(new):
        number = numbers.get(config.name)
        if number is None:
            added.append(place)
            continue
        old = running[number]
        if (old.config, old.bundle.sha256) == (config, bundle.sha256):
            kept.add(number)
            del removed[number]
        elif (old.config.kind, old.config.source, old.bundle.manifest.signal) == (
            config.kind,
            config.source,
            bundle.manifest.signal,
        ):
            replaced[number] = place
            del removed[number]
        else:
            removed[number] = "stream changed"
            added.append(place)
    return Plan(frozenset(kept), replaced, removed, tuple(added))


def key(stream: StreamConfig) -> str:
    """Under which a stream's bundle is loaded: entries with the same file share it and its model."""
    return str(stream.bundle.resolve())


def _check_files(config: GatewayConfig) -> None:
    """What a connection would need. Raises :class:`ConfigError`."""
    config.mqtt.password()
    config.mqtt.tls_context()


def _load(config: GatewayConfig, running: Loaded) -> Loaded:
    """All bundles of the configuration; one whose file is unchanged is the running one."""
    loaded: Loaded = {}
    for stream in config.streams:
        name = key(stream)
        if name in loaded:
            continue
        bundle = bundles.read(stream.bundle)
        if name in running and running[name][0].sha256 == bundle.sha256:
            loaded[name] = running[name]
            continue
        _self_test(stream.bundle, bundle, config.interpreter)
        loaded[name] = bundle, StreamGroup(bundle.manifest, bundle.load_model(package=config.interpreter))
    return loaded


def _self_test(path: Path, bundle: Bundle, interpreter: str | None) -> None:
    """Replay the golden windows in a child process.

    It reads a copy in memory of what was read here, whatever happens to the file. Raises :class:`SelfTestError`.
    """
    copy = os.memfd_create("bundle")
    try:
        data = bundles.pack(bundle.manifest, bundle.model_bytes, bundle.golden, compiled=bundle.compiled)
        with os.fdopen(os.dup(copy), "wb") as file:
            file.write(data)
        self_test_apart(Path(f"/proc/self/fd/{copy}"), interpreter=interpreter, name=str(path), fds=[copy])
    finally:
        os.close(copy)
