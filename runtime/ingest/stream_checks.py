"""Whether what a stream brings is what its bundle was made for: its sample rate, its channels, their units."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Collection, Iterable

from vedette.errors import ConfigError, nearest
from vedette.runtime.detection.signal import SignalSpec
from vedette.runtime.json_keys import Keys

# The median of so many steps is the stream's period; it may be this many times longer or shorter than the bundle's.
RATE_STEPS, RATE_FACTOR = 32, 1.5
MAX_NOTICES = 20

Units = tuple[tuple[str, str], ...]


class RateCheck:
    """Compares the period of one stream's first samples with the bundle's, once."""

    __slots__ = ("_last", "_period_s", "_steps")

    def __init__(self, period_s: float) -> None:
        self._period_s = period_s
        self._last: float | None = None
        self._steps: list[float] = []

    @classmethod
    def of(cls, signal: SignalSpec) -> RateCheck | None:
        """None where samples may come at any times: without a time base, and where they are put on a grid."""
        if signal.sample_period_s is None or signal.resampled:
            return None
        return cls(signal.sample_period_s)

    def push(self, time: float) -> bool:
        """Take the time of a sample; True when there are enough."""
        if self._last is not None:
            self._steps.append(time - self._last)
        self._last = time
        return len(self._steps) >= RATE_STEPS

    def notice(self) -> str | None:
        """What is wrong with the rate, if anything."""
        seen, wanted = statistics.median(self._steps), self._period_s
        if wanted / RATE_FACTOR <= seen <= wanted * RATE_FACTOR:
            return None
        return (
            f"a sample every {seen:.4g} s, but the bundle was made for one every {wanted:.4g} s, so its scores mean "
            "little; change the rate of the device, or train on data of this rate"
        )


class ChannelCheck:
    """Notes, once each, channels that samples do not have and keys that are no channels."""

    def __init__(self, channels: tuple[str, ...], others: Collection[str], tell: Callable[[str], None]) -> None:
        """``others`` are keys that may stand beside the channels; ``tell`` is called with each notice."""
        self._tell = tell
        self._channels, self._known = channels, frozenset((*channels, *others))
        self._sizes: set[int] = set()
        self._noted: set[str] = set()

    def look(self, keys: Collection[str]) -> None:
        """Tell what is new about the keys of a sample. Cheap where as many keys came before."""
        if len(keys) in self._sizes or len(self._noted) >= MAX_NOTICES:
            return
        self._sizes.add(len(keys))
        for name in self._new(name for name in self._channels if name not in keys):
            self._tell(f'samples without the channel "{name}": its values count as missing')
        for name in self._new(name for name in keys if name not in self._known):
            hint = nearest(name[:40], self._channels[:8])
            self._tell(f"samples with {json.dumps(name[:40])}, which is no channel and is ignored; {hint}")

    def _new(self, names: Iterable[str]) -> list[str]:
        new = [name for name in names if name not in self._noted][: MAX_NOTICES - len(self._noted)]
        self._noted.update(new)
        return new


def read_units(keys: Keys) -> Units:
    """The table ``units`` of a source: channel and unit. Raises :class:`ConfigError`."""
    if "units" not in keys.document:
        return ()
    units = keys.section("units")
    return tuple((channel, units.text(channel).strip()) for channel in units.document)


def check_units(units: Units, signal: SignalSpec, where: str) -> list[str]:
    """Compare declared units with the bundle's; returns what cannot be compared.

    Raises :class:`ConfigError` where they differ or there is no such channel.
    """
    known = {channel.name: channel.unit for channel in signal.channels}
    unknown = []
    for channel, unit in units:
        if channel not in known:
            raise ConfigError(f'{where}: units: the bundle has no channel "{channel}"; {nearest(channel, known)}')
        wanted = known[channel]
        if wanted is None:
            unknown.append(f'the bundle does not say the unit of "{channel}", so "{unit}" cannot be compared')
        elif wanted != unit:
            raise ConfigError(
                f'{where}: units: "{channel}" comes in "{unit}", but the bundle was made for "{wanted}"; convert it '
                "before it is sent, or train on data in the unit that comes"
            )
    return unknown
