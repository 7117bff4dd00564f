"""The order of weights in flash: that in which every kernel of ``kernels/dot.h`` reads them, the fast ones in words.

Four rows stand together, since four sums can share each input: sixteen columns of the first row, the same sixteen of
the second, and so on, then the next columns. The last columns are fewer than sixteen, filled up with zeros to a
multiple of four; so are the last rows.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

ROWS, COLUMNS, WORD = 4, 16, 4
ORDER = "four rows together, sixteen columns of each in turn"


def padded(count: int) -> int:
    """Columns, or rows, with those that are filled up."""
    return -(-count // WORD) * WORD


def packed(weights: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
    """Weights ``(rows, depth)`` in that order.

    >>> packed(np.array([[1, 2, 3], [4, 5, 6]], np.int8)).tolist()
    [1, 2, 3, 0, 4, 5, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    """
    rows, depth = weights.shape
    wide = np.zeros((padded(rows), padded(depth)), np.int8)
    wide[:rows, :depth] = weights
    parts = [
        wide[row : row + ROWS, column : column + COLUMNS].reshape(-1)
        for row in range(0, len(wide), ROWS)
        for column in range(0, wide.shape[1], COLUMNS)
    ]
    return np.concatenate(parts)
