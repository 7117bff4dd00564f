"""Samples from standard input, one JSON payload per line: ``source = { stdin = true }``."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vedette.errors import ConfigError, DataError
from vedette.runtime.detector import SampleRejectedError
from vedette.runtime.json_keys import Keys
from vedette.runtime.sources.base import Arrival, FiniteSource, SourceConfig, SourceContext

_CHUNK_BYTES = 65536
_STDIN = 0


@dataclass(frozen=True)
class StdinConfig(SourceConfig):
    """Nothing to set."""

    keys = ()

    @classmethod
    def from_keys(cls, keys: Keys, folder: Path) -> StdinConfig:
        """Read the table. Raises :class:`ConfigError`."""
        if keys.get("stdin", bool) is not True:
            raise ConfigError(f"{keys.where}: stdin: expected true, found false")
        return cls()


class StdinSource(FiniteSource):
    """Reads lines with the operating system's own calls: a thread inside ``sys.stdin`` would block the exit."""

    def __init__(self, config: SourceConfig, context: SourceContext) -> None:
        assert isinstance(config, StdinConfig)
        super().__init__(context)

    def read(self) -> None:
        """Read all lines; empty ones are left out."""
        for line in self._lines():
            if not line.strip():
                continue
            content: bytes | DataError = line
            if len(line) > self.context.max_payload_bytes:
                content = SampleRejectedError(f"line longer than {self.context.max_payload_bytes:,} bytes")
            if not self.context.inbox.put(Arrival(self.context.entry, None, content, time.time()), len(line)):
                return

    def _lines(self) -> Iterator[bytes]:
        """Lines; of one that is too long, its beginning."""
        limit = self.context.max_payload_bytes
        rest, skipping = b"", False
        while self.turn():
            if not select.select([_STDIN], [], [], 0.5)[0]:
                continue
            chunk = os.read(_STDIN, _CHUNK_BYTES)
            if not chunk:
                break
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                if not skipping:
                    yield line
                skipping = False
            if len(rest) > limit and not skipping:
                yield rest[: limit + 1]
                skipping = True
            if skipping:
                rest = b""
        if rest and not skipping:
            yield rest
