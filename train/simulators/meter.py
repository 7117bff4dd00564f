"""A smart meter at a house: active and reactive power, voltage and current, then theft, tampering and failures.

:mod:`~vedette.train.simulators.meter_home` says what the house takes. The supply's voltage follows the street, the
transformer's taps, and the house's own current through the impedance of its connection. That drop is there whether the
meter sees the current or not, and is what gives a bypass away. ``docs/simulators.md`` has the parameters.
"""

from __future__ import annotations

import numpy as np

from vedette.train.simulators.events import Event, FaultKind
from vedette.train.simulators.meter_home import Load, live
from vedette.train.simulators.meter_parameters import MeterParameters
from vedette.train.simulators.processes import BoolArray, Clock, FloatArray, Streams, daily, in_steps, spells, wander
from vedette.train.simulators.simulator import Part, Simulator, two_parts

PARAMETERS = MeterParameters()
UNITS = {"active_power": "W", "reactive_power": "var", "voltage": "V", "current": "A"}
POWER, REACTIVE, VOLTAGE, CURRENT = range(len(UNITS))
MINUTE, HOUR = 60.0, 3600.0

FAULTS = (
    FaultKind("theft", 5 * HOUR, 12 * HOUR),
    FaultKind("outage", 4 * MINUTE, 100 * MINUTE),
    FaultKind("stuck", 0.75 * HOUR, 5 * HOUR),
    FaultKind("reversed", 1 * HOUR, 4 * HOUR),
    FaultKind("night_load", 2 * HOUR, 3.5 * HOUR, hours=(0.3, 2.0)),
)
REST_S = 1.5 * HOUR


def _live(part: Part) -> tuple[FloatArray, tuple[Event, ...]]:
    """One part of a recording."""
    load = live(part.common, part.own, part.clock, _recovering(part), PARAMETERS)
    extra = _night_load(part.own["night"], part)
    values = _measure(part, load, extra)
    values *= 1 + PARAMETERS.gain_error * part.own["meter"].standard_normal(values.shape) * (1, 1, 0.15, 1)
    faulty = part.own["faulty"]
    for event in part.events:
        rows = values[event.rows]
        if event.kind == "theft":
            rows[:, [POWER, REACTIVE, CURRENT]] *= 1 - np.interp(event.severity, (0, 1), PARAMETERS.bypass)
        elif event.kind == "reversed":
            rows[:, [POWER, REACTIVE]] *= -1
        elif event.kind == "outage":
            # The first and the last minute are means over a part of the outage.
            rows[0] *= faulty.uniform(0.1, 0.9)
            rows[1:-1] = 0
            rows[-1] *= faulty.uniform(0.1, 0.9)
    values = in_steps(values, PARAMETERS.resolution)
    for event in part.events:
        if event.kind == "stuck":
            values[event.rows] = values[event.start - 1]
    return values, part.events


def _recovering(part: Part) -> BoolArray:
    """Rows after an outage in which all that cools or heats runs at once, as long as the outage was, up to a limit."""
    recovering = np.zeros(len(part.clock), bool)
    for event in part.events:
        if event.kind == "outage":
            minutes = min(event.stop - event.start, round(PARAMETERS.pickup))
            recovering[event.stop : event.stop + minutes] = True
    return recovering


def _night_load(rng: np.random.Generator, part: Part) -> FloatArray:
    """A load that nobody has in the night: a heater on its thermostat, or lamps that burn evenly."""
    extra = np.zeros(len(part.clock))
    for event in part.events:
        if event.kind == "night_load":
            samples = event.stop - event.start
            steady = rng.random() < 0.5
            on = np.ones(samples) if steady else 1.0 * spells(rng, samples, 4 * MINUTE, 16 * MINUTE, MINUTE)
            on[0] = 1.0
            extra[event.rows] = on * np.interp(event.severity, (0, 1), PARAMETERS.night_load)
    return extra


def _source(part: Part) -> FloatArray:
    """Voltage that the house would have without its own load."""
    clock: Clock = part.clock
    own: Streams = part.own
    samples, period = len(clock), clock.period_s
    street = daily(clock.hour, (3.5, 8.0, 13.0, 16.0, 19.0, 22.0), (0.15, 0.6, 0.5, 0.55, 1.0, 0.6))
    street *= 1 + 0.15 * wander(own["street"], samples, 6 * HOUR, 1.0, period)
    taps = own["taps"]
    level = np.cumsum((taps.random(samples) < period / (PARAMETERS.tap_every * HOUR)) * taps.choice((-1, 1), samples))
    level = np.abs((level + 1) % 4 - 2) - 1  # three positions, there and back
    voltage = (
        PARAMETERS.nominal + part.common["supply"].uniform(*PARAMETERS.offset) + PARAMETERS.street * (0.6 - street)
    )
    voltage += PARAMETERS.tap * level
    voltage += wander(own["voltage"], samples, 20 * MINUTE, PARAMETERS.voltage_slow, period)
    voltage += PARAMETERS.voltage_fast * own["flicker"].standard_normal(samples)
    return voltage


def _measure(part: Part, load: Load, extra: FloatArray) -> FloatArray:
    """Active and reactive power, voltage and current of the loads, ``(n, 4)``."""
    source = _source(part)
    phases = PARAMETERS.motor_phase, PARAMETERS.pump_phase, PARAMETERS.electronic_phase
    others = load.motor, load.heat_pump, load.electronic
    reactive = sum(phase * watts for phase, watts in zip(phases, others, strict=True))
    voltage = source
    for _ in range(2):  # resistive loads take power with the square of the voltage that they lower
        active = (load.resistive + extra) * (voltage / PARAMETERS.nominal) ** 2 + sum(others)
        resistance, reactance = PARAMETERS.impedance
        voltage = source - (resistance * active + reactance * reactive) / source
    harmonic = PARAMETERS.distortion * load.electronic / voltage
    current = np.hypot(np.hypot(active, reactive) / voltage, harmonic)
    return np.column_stack([active, reactive, voltage, current])


SIMULATOR = Simulator(
    title="a smart meter at a house",
    units=UNITS,
    faults=tuple(kind.name for kind in FAULTS),
    period_s=PARAMETERS.sample_period,
    train_hours=28 * 24.0,
    test_hours=28 * 24.0,
    max_hours=366 * 24.0,
    parameters=PARAMETERS,
    run=two_parts(_live, channels=tuple(UNITS), faults=FAULTS, period_s=PARAMETERS.sample_period, rest_s=REST_S),
)
