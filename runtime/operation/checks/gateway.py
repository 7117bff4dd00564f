"""All checks of one gateway, in the order in which they depend on each other."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from vedette.errors import ConfigError
from vedette.runtime.config.gateway import load_gateway
from vedette.runtime.operation.checks.broker import check_broker
from vedette.runtime.operation.checks.bundles import check_bundle
from vedette.runtime.operation.checks.files import check_config_files, check_outbox, check_readable
from vedette.runtime.operation.checks.findings import Finding, fail, ok, warn
from vedette.runtime.operation.checks.machine import check_clock, check_interpreter


def check_gateway(path: Path, *, environ: Mapping[str, str] = os.environ, publish: bool = True) -> Iterator[Finding]:
    """Look at everything that ``vedette run`` needs; findings come as they are made.

    With ``publish`` False nothing is sent to the broker but subscriptions.
    """
    try:
        config = load_gateway(path, environ=environ)
    except ConfigError as error:
        yield fail("config", str(error), f"correct it, then `vedette check {path}` again; nothing else was looked at")
        return
    yield ok("config", f"{path}: gateway {config.gateway}, streams: {len(config.streams)}")
    if os.geteuid() == 0:
        yield warn(
            "user",
            "checked as root, who may read and write everything",
            "sudo -u vedette vedette check … to see what the service may",
        )
    yield from check_config_files(path)
    yield from check_readable(config.mqtt)
    yield check_interpreter(config.interpreter)
    for bundle in dict.fromkeys(stream.bundle for stream in config.streams):
        streams = [stream for stream in config.streams if stream.bundle == bundle]
        yield from check_bundle(bundle, streams, interpreter=config.interpreter)
    yield from check_outbox(config.outbox_path, max_bytes=config.outbox_max_bytes)
    yield from check_broker(config, publish=publish)
    yield check_clock()
