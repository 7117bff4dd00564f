"""Where samples come from, one module each. :data:`KINDS` are the words of ``source`` in ``gateway.toml``.

The serial link stands above the gateway's core, on which it is built, so it is named here and imported when a
configuration asks for it: neither does the core depend on it, nor a gateway without serial ports load it. A name in
this table, and no entry point: what a gateway runs is decided here, and not by whatever else is installed beside it.
"""

from __future__ import annotations

from importlib import import_module

from vedette.runtime.ingest.sources.base import Source, SourceConfig
from vedette.runtime.ingest.sources.file import FileConfig, FileSource
from vedette.runtime.ingest.sources.mqtt import MqttSource, MqttSourceConfig
from vedette.runtime.ingest.sources.stdin import StdinConfig, StdinSource

SourceKind = tuple[type[SourceConfig], type[Source]]

_HERE: dict[str, SourceKind] = {
    "mqtt": (MqttSourceConfig, MqttSource),
    "file": (FileConfig, FileSource),
    "stdin": (StdinConfig, StdinSource),
}
# Modules that have such a pair as their KIND.
_ELSEWHERE = {"serial": "vedette.firmware_bridge.link.source"}
KINDS = (*_HERE, *_ELSEWHERE)


def source_kind(word: str) -> SourceKind:
    """The configuration and the source of a word of :data:`KINDS`."""
    if word in _HERE:
        return _HERE[word]
    kind: SourceKind = import_module(_ELSEWHERE[word]).KIND
    return kind
