"""What a simulator returns: a stream's samples, and the truth about them where there are faults."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from vedette.errors import OutputError

NO_FAULT = "none"


@dataclass(frozen=True)
class Recording:
    """One stream over ``n`` samples.

    ``times`` is ``datetime64[ms]`` of shape ``(n,)``, UTC. ``values`` is float64 of shape ``(n, channels)``, already
    rounded to each sensor's resolution. ``label`` (0/1) and ``fault`` (a word; ``none`` where the label is 0), both of
    shape ``(n,)``, are None in recordings of normal operation.
    """

    channels: tuple[str, ...]
    times: npt.NDArray[np.datetime64]
    values: npt.NDArray[np.float64]
    label: npt.NDArray[np.int8] | None = None
    fault: npt.NDArray[np.str_] | None = None

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.times)

    def write_csv(self, path: Path) -> None:
        """Write ``time`` (ISO 8601, UTC), the channels and, where known, ``label`` and ``fault``.

        Raises :class:`OutputError` when the file cannot be written.
        """
        times = self.times.astype("datetime64[ms]")
        whole = bool((times == times.astype("datetime64[s]")).all())
        shown = "%Y-%m-%dT%H:%M:%SZ" if whole else "%Y-%m-%dT%H:%M:%S%.3fZ"
        columns: dict[str, pl.Series] = {"time": pl.Series(times).dt.strftime(shown)}
        columns |= {name: pl.Series(self.values[:, index]) for index, name in enumerate(self.channels)}
        if self.label is not None and self.fault is not None:
            columns |= {"label": pl.Series(self.label), "fault": pl.Series(self.fault.tolist())}
        text = pl.DataFrame(columns).write_csv()
        try:
            path.write_bytes(text.encode())
        except OSError as error:
            raise OutputError(f"cannot write {path}: {error.strerror}; choose another place with -o") from error
