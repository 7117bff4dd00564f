"""Samples from standard input: ``source = { stdin = true }``, a JSON payload per line, or CSV with a header."""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from vedette.errors import ConfigError, DataError, nearest
from vedette.runtime.detection.detector import SampleRejectedError
from vedette.runtime.ingest.csv_samples import CsvLines
from vedette.runtime.ingest.layout import LAYOUT_KEYS, Layout
from vedette.runtime.ingest.lines import LineSplitter
from vedette.runtime.ingest.samples import Sample
from vedette.runtime.ingest.sources.base import Arrival, FiniteSource, SourceConfig, SourceContext
from vedette.runtime.ingest.stream_checks import read_units
from vedette.runtime.json_keys import Keys

_CHUNK_BYTES = 65536
_STDIN = 0
FORMATS = ("json", "csv")


@dataclass(frozen=True)
class StdinConfig(SourceConfig):
    """``format`` is ``json`` or ``csv``."""

    format: str
    keys = ("format", "units", *LAYOUT_KEYS)

    @property
    def sole(self) -> str | None:
        """There is one standard input."""
        return "stdin"

    @classmethod
    def from_keys(cls, keys: Keys, folder: Path) -> StdinConfig:
        """Read the table. Raises :class:`ConfigError`."""
        if keys.get("stdin", bool) is not True:
            raise ConfigError(f"{keys.where}: stdin: expected true, found false")
        form = keys.optional("format", keys.text) or "json"
        if form not in FORMATS:
            raise ConfigError(f'{keys.where}: format: unknown "{form}"; {nearest(form, FORMATS)}')
        layout = Layout.from_keys(keys)
        if layout is not None and form == "csv":
            laid_out = ", ".join(key for key in LAYOUT_KEYS if key in keys.document)
            raise ConfigError(f"{keys.where}: {laid_out}: of JSON only; in CSV the header names the channels")
        return cls(form, layout=layout, units=read_units(keys))


class StdinSource(FiniteSource):
    """Reads lines with the operating system's own calls: a thread inside ``sys.stdin`` would block the exit."""

    def __init__(self, config: SourceConfig, context: SourceContext) -> None:
        assert isinstance(config, StdinConfig)
        super().__init__(context)
        self._csv = config.format == "csv"

    def read(self) -> None:
        """Read all lines; empty ones are left out. Raises :class:`DataError` for CSV without the right header."""
        content_of: Callable[[bytes], bytes | Sample | DataError | None] = _payload
        if self._csv:
            content_of = CsvLines("stdin", self.context.signal).sample
        for line in self._lines():
            if not line.strip():
                continue
            content: bytes | Sample | DataError | None
            if len(line) > self.context.max_payload_bytes:
                content = SampleRejectedError(f"line longer than {self.context.max_payload_bytes:,} bytes")
            else:
                content = content_of(line)
            if content is None:
                continue
            if not self.context.inbox.put(Arrival(self.context.entry, None, content, self.now()), len(line)):
                return

    def _lines(self) -> Iterator[bytes]:
        """Lines; of one that is too long, its beginning."""
        splitter = LineSplitter(self.context.max_payload_bytes)
        while self.turn():
            if not select.select([_STDIN], [], [], 0.5)[0]:
                continue
            chunk = os.read(_STDIN, _CHUNK_BYTES)
            if not chunk:
                break
            yield from splitter.feed(chunk)
        yield from splitter.end()


def _payload(line: bytes) -> bytes:
    return line
