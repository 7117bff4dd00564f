"""Which of a device's channels is which of the bundle's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from vedette.errors import ConfigError, nearest
from vedette.firmware_bridge.link.messages import ChannelUnit
from vedette.runtime.detection.detector import SampleRejectedError
from vedette.runtime.detection.signal import SignalSpec
from vedette.runtime.ingest.stream_checks import check_units


class MismatchError(SampleRejectedError):
    """The device is not one that the stream can be fed from, so nothing of it is used."""


class Columns:
    """Puts a device's readings into the order of a bundle's channels, by their names.

    A channel that the device does not have counts as missing, and one that the bundle does not have is left out;
    ``notices`` say so. Raises :class:`MismatchError` where none is the same, or a unit is another.
    """

    def __init__(self, channels: Sequence[ChannelUnit], signal: SignalSpec) -> None:
        self.notices: list[str] = []
        numbers = {channel.name: number for number, channel in enumerate(channels)}
        found = [name for name in signal.names if name in numbers]
        if not found:
            shown = ", ".join(list(numbers)[:8])
            raise MismatchError(f"none of the bundle's channels is in the device's hello, which has {shown}")
        try:
            units = tuple(
                (channel.name, channel.unit) for channel in channels if channel.unit and channel.name in found
            )
            self.notices += check_units(units, signal, "hello")
        except ConfigError as error:
            raise MismatchError(str(error)) from None
        for name in signal.names:
            if name not in numbers:
                self.notices.append(f'the device has no channel "{name}": its values count as missing')
        for name in numbers:
            if name not in signal.names:
                hint = nearest(name, signal.names[:8])
                self.notices.append(f'the device\'s channel "{name}" is none of the bundle and is ignored; {hint}')
        self._width = len(signal.names)
        self._to = [number for number, name in enumerate(signal.names) if name in numbers]
        self._from = [numbers[name] for name in found]
        self._same = self._from == list(range(len(channels))) and self._to == list(range(self._width))

    def arrange(self, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Rows ``(rows, device's channels)`` as ``(rows, bundle's channels)``, NaN where there is none."""
        if self._same:
            return values.astype(np.float64)
        arranged = np.full((len(values), self._width), np.nan)
        arranged[:, self._to] = values[:, self._from]
        return arranged
