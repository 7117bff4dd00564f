"""Where samples come from, one module each. The registry's keys are the words of ``source`` in ``gateway.toml``."""

from __future__ import annotations

from vedette.runtime.ingest.sources.base import Source, SourceConfig
from vedette.runtime.ingest.sources.file import FileConfig, FileSource
from vedette.runtime.ingest.sources.mqtt import MqttSource, MqttSourceConfig
from vedette.runtime.ingest.sources.stdin import StdinConfig, StdinSource

SOURCES: dict[str, tuple[type[SourceConfig], type[Source]]] = {
    "mqtt": (MqttSourceConfig, MqttSource),
    "file": (FileConfig, FileSource),
    "stdin": (StdinConfig, StdinSource),
}
# Kinds that this version knows of but does not have, and what to do instead.
NOT_YET: dict[str, str] = {
    "serial": "serial ports come with the firmware bridge, which this version does not have; until then let a program "
    "write what the port brings to stdin, as JSON lines or CSV, with source = { stdin = true }",
}
