"""A household minute by minute: who is awake, what is switched on, how cold it is, and the power that this takes.

Bottom-up, as Richardson et al. (2010) do it: appliances start at random, more often at the hours at which people use
them, and each takes its own power for its own time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vedette.train.simulators.meter_parameters import MeterParameters
from vedette.train.simulators.processes import BoolArray, Clock, FloatArray, Streams, daily, wander

# Hours at which an appliance is started, as points of a profile over the day. A day begins at midnight.
_MEALS = (0, 6, 6.5, 7.5, 9, 11.5, 12.5, 14, 17, 18.5, 20, 23), (0, 0, 1, 1.3, 0.3, 0.4, 0.8, 0.2, 0.5, 1.6, 0.4, 0)
_CHORES = (0, 7, 9, 12, 16, 20, 22, 23), (0, 0, 1, 0.6, 0.8, 1.2, 0.5, 0)
_EVENING = (0, 7, 9, 16, 18, 20, 22, 23.5), (0, 0.1, 0.2, 0.3, 1, 1.4, 0.5, 0)
_SHOWERS = (0, 5.8, 6.8, 8, 9, 17, 20, 22, 23), (0, 0, 2, 1.2, 0.1, 0.1, 0.6, 0.3, 0)
_AWAKE = (0, 5.5, 6.8, 8.5, 9, 15, 17.5, 22, 23.7), (0, 0, 1, 0.9, 0.35, 0.4, 1, 0.9, 0)
_LAMPS = 14


@dataclass(frozen=True)
class Load:
    """Active power of each sort of load in W at nominal voltage, every array ``(n,)``."""

    resistive: FloatArray
    motor: FloatArray
    heat_pump: FloatArray
    electronic: FloatArray


def live(common: Streams, own: Streams, clock: Clock, recovering: BoolArray, parameters: MeterParameters) -> Load:
    """Let a household live; while ``recovering`` from an outage, all that cools or heats runs at once."""
    samples, p = len(clock), parameters
    rated = _Ratings(common, p.rating_spread)
    hour, present = _household(own["people"], clock, p)

    def uses(name: str, profile: tuple[tuple[float, ...], tuple[float, ...]], times: float) -> BoolArray:
        """Rows in which an appliance is started."""
        shape = daily(hour, *profile)
        rate = times * shape / max(daily(np.arange(0, 24, 1 / 60), *profile).sum(), 1e-9)
        started: BoolArray = own[name].random(samples) < rate * present
        return started

    def runs(name: str, started: BoolArray, minutes: tuple[float, float]) -> BoolArray:
        """Rows in which an appliance is on, for a time from that range."""
        starts = np.flatnonzero(started)
        lengths = np.round(own[f"{name} time"].uniform(*minutes, len(starts))).astype(np.int64)
        edges = np.bincount(starts, minlength=samples + 1)
        edges -= np.bincount(np.minimum(starts + lengths, samples), minlength=samples + 1)
        on: BoolArray = np.cumsum(edges[:samples]) > 0
        return on

    resistive = rated(p.kettle) * runs("kettle", uses("kettle", _MEALS, p.kettle_uses), (2, 4))
    resistive += rated(p.microwave) * runs("microwave", uses("microwave", _MEALS, p.microwave_uses), (2, 8))
    cooking = runs("oven", uses("oven", _MEALS, p.oven_uses), (20, 50))
    resistive += rated(p.oven) * cooking * np.clip(0.55 + wander(own["thermostat"], samples, 240, 0.35, 60), 0, 1)
    resistive += rated(p.water) * np.logical_or(
        runs("water", uses("water", _SHOWERS, p.water_uses), (15, 40)), recovering
    )
    heater = rated(p.washing)
    washing = uses("washing", _CHORES, p.washing_uses)
    resistive += heater * np.minimum(_programme(washing, _WASH_HEAT), 1)
    motor = 0.1 * heater * np.minimum(_programme(washing, _WASH_TURN), 2.5)
    dishes = uses("dishes", _EVENING, p.dishes_uses)
    heater = rated(p.dishes)
    resistive += heater * np.minimum(_programme(dishes, _DISH_HEAT), 1)
    motor += heater / 30 * np.minimum(_programme(dishes, _DISH_PUMP), 1)
    for name in ("fridge", "freezer"):
        on, off = (60 * minutes for minutes in p.fridge_cycle)
        motor += rated(p.fridge) * np.logical_or(_cycles(own[name], samples, on, off), recovering)

    awake = np.clip(daily(hour, *_AWAKE) * present, 0, 1)
    lamps = _LAMPS * awake * _darkness(clock) * np.clip(0.6 + wander(own["lamps"], samples, 2400, 0.25, 60), 0, 1)
    electronic = common["home"].uniform(*p.standby) + rated(p.lamp) * np.round(lamps)
    electronic += rated(p.screens) * runs("screens", uses("screens", _EVENING, p.screens_uses), (60, 240))
    heating = rated(p.heat_pump) * _heating(own, clock, recovering, p)
    flicker = own["flicker"].standard_normal((4, samples))
    loads = (
        load * (1 + 0.012 * noise) for load, noise in zip((resistive, motor, heating, electronic), flicker, strict=True)
    )
    return Load(*loads)


class _Ratings:
    """Rated powers of the appliances of one house, drawn in the order in which they are asked for."""

    def __init__(self, common: Streams, spread: float) -> None:
        self._rng = common["ratings"]
        self._spread = spread

    def __call__(self, watts: float) -> float:
        return watts * float(np.exp(self._spread * self._rng.standard_normal()))


def _household(rng: np.random.Generator, clock: Clock, parameters: MeterParameters) -> tuple[FloatArray, FloatArray]:
    """Hour of the day as the household lives it, and 1 where somebody may be at home, else 0."""
    day = clock.day - clock.day[0]
    days = int(day[-1]) + 1
    begins = parameters.shift * rng.standard_normal(days)
    away = rng.random(days) < parameters.away_days
    later = begins[day] + parameters.weekend_shift * (clock.weekday >= 5)
    # Mornings move, nights do not: the shift fades until midnight.
    hour = clock.hour - later * np.clip((24 - clock.hour) / 16, 0, 1) * np.clip(clock.hour / 4, 0, 1)
    return np.clip(hour, 0, 23.99), np.where(away[day], 0.0, 1.0)


# Programmes, minute by minute.
_WASH_HEAT = np.repeat([0.0, 1.0, 0.0, 1.0, 0.0], [4, 14, 12, 4, 50])
_WASH_TURN = np.concatenate([np.tile([1.0, 0.9, 0.4], 24), np.repeat([1.8, 2.5, 2.2], [4, 6, 2])])
_DISH_HEAT = np.repeat([0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0], [8, 12, 25, 10, 8, 6, 20])
_DISH_PUMP = np.repeat([1.0, 0.3], [70, 19])


def _programme(started: BoolArray, programme: FloatArray) -> FloatArray:
    """The programme from each start on."""
    return np.convolve(started.astype(float), programme)[: len(started)]


def _cycles(rng: np.random.Generator, samples: int, on_s: float, off_s: float) -> BoolArray:
    """A compressor that goes on and off, each time for a little shorter or longer."""
    count = int(samples * 60 / (on_s + off_s) * 1.5) + 8
    lengths = rng.normal((off_s, on_s), (0.15 * off_s, 0.15 * on_s), (count, 2)) / 60
    ends = np.cumsum(np.maximum(lengths, 1.0).ravel()) - rng.uniform(0, off_s / 60)
    running: BoolArray = np.searchsorted(ends, np.arange(samples), side="right") % 2 == 1
    return running


def _darkness(clock: Clock) -> FloatArray:
    """0 by day and 1 by night, with an hour of twilight; the day lasts from 8 h in January to 13 h in April."""
    half = np.interp(clock.day, (0, 90), (4.0, 6.5))
    return np.clip(np.abs(clock.hour - 12.3) - half + 0.5, 0, 1)


def _heating(own: Streams, clock: Clock, recovering: BoolArray, parameters: MeterParameters) -> FloatArray:
    """Part of the heat pump's full load: it runs more of the time, and harder, the colder it is."""
    samples = len(clock)
    outdoor = np.interp(clock.day, (0, 90), (parameters.outdoor, 9.0))
    outdoor += parameters.outdoor_swing * np.cos(2 * np.pi * (clock.hour - 15) / 24)
    outdoor += wander(own["weather"], samples, 3 * 86_400, parameters.outdoor_spread, parameters.sample_period)
    night = np.where((clock.hour > 22.5) | (clock.hour < 5.0), 0.75, 1.0)  # set back
    demand = np.clip(parameters.heat_per_kelvin * (parameters.heat_base - outdoor) * night, 0, 1)
    power = np.clip(0.45 + 0.55 * demand, 0, 1)  # the compressor's speed follows the demand, down to its lowest
    share = np.clip(demand / power, 0, 1)
    # Cycles are shortest at half load and longer towards both ends.
    pace = 4 * share * (1 - share) * np.exp(wander(own["cycles"], samples, 3600, 0.15, 60)) / parameters.heat_cycle
    phase = np.cumsum(np.maximum(pace, 0.25 / parameters.heat_cycle)) % 1
    part: FloatArray = power * ((phase < share) & (demand > 0.02))
    return np.where(recovering, 1.0, part)
