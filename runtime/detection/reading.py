"""What comes of scoring: one window's reading, and those of many at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from vedette.errors import DataError
from vedette.runtime.detection.signal import FloatArray

# Errors are divided by no less: the least float32 that has all its digits. It is no expression, as tflite-runtime makes
# Arm CPUs round what is smaller to zero, of which NumPy's finfo warns.
SMALLEST_ERROR = np.float32(2.0**-126)


class Reading(NamedTuple):
    """The result of one window.

    ``terms`` are the score's terms. ``errors`` ``(terms, channels)`` are the bounded squared errors, smoothed,
    in spreads. ``observed`` and ``expected`` (by the network) are the last row, in standardised units.
    """

    score: float
    terms: tuple[float, ...]
    errors: FloatArray
    observed: FloatArray
    expected: FloatArray

    @property
    def shares(self) -> FloatArray:
        """Each channel's share of the score, shape ``(channels,)``, summing to 1.

        A term gives its part of the score's logarithm to the channels in proportion to their errors.
        """
        logarithms = np.log1p(self.terms)
        weights = logarithms / np.maximum(self.errors.sum(axis=1), SMALLEST_ERROR)
        shares: FloatArray = (weights @ self.errors).astype(np.float32)
        total = float(shares.sum())
        return shares / np.float32(total) if total > 0.0 else np.full_like(shares, 1.0 / len(shares))


class Readings(NamedTuple):
    """The readings of ``n`` windows, as arrays with one entry each.

    ``rows`` ``(n,)`` says which of the samples that were pushed completed each window, ascending. ``rejected`` are the
    samples that could not be scored, and why.
    """

    rows: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float64]
    terms: npt.NDArray[np.float64]
    errors: FloatArray
    observed: FloatArray
    expected: FloatArray
    rejected: dict[int, DataError]

    def at(self, number: int) -> Reading:
        """The reading of one window."""
        terms = tuple(self.terms[number].tolist())
        return Reading(
            float(self.scores[number]), terms, self.errors[number], self.observed[number], self.expected[number]
        )  # fmt: skip

    @classmethod
    def none(cls, terms: int, channels: int) -> Readings:
        """No window at all."""
        rows = np.empty((0, channels), np.float32)
        return cls(
            np.empty(0, np.int64), np.empty(0), np.empty((0, terms)), np.empty((0, terms, channels), np.float32), rows,
            rows, {},
        )  # fmt: skip

    @classmethod
    def joined(cls, parts: Iterable[Readings]) -> Readings:
        """All of them in one."""
        parts = list(parts)
        if len(parts) == 1:
            return parts[0]
        return cls(
            np.concatenate([part.rows for part in parts]),
            np.concatenate([part.scores for part in parts]),
            np.concatenate([part.terms for part in parts]),
            np.concatenate([part.errors for part in parts]),
            np.concatenate([part.observed for part in parts]),
            np.concatenate([part.expected for part in parts]),
            {row: error for part in parts for row, error in part.rejected.items()},
        )

    def placed(self, rows: npt.NDArray[np.int64]) -> Readings:
        """The same, where row ``i`` was row ``rows[i]``."""
        return self._replace(rows=rows[self.rows])

    def shifted(self, by: int) -> Readings:
        """The same, ``by`` rows later."""
        return self._replace(rows=self.rows + by, rejected={row + by: error for row, error in self.rejected.items()})

    def in_order(self) -> Readings:
        """The same, in the order of their rows."""
        order = np.argsort(self.rows)
        return Readings(
            self.rows[order],
            self.scores[order],
            self.terms[order],
            self.errors[order],
            self.observed[order],
            self.expected[order],
            self.rejected,
        )

    def with_rejected(self, rejected: dict[int, DataError]) -> Readings:
        """The same with these samples rejected."""
        return self._replace(rejected=rejected)
