"""A centrifugal pump on a variable-frequency drive, watched by a sensor node: normal operation, then faults.

Demand sets the drive's speed and the opening of the pipework; the pump's curve (affinity laws) and the pipework's
curve give flow and head; these give torque, slip and current; load, friction and the room give the bearing's
temperature; speed, flow and faults give the vibration (:mod:`~vedette.train.simulators.rotor`).
``docs/simulators.md`` explains the model and lists every parameter with its source.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

from vedette.train.simulators.events import Event, truth
from vedette.train.simulators.processes import START, FloatArray, in_steps, wander
from vedette.train.simulators.pump_faults import FAULTS, profile, schedule, severity_of
from vedette.train.simulators.pump_parameters import PumpParameters
from vedette.train.simulators.recording import Recording
from vedette.train.simulators.rotor import RotorState, velocity_rms
from vedette.train.simulators.simulator import Progress, Simulator, samples_in

UNITS = {"vib_x": "mm/s", "vib_y": "mm/s", "vib_z": "mm/s", "current": "A", "temperature": "°C", "pressure": "bar"}
CHANNELS = tuple(UNITS)
GRAVITY, DENSITY = 9.81, 998.0  # m/s2; kg/m3, water at 20 degC
PASCAL_PER_BAR = 1e5
SECONDS_PER_DAY = 86_400.0
MAX_HOURS = 24 * 366

# One random stream each: no part's draws move another's, and the train part does not depend on the test's length.
_STREAMS = (
    *("demand", "fast_demand", "consumers", "ambient", "suction", "voltage", "level"),
    *("faults", "surge", "train_bursts", "test_bursts", "train_sensors", "test_sensors"),
)


@dataclass(frozen=True)
class _Severities:
    """Severity of the faults that are in the machine, not in a sensor, at each sample."""

    wear: FloatArray
    imbalance: FloatArray
    cavitation: FloatArray


def simulate(
    seed: int, train_hours: float, test_hours: float, progress: Progress | None = None
) -> tuple[Recording, Recording]:
    """Simulate normal operation for ``train_hours``, then go on with faults for ``test_hours``.

    The same seed gives the same values. ``progress`` is told the part done, 0 to 1.
    Raises :class:`ConfigError` when a part is too short or too long.
    """
    parameters = PumpParameters()
    trained, tested = (samples_in(hours, parameters.sample_period, MAX_HOURS) for hours in (train_hours, test_hours))
    sequences = np.random.SeedSequence(seed).spawn(len(_STREAMS))
    rngs = {name: np.random.default_rng(item) for name, item in zip(_STREAMS, sequences, strict=True)}
    events = schedule(rngs["faults"], tested, parameters.sample_period)
    total = trained + tested

    def whole(kind: str) -> FloatArray:
        return np.concatenate([np.zeros(trained), severity_of(kind, events, tested)])

    severities = _Severities(whole("bearing_wear"), whole("imbalance"), whole("cavitation"))
    rotor, slow = _operate(rngs, total, severities, parameters)
    times = START + (np.arange(total) * parameters.sample_period).astype("timedelta64[s]")
    done = 0

    def advance(samples: int) -> None:
        nonlocal done
        done += samples
        if progress is not None:
            progress(done / total)

    def values(part: str, rows: slice, events: tuple[Event, ...]) -> FloatArray:
        vibration = velocity_rms(rngs[f"{part}_bursts"], rotor[rows], parameters, advance)
        return _report(rngs[f"{part}_sensors"], np.column_stack([vibration, slow[rows]]), events, parameters)

    train, test = slice(0, trained), slice(trained, total)
    normal = Recording(CHANNELS, times[train], values("train", train, ()))
    return normal, Recording(CHANNELS, times[test], values("test", test, events), *truth(events, tested))


def _demand(rngs: dict[str, np.random.Generator], samples: int, parameters: PumpParameters) -> FloatArray:
    """Opening of the pipework as a part of the rated one: daily cycle, slow and fast load, switching consumers."""
    period = parameters.sample_period
    day = 2 * np.pi * np.arange(samples) * period / SECONDS_PER_DAY

    def peak(hour: float) -> FloatArray:
        height: FloatArray = np.exp(3.5 * (np.cos(day - 2 * np.pi * hour / 24) - 1))
        return height

    demand = parameters.demand_base + parameters.demand_morning * peak(7.5) + parameters.demand_evening * peak(19.0)
    demand += wander(rngs["demand"], samples, 1200.0, parameters.demand_sigma, period)
    demand += wander(rngs["fast_demand"], samples, 20.0, parameters.demand_fast_sigma, period)
    switches = rngs["consumers"].random((samples, 4)) < period / parameters.consumer_dwell
    demand += parameters.consumer_share * (np.cumsum(switches, axis=0) % 2).sum(axis=1)
    clipped: FloatArray = np.clip(demand, 0.3, 1.2)
    return clipped


def _supply_hz(demand: FloatArray, parameters: PumpParameters) -> FloatArray:
    """The drive's frequency: every ``speed_hold`` seconds the nearest level to the demand, reached by a ramp."""
    levels = np.array(parameters.speed_levels)
    hold = round(parameters.speed_hold / parameters.sample_period)
    wanted = np.interp(demand[::hold], (0.35, 1.0), (levels[0], levels[-1]))
    chosen = levels[np.abs(wanted[:, None] - levels).argmin(axis=1)]
    steps = np.repeat(chosen, hold)[: len(demand)]
    ramp = round(parameters.speed_ramp / parameters.sample_period)
    padded = np.concatenate([np.full(ramp - 1, steps[0]), steps])
    return np.convolve(padded, np.full(ramp, 1 / ramp), "valid")


def _operate(
    rngs: dict[str, np.random.Generator], samples: int, severities: _Severities, parameters: PumpParameters
) -> tuple[RotorState, FloatArray]:
    """Solve the machine at every sample: what drives its vibration, and current, temperature and pressure."""
    period = parameters.sample_period
    demand = _demand(rngs, samples, parameters)
    supply = _supply_hz(demand, parameters)
    surge = parameters.cavitation_surge * rngs["surge"].standard_normal(samples)
    head_factor = 1 - severities.cavitation * (parameters.cavitation_drop + surge)

    # Slip needs torque and torque needs speed. Rated slip first, then one correction: the next would be below 0.1 %.
    slip = np.full(samples, parameters.rated_slip)
    for _ in range(2):
        shaft = supply / parameters.pole_pairs * (1 - slip)
        speed = shaft / (parameters.rated_supply_hz / parameters.pole_pairs * (1 - parameters.rated_slip))
        flow, head, power = _hydraulics(speed, demand, head_factor, parameters)
        torque = power / parameters.rated_power / speed + parameters.wear_torque * severities.wear
        slip = parameters.rated_slip * torque * parameters.rated_supply_hz / supply

    voltage = 1 + wander(rngs["voltage"], samples, 300.0, parameters.voltage_sigma, period)
    current = np.hypot(parameters.magnetising_current * voltage, parameters.torque_current * torque / voltage)
    suction = parameters.suction_pressure + wander(rngs["suction"], samples, 1800.0, parameters.suction_sigma, period)
    level = np.exp(wander(rngs["level"], samples, 2400.0, parameters.level_sigma, period))
    ratio = flow / (parameters.rated_flow * speed)
    rotor = RotorState(shaft, supply, speed, ratio, level, severities.wear, severities.imbalance, severities.cavitation)
    temperature = _temperature(rngs["ambient"], torque * speed, speed, severities.wear, parameters)
    return rotor, np.column_stack([current, temperature, suction + DENSITY * GRAVITY * head / PASCAL_PER_BAR])


def _hydraulics(
    speed: FloatArray, demand: FloatArray, head_factor: FloatArray, parameters: PumpParameters
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Flow (m3/h), head (m) and shaft power (W) where the pump's curve meets the pipework's.

    Pump, by the affinity laws: ``H = f (H0 n^2 - a Q^2)``; pipework: ``H = Hs + k (Q / demand)^2``.
    """
    curve = (parameters.shutoff_head - parameters.rated_head) / parameters.rated_flow**2
    pipework = (parameters.rated_head - parameters.static_head) / parameters.rated_flow**2
    lift = np.maximum(head_factor * parameters.shutoff_head * speed**2 - parameters.static_head, 0.1)
    flow = np.sqrt(lift / (head_factor * curve + pipework / demand**2))
    head = head_factor * (parameters.shutoff_head * speed**2 - curve * flow**2)
    departure = flow / (parameters.rated_flow * speed) - 1
    efficiency = parameters.pump_efficiency * (1 - parameters.efficiency_falloff * departure**2)
    return flow, head, DENSITY * GRAVITY * flow / 3600 * head / efficiency


def _temperature(
    rng: np.random.Generator, load: FloatArray, speed: FloatArray, wear: FloatArray, parameters: PumpParameters
) -> FloatArray:
    """Bearing temperature: a first-order lag towards ambient plus the rise from load, friction and wear."""
    samples, period = len(load), parameters.sample_period
    day = 2 * np.pi * np.arange(samples) * period / SECONDS_PER_DAY
    ambient = parameters.ambient + parameters.ambient_swing * np.cos(day - 2 * np.pi * 15 / 24)
    ambient += wander(rng, samples, 3600.0, parameters.ambient_sigma, period)
    rise = parameters.load_rise * load + (parameters.friction_rise + parameters.wear_rise * wear) * speed
    settled = ambient + rise
    keep = float(np.exp(-period / parameters.thermal_time))
    temperature: FloatArray
    temperature, _ = lfilter([1 - keep], [1.0, -keep], settled, zi=np.array([keep * settled[0]]))
    return temperature


def _report(
    rng: np.random.Generator, true: FloatArray, events: tuple[Event, ...], parameters: PumpParameters
) -> FloatArray:
    """What the sensors report of the true values, shape ``(n, 6)``: noise, drift, resolution, stuck values."""
    values = true + rng.standard_normal(true.shape) * parameters.noise
    for event in events:
        if event.kind == "drifting_sensor" and event.channel is not None:
            values[event.rows, event.channel] += parameters.drift[event.channel] * profile(event)
    values = in_steps(values, parameters.resolution)
    for event in events:
        if event.kind == "stuck_sensor" and event.channel is not None:
            values[event.rows, event.channel] = values[event.start - 1, event.channel]
    return values


SIMULATOR = Simulator(
    title="a centrifugal pump on a variable-frequency drive",
    units=UNITS,
    faults=FAULTS,
    period_s=PumpParameters().sample_period,
    train_hours=24.0,
    test_hours=24.0,
    max_hours=MAX_HOURS,
    parameters=PumpParameters(),
    run=simulate,
)
