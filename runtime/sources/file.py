"""Samples from a CSV file: ``source = { file = "test.csv", realtime = true }``; as fast as possible by default."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from vedette.errors import ConfigError, DataError
from vedette.runtime.csv_samples import read_rows
from vedette.runtime.json_keys import Keys
from vedette.runtime.samples import Sample
from vedette.runtime.sources.base import Arrival, FiniteSource, SourceConfig, SourceContext

_ROW_BYTES = 64


@dataclass(frozen=True)
class FileConfig(SourceConfig):
    """``realtime`` replays at the pace of the file's own times."""

    path: Path
    realtime: bool
    keys = ("realtime",)

    @property
    def live(self) -> bool:
        """A replay at the pace of its times is like live."""
        return self.realtime

    @classmethod
    def from_keys(cls, keys: Keys, folder: Path) -> FileConfig:
        """Read the table. Raises :class:`ConfigError`."""
        path = folder / keys.text("file")
        if not path.exists() or path.is_dir():
            raise ConfigError(f"{keys.where}: file: expected a CSV file, found none at {path}")
        return cls(path, keys.optional("realtime", lambda key: keys.get(key, bool)) or False)


class FileSource(FiniteSource):
    """Replays a CSV or CSV.gz file; a row that cannot be read is rejected, and the next ones follow."""

    def __init__(self, config: SourceConfig, context: SourceContext) -> None:
        assert isinstance(config, FileConfig)
        super().__init__(context)
        self._config = config

    def read(self) -> None:
        """Read all rows. Raises :class:`DataError` where the file is not such a CSV file."""
        previous: float | None = None
        for row in read_rows(self._config.path, self.context.signal):
            content = row if isinstance(row, DataError) else Sample(row.time, row.values)
            if self._config.realtime and isinstance(content, Sample) and content.time is not None:
                if previous is not None and content.time > previous:
                    self.pause(content.time - previous)
                previous = content.time
            size = _ROW_BYTES if isinstance(content, DataError) else content.values.nbytes
            arrival = Arrival(self.context.entry, None, content, time.time())
            if not self.turn() or not self.context.inbox.put(arrival, size):
                return
