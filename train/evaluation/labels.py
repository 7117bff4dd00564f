"""Labels that are kept in a file of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from vedette.errors import DataError
from vedette.train.data.columns import read_label
from vedette.train.data.frame import TableFile

COLUMN = "label"
# A file of labels alone often has no header: its first label is then taken for one.
_HEADERS = {"0": 0, "1": 1}


def read_labels(path: Path, rows: int, *, data: Path) -> npt.NDArray[np.int8]:
    """The labels of ``data``'s ``rows`` rows, ``(rows,)`` 0/1, in the order of the rows.

    ``path`` is CSV, CSV.gz or Parquet with a column ``label``, or with one column only, whatever its name; that may
    lack a header. Raises :class:`DataError` for other columns, other values, or another number of labels.
    """
    file = TableFile(path)
    if COLUMN not in file.names and len(file.names) > 1:
        raise DataError(
            f'{path}: expected a column "{COLUMN}", or one column only, found {", ".join(file.names)}; '
            f'call the column with 0 and 1 "{COLUMN}"'
        )
    name = COLUMN if COLUMN in file.names else file.names[0]
    first = [_HEADERS[name]] if name in _HEADERS else []
    parts = [read_label(path, frame[name], first_row + len(first)) for frame, first_row, _ in file.batches([name])]
    label = np.concatenate([np.array(first, np.int8), *parts])
    if len(label) != rows:
        raise DataError(
            f"{path}: expected {rows:,} labels, one for each row of {data}, found {len(label):,}; "
            "cut both to the same rows"
        )
    return label
