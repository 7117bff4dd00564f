"""The numbers of the simulated smart meter, each with its unit, meaning and source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from vedette.train.simulators.parameters import Doc

Pair = tuple[float, float]

_ASSUMED = "assumed"
_HOME = "assumed; drawn once per seed"
_RICHARDSON = "kind of model: Richardson et al. (2010); value assumed"
_GRID = "assumed, within EN 50160's 10 %"
_IEC_60725 = "a third below the reference impedance of IEC/TR 60725 (0.40 + j 0.25)"
_CLASS = "order of IEC 62053-21, class 1"


@dataclass(frozen=True)
class MeterParameters:
    """A detached house of a family with a heat pump and an electric water heater, on a 230 V single-phase supply."""

    sample_period: Annotated[float, Doc("s", "mean over a minute", _ASSUMED)] = 60.0

    # People
    away_days: Annotated[float, Doc("", "part of the days on which nobody is at home", _ASSUMED)] = 0.06
    shift: Annotated[float, Doc("h", "spread of the hour at which a day begins", _ASSUMED)] = 0.5
    weekend_shift: Annotated[float, Doc("h", "later begin at the weekend", _ASSUMED)] = 1.3

    # Appliances: rated power, and how often on an average day
    standby: Annotated[Pair, Doc("W", "range of what is always on", _HOME)] = (60.0, 110.0)
    fridge: Annotated[float, Doc("W", "compressor of the fridge, and of the freezer", _RICHARDSON)] = 95.0
    fridge_cycle: Annotated[Pair, Doc("min", "mean time on and off", _RICHARDSON)] = (14.0, 30.0)
    kettle: Annotated[float, Doc("W", "for 2 to 4 min", _RICHARDSON)] = 2000.0
    kettle_uses: Annotated[float, Doc("1/d", "mean uses", _RICHARDSON)] = 4.5
    microwave: Annotated[float, Doc("W", "for 2 to 8 min", _RICHARDSON)] = 1250.0
    microwave_uses: Annotated[float, Doc("1/d", "mean uses", _RICHARDSON)] = 1.2
    oven: Annotated[float, Doc("W", "hob or oven for 20 to 50 min, switched by its thermostat", _RICHARDSON)] = 2100.0
    oven_uses: Annotated[float, Doc("1/d", "mean uses", _RICHARDSON)] = 1.1
    washing: Annotated[float, Doc("W", "heater of the washing machine; its motor takes a tenth", _RICHARDSON)] = 2000.0
    washing_uses: Annotated[float, Doc("1/d", "mean uses", _RICHARDSON)] = 0.5
    dishes: Annotated[float, Doc("W", "heater of the dishwasher; its pump takes a thirtieth", _RICHARDSON)] = 1900.0
    dishes_uses: Annotated[float, Doc("1/d", "mean uses", _RICHARDSON)] = 0.7
    screens: Annotated[float, Doc("W", "television or computer for 1 to 4 h", _RICHARDSON)] = 130.0
    screens_uses: Annotated[float, Doc("1/d", "mean uses", _RICHARDSON)] = 2.2
    lamp: Annotated[float, Doc("W", "one of up to 14 lamps, on when somebody is awake and it is dark", _ASSUMED)] = 11.0
    water: Annotated[float, Doc("W", "water heater for 15 to 40 min, after showers", _ASSUMED)] = 2000.0
    water_uses: Annotated[float, Doc("1/d", "mean uses", _ASSUMED)] = 2.0
    rating_spread: Annotated[float, Doc("", "spread of each rated power from house to house", _HOME)] = 0.08

    # Heating
    heat_pump: Annotated[float, Doc("W", "compressor at full load", _ASSUMED)] = 1700.0
    heat_cycle: Annotated[float, Doc("min", "time from start to start of the compressor at half load", _ASSUMED)] = 45.0
    heat_per_kelvin: Annotated[float, Doc("1/K", "part of full load for each kelvin below the base", _ASSUMED)] = 0.032
    heat_base: Annotated[
        float, Doc("°C", "outdoor temperature above which nothing is heated", "heating degree days")
    ] = 15.0
    outdoor: Annotated[float, Doc("°C", "mean outdoor temperature in January, rising to 9 in April", _ASSUMED)] = 2.0
    outdoor_swing: Annotated[float, Doc("K", "amplitude of its daily cycle, warmest at 15:00", _ASSUMED)] = 3.0
    outdoor_spread: Annotated[float, Doc("K", "spread of the weather, correlated over 3 days", _ASSUMED)] = 3.5

    # Phase: reactive over active power, above 0 for motors, below for electronics
    motor_phase: Annotated[float, Doc("", "fridge, freezer, washing motor", _RICHARDSON)] = 0.75
    pump_phase: Annotated[float, Doc("", "heat pump", _ASSUMED)] = 0.40
    electronic_phase: Annotated[float, Doc("", "standby, screens, lamps", _ASSUMED)] = -0.25
    distortion: Annotated[float, Doc("", "harmonic current of electronics over their active one", _ASSUMED)] = 0.5

    # Supply
    nominal: Annotated[float, Doc("V", "nominal voltage", "IEC 60038")] = 230.0
    offset: Annotated[Pair, Doc("V", "range of the mean above nominal", _HOME)] = (1.0, 5.0)
    street: Annotated[float, Doc("V", "drop from the neighbours' load at its evening peak", _GRID)] = 4.0
    voltage_slow: Annotated[float, Doc("V", "spread, correlated over 20 min", _GRID)] = 0.8
    voltage_fast: Annotated[float, Doc("V", "spread from minute to minute", _GRID)] = 0.25
    tap: Annotated[float, Doc("V", "step of the transformer's tap changer, 1.25 %", _GRID)] = 2.9
    tap_every: Annotated[float, Doc("h", "mean time between its steps", _GRID)] = 7.0
    impedance: Annotated[Pair, Doc("ohm", "resistance and reactance of the supply", _IEC_60725)] = (0.27, 0.17)

    # Meter
    gain_error: Annotated[float, Doc("", "noise of each reading as a part of it", _CLASS)] = 0.003
    resolution: Annotated[tuple[float, ...], Doc("W var V A", "steps of the reported values", _ASSUMED)] = (
        1.0,
        1.0,
        0.1,
        0.01,
    )

    # Faults, from severity 0 to 1
    bypass: Annotated[Pair, Doc("", "part of the current that flows past the meter", "value assumed")] = (0.2, 0.8)
    night_load: Annotated[Pair, Doc("W", "load that begins in the night", "value assumed")] = (500.0, 2200.0)
    pickup: Annotated[float, Doc("min", "longest time that heating runs on after an outage", "cold load pickup")] = 45.0
