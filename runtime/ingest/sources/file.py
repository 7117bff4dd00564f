"""Samples from a CSV file: ``source = { file = "test.csv", realtime = true }``; as fast as possible by default."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path

from vedette.errors import ConfigError, DataError
from vedette.runtime.ingest.csv_samples import read_rows
from vedette.runtime.ingest.samples import Sample
from vedette.runtime.ingest.sources.base import Arrival, FiniteSource, SourceConfig, SourceContext
from vedette.runtime.ingest.stream_checks import read_units
from vedette.runtime.json_keys import Keys

_ROW_BYTES, _VALUE_BYTES = 64, 8
# In real time a gap is not waited out for longer than this, unless the signal's own gaps are longer: a window does not
# go on after it anyway, and one wrong time in the file must not make the gateway wait for years.
LONGEST_PAUSE_S = 60.0


@dataclass(frozen=True)
class FileConfig(SourceConfig):
    """``realtime`` replays at the pace of the file's own times."""

    path: Path
    realtime: bool
    keys = ("realtime", "units")

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
        realtime = keys.optional("realtime", lambda key: keys.get(key, bool)) or False
        return cls(path, realtime, units=read_units(keys))


class Pace:
    """When the rows of a file are due, by the monotonic clock, if it is replayed at the pace of its times.

    A row that is not newer than the one before it is due at once, and a pause is cut short at ``longest_s``.

    >>> pace = Pace(60.0)
    >>> [pace.due(time, 100.0) for time in (5.0, 6.0, 5.5, 7.0, 1e9, 1e9 + 1, 8.0, 9.0)]
    [100.0, 101.0, 101.0, 102.0, 162.0, 163.0, 163.0, 164.0]
    """

    def __init__(self, longest_s: float) -> None:
        self._longest_s = longest_s
        self._time: float | None = None
        self._due = 0.0

    def due(self, row_time: float, now: float) -> float:
        """The moment of the row of ``row_time``; the first row's is ``now``."""
        if self._time is None:
            self._time, self._due = row_time, now
        step = row_time - self._time
        if step > 0 or step < -self._longest_s:  # so far back, the time before it was the wrong one
            self._time = row_time
            self._due += min(max(step, 0.0), self._longest_s)
        return self._due


class FileSource(FiniteSource):
    """Replays a CSV or CSV.gz file; a row that cannot be read is rejected, and the next ones follow."""

    def __init__(self, config: SourceConfig, context: SourceContext) -> None:
        assert isinstance(config, FileConfig)
        super().__init__(context)
        self._config = config

    def read(self) -> None:
        """Read all rows. Raises :class:`DataError` where the file is not such a CSV file."""
        longest = self.context.signal.longest_step_s
        pace = Pace(max(LONGEST_PAUSE_S, longest) if math.isfinite(longest) else LONGEST_PAUSE_S)
        for row in read_rows(self._config.path, self.context.signal):
            content = row if isinstance(row, DataError) else Sample(row.time, row.values)
            if self._config.realtime and isinstance(content, Sample) and content.time is not None:
                now = time.monotonic()
                self.pause(pace.due(content.time, now) - now)
            size = _ROW_BYTES if isinstance(content, DataError) else len(content.values) * _VALUE_BYTES
            arrival = Arrival(self.context.entry, None, content, self.now())
            if not self.turn() or not self.context.inbox.put(arrival, size):
                return
