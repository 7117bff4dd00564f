"""The numbers of the simulated pump, each with its unit, meaning and source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from vedette.train.simulators.parameters import Doc

Axes = tuple[float, float, float]

_ISO_2858 = "order of ISO 2858 size 50-32-160"
_IEC_MOTOR = "order of IEC 60034 2.2 kW 2-pole catalogue motors (frame 90L, 6205 bearings)"
_SKF_6205 = "SKF 6205 (as used in the CWRU bearing data)"
_RANDALL = "mechanism: Randall, Vibration-based Condition Monitoring; value assumed"
_MCFADDEN = "model of McFadden and Smith (1984); value assumed"
_BRENNEN = "mechanism: Brennen, Hydrodynamics of Pumps; value assumed"
_ZONE_A = "assumed, so that healthy rms stays in zone A of ISO 10816-7 (category II, up to 200 kW: 3.2 mm/s)"
_ASSUMED = "assumed"


@dataclass(frozen=True)
class PumpParameters:
    """A close-coupled centrifugal pump with a 2.2 kW two-pole induction motor on a variable-frequency drive."""

    # Pump and pipework
    rated_flow: Annotated[float, Doc("m3/h", "flow at the best efficiency point and rated speed", _ISO_2858)] = 12.5
    rated_head: Annotated[float, Doc("m", "head at the best efficiency point and rated speed", _ISO_2858)] = 32.0
    shutoff_head: Annotated[
        float, Doc("m", "head at zero flow and rated speed", "assumed: 1.1 to 1.2 times rated head")
    ] = 36.0
    static_head: Annotated[float, Doc("m", "head of the pipework at zero flow", _ASSUMED)] = 10.0
    pump_efficiency: Annotated[float, Doc("", "hydraulic efficiency at the best point", _ISO_2858)] = 0.58
    efficiency_falloff: Annotated[
        float, Doc("", "loss of efficiency per squared departure from the best flow", _ASSUMED)
    ] = 0.75
    vanes: Annotated[int, Doc("", "vanes of the impeller", "assumed; 5 to 7 are usual (Gulich, Centrifugal Pumps)")] = 6
    suction_pressure: Annotated[float, Doc("bar", "mean gauge pressure at the inlet", _ASSUMED)] = 0.30
    suction_sigma: Annotated[float, Doc("bar", "spread of the inlet pressure, correlated over 30 min", _ASSUMED)] = 0.02

    # Motor and drive
    pole_pairs: Annotated[int, Doc("", "two-pole motor", _IEC_MOTOR)] = 1
    rated_supply_hz: Annotated[float, Doc("Hz", "supply at rated speed", "IEC 60038")] = 50.0
    rated_slip: Annotated[float, Doc("", "slip at rated torque (2,892 r/min); proportional to torque", _IEC_MOTOR)] = (
        0.036
    )
    rated_power: Annotated[float, Doc("W", "shaft power of the name plate", _IEC_MOTOR)] = 2200.0
    magnetising_current: Annotated[float, Doc("A", "reactive part, constant at constant flux (V/f)", _IEC_MOTOR)] = 2.2
    torque_current: Annotated[float, Doc("A", "active part at rated torque, proportional to torque", _IEC_MOTOR)] = 3.7
    voltage_sigma: Annotated[
        float, Doc("", "spread of the line voltage, correlated over 5 min", "within EN 50160's 10 %")
    ] = 0.008
    speed_levels: Annotated[tuple[float, ...], Doc("Hz", "set-points of the drive", _ASSUMED)] = (
        35.0,
        38.0,
        41.0,
        44.0,
        47.0,
        50.0,
    )
    speed_hold: Annotated[float, Doc("s", "time between decisions of the speed controller", _ASSUMED)] = 600.0
    speed_ramp: Annotated[float, Doc("s", "duration of a linear change of speed", _ASSUMED)] = 20.0

    # Demand
    demand_base: Annotated[float, Doc("", "demand at night, as a part of the rated valve opening", _ASSUMED)] = 0.45
    demand_morning: Annotated[
        float, Doc("", "height of the morning peak at 07:30", "shape of municipal demand; assumed")
    ] = 0.45
    demand_evening: Annotated[
        float, Doc("", "height of the evening peak at 19:00", "shape of municipal demand; assumed")
    ] = 0.35
    demand_sigma: Annotated[float, Doc("", "spread of the slow load (Ornstein-Uhlenbeck, 20 min)", _ASSUMED)] = 0.05
    demand_fast_sigma: Annotated[float, Doc("", "spread of the fast load (Ornstein-Uhlenbeck, 20 s)", _ASSUMED)] = 0.015
    consumer_share: Annotated[float, Doc("", "demand of each of four consumers that switch on and off", _ASSUMED)] = (
        0.04
    )
    consumer_dwell: Annotated[float, Doc("s", "mean time between a consumer's switchings", _ASSUMED)] = 900.0

    # Bearing temperature
    ambient: Annotated[float, Doc("degC", "mean temperature of the pump room", _ASSUMED)] = 21.0
    ambient_swing: Annotated[float, Doc("K", "amplitude of its daily cycle, warmest at 15:00", _ASSUMED)] = 2.5
    ambient_sigma: Annotated[float, Doc("K", "spread of its slow variation, correlated over 1 h", _ASSUMED)] = 0.4
    load_rise: Annotated[float, Doc("K", "bearing above ambient from rated shaft power", _ASSUMED)] = 18.0
    friction_rise: Annotated[float, Doc("K", "bearing above ambient from friction at rated speed", _ASSUMED)] = 6.0
    thermal_time: Annotated[float, Doc("s", "time constant of the bearing housing, first order", _ASSUMED)] = 720.0

    # The sensor node's burst of vibration velocity
    sample_period: Annotated[float, Doc("s", "one sample of all channels", _ASSUMED)] = 2.0
    burst_rate: Annotated[
        float, Doc("Hz", "sampling rate of the burst; covers 10 to 1000 Hz of ISO 20816-1", _ASSUMED)
    ] = 2048.0
    unbalance: Annotated[Axes, Doc("mm/s", "peak at 1x at rated speed, goes with speed squared", _ZONE_A)] = (
        1.15,
        0.95,
        0.30,
    )
    misalignment: Annotated[Axes, Doc("mm/s", "peak at 2x", _ZONE_A)] = (0.35, 0.30, 0.45)
    looseness: Annotated[Axes, Doc("mm/s", "peak at 0.5x and at 3x", _ZONE_A)] = (0.08, 0.10, 0.04)
    vane_pass: Annotated[Axes, Doc("mm/s", "peak at the vane pass frequency at best flow", _ZONE_A)] = (
        0.40,
        0.40,
        0.30,
    )
    magnetic: Annotated[Axes, Doc("mm/s", "peak at twice the supply frequency", _ZONE_A)] = (0.12, 0.12, 0.03)
    turbulence: Annotated[Axes, Doc("mm/s", "rms of flow noise at rated speed and best flow", _ZONE_A)] = (
        0.30,
        0.28,
        0.34,
    )
    turbulence_hz: Annotated[float, Doc("Hz", "corner of the flow noise, first-order low-pass", _ASSUMED)] = 300.0
    off_best_flow: Annotated[
        float, Doc("", "growth of vane pass and flow noise per squared departure from best flow", _ASSUMED)
    ] = 2.0
    level_sigma: Annotated[float, Doc("", "spread of the casing's response, correlated over 40 min", _ASSUMED)] = 0.03

    # Bearing wear: an outer-race defect
    balls: Annotated[int, Doc("", "rolling elements", _SKF_6205)] = 9
    ball_diameter: Annotated[float, Doc("mm", "diameter of a ball", _SKF_6205)] = 7.94
    pitch_diameter: Annotated[float, Doc("mm", "diameter of the ball circle", _SKF_6205)] = 39.04
    contact_angle: Annotated[
        float, Doc("deg", "contact angle of a deep-groove bearing under radial load", _SKF_6205)
    ] = 0.0
    impulse_peak: Annotated[float, Doc("mm/s", "velocity of one impact at severity 1 and rated speed", _MCFADDEN)] = 7.0
    impulse_spread: Annotated[float, Doc("", "spread of the logarithm of an impact's size", _MCFADDEN)] = 0.25
    impulse_slip: Annotated[
        float,
        Doc(
            "",
            "random slip between impacts, part of the period",
            "order of Randall, Vibration-based Condition Monitoring (1 to 2 %)",
        ),
    ] = 0.01
    resonance_hz: Annotated[
        float, Doc("Hz", "housing resonance that the impacts excite", "assumed, inside the burst's band")
    ] = 780.0
    resonance_damping: Annotated[float, Doc("", "damping ratio of the resonance", _MCFADDEN)] = 0.06
    wear_axes: Annotated[Axes, Doc("", "transmission of the impacts to each axis: radial", _ASSUMED)] = (
        1.0,
        0.75,
        0.25,
    )
    wear_rise: Annotated[float, Doc("K", "further bearing temperature at severity 1 and rated speed", _ASSUMED)] = 11.0
    wear_torque: Annotated[float, Doc("", "further torque at severity 1, as a part of rated torque", _ASSUMED)] = 0.02

    # Imbalance and cavitation
    imbalance_peak: Annotated[Axes, Doc("mm/s", "further peak at 1x at severity 1 and rated speed", _RANDALL)] = (
        2.4,
        2.0,
        0.4,
    )
    cavitation_noise: Annotated[Axes, Doc("mm/s", "broadband rms at severity 1 and rated speed", _BRENNEN)] = (
        1.0,
        1.0,
        1.3,
    )
    cavitation_flicker: Annotated[float, Doc("", "spread of the logarithm of the noise, burst to burst", _BRENNEN)] = (
        0.35
    )
    cavitation_drop: Annotated[
        float, Doc("", "loss of head at severity 1", "ISO 9906 puts the onset (NPSH3) at 3 %")
    ] = 0.07
    cavitation_surge: Annotated[float, Doc("", "spread of the head at severity 1, sample to sample", _BRENNEN)] = 0.025

    # Sensors: the full-scale drift is the bias at the end of an event of severity 1
    resolution: Annotated[
        tuple[float, ...], Doc("mm/s mm/s mm/s A degC bar", "steps of the reported values", _ASSUMED)
    ] = (0.01, 0.01, 0.01, 0.01, 0.1, 0.01)
    noise: Annotated[tuple[float, ...], Doc("mm/s mm/s mm/s A degC bar", "rms of the sensors' own noise", _ASSUMED)] = (
        0.01,
        0.01,
        0.01,
        0.015,
        0.06,
        0.01,
    )
    drift: Annotated[tuple[float, ...], Doc("mm/s mm/s mm/s A degC bar", "full-scale drift", _ASSUMED)] = (
        0.8,
        0.8,
        0.8,
        1.4,
        18.0,
        1.2,
    )
