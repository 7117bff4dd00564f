"""Prototypes: windows that stand for normal operation, and what they expect the newest sample to be.

The expectation is the last row of the prototype nearest to the window (k-means, Lloyd 1982). On an int8 model the
prototypes are kept in the steps of the model's input, as the window is: the products and their sums are then whole
numbers below 2**24, which float32 holds exactly for windows of up to 1,024 values, so that every CPU, and integer
arithmetic on a microcontroller, finds the same one.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vedette.runtime.detection.signal import FloatArray
from vedette.runtime.inference.interpreter import Quantization, quantize

# Values of a window for which the sums of int8 products are exact in float32.
EXACT_VALUES = 1024


@dataclass(frozen=True)
class Prototypes:
    """``count`` windows, as they stand in a manifest.

    ``values`` is the base64 text of their values, rows oldest first: int8 steps of the model's input where ``dtype`` is
    ``int8``, standardised little-endian float32 where it is ``float32``.
    """

    count: int
    dtype: str
    values: str

    @classmethod
    def from_windows(cls, windows: FloatArray) -> Prototypes:
        """Prototypes of standardised flat windows ``(count, window * channels)``."""
        return cls(len(windows), "float32", base64.b64encode(windows.astype("<f4").tobytes()).decode())

    def quantized(self, quantization: Quantization) -> Prototypes:
        """The same in the int8 steps of a model's input."""
        steps = quantize(self.windows(), quantization)
        return Prototypes(self.count, "int8", base64.b64encode(steps.tobytes()).decode())

    @property
    def size(self) -> int:
        """Bytes that the values take on a device."""
        return len(base64.b64decode(self.values))

    def windows(self) -> FloatArray:
        """The values as float32, shape ``(count, window * channels)``, in steps where ``dtype`` is ``int8``.

        Raises ValueError where the text is not base64 or does not divide into ``count`` windows.
        """
        try:
            data = base64.b64decode(self.values, validate=True)
        except binascii.Error as error:
            raise ValueError(f"not base64: {error}") from None
        values = np.frombuffer(data, np.int8 if self.dtype == "int8" else "<f4")
        return values.reshape(self.count, -1).astype(np.float32)


class NearestPrototype:
    """Finds the nearest prototype of each window.

    >>> prototypes = Prototypes.from_windows(np.array([[0, 0], [5, 6]], np.float32))
    >>> nearest = NearestPrototype(prototypes, channels=1, quantization=None)
    >>> nearest.last_rows(np.array([[4, 4], [1, 0]], np.float32)).tolist()
    [[6.0], [0.0]]
    """

    def __init__(self, prototypes: Prototypes, *, channels: int, quantization: Quantization | None) -> None:
        """``quantization`` is that of the model's input, None for a float model."""
        windows = prototypes.windows()
        last_rows = windows[:, -channels:]
        if quantization:
            last_rows = (last_rows - np.float32(quantization.zero_point)) * np.float32(quantization.scale)
        self._windows = np.ascontiguousarray(windows)
        # |x - p|**2 = |x|**2 - 2 (x.p - |p|**2 / 2): the nearest has the largest bracket.
        self._half_squares = np.square(windows).sum(axis=1) * np.float32(0.5)
        self._last_rows = np.ascontiguousarray(last_rows)
        # Sums that are exact do not depend on their order; others could depend on what else is in the batch.
        self._exact = quantization is not None and windows.shape[1] <= EXACT_VALUES
        self._window = np.empty(windows.shape[1], np.float32)

    def last_rows(self, windows: npt.NDArray[np.generic]) -> FloatArray:
        """The last rows ``(n, channels)``, standardised, of the prototypes nearest to windows ``(n, window *
        channels)``, which are in the model's input form."""
        if self._exact and len(windows) > 1:
            brackets = np.dot(windows.astype(np.float32), self._windows.T)
        else:
            brackets = np.empty((len(windows), len(self._windows)), np.float32)
            for window, bracket in zip(windows, brackets, strict=True):
                self._window[:] = window
                np.dot(self._windows, self._window, out=bracket)
        np.subtract(brackets, self._half_squares, out=brackets)
        rows: FloatArray = self._last_rows[brackets.argmax(axis=1)]
        return rows
