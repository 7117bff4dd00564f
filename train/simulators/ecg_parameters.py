"""The numbers of the simulated electrocardiogram, each with its unit, meaning and source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from vedette.train.simulators.parameters import Doc

Leads = tuple[float, float]

_ASSUMED = "assumed"
_MCSHARRY = "model of McSharry et al. (2003); value assumed"
_TASK_FORCE = "Task Force (1996), 5 min supine"
_NORMAL = "within normal limits (Surawicz and Knilans, Chou's Electrocardiography); assumed"
_PERSON = "assumed; drawn once per seed"
_NSTDB = "kinds of noise: Moody et al. (1984); value assumed"


@dataclass(frozen=True)
class EcgParameters:
    """A two-lead patch (lead II and V5) on a healthy adult who rests and walks."""

    sample_period: Annotated[float, Doc("s", "125 samples per second", _ASSUMED)] = 0.008

    # Rhythm
    rest_rate: Annotated[Leads, Doc("1/min", "range of the heart rate at rest", _PERSON)] = (58.0, 74.0)
    walk_rise: Annotated[float, Doc("1/min", "further rate when walking", _ASSUMED)] = 28.0
    rate_times: Annotated[Leads, Doc("s", "time constants of the rate's rise and recovery", _ASSUMED)] = (15.0, 45.0)
    rate_drift: Annotated[float, Doc("1/min", "spread of the slow change of rate, correlated over 90 s", _ASSUMED)] = (
        1.5
    )
    lf_power: Annotated[float, Doc("ms2", "power of the RR interval around 0.1 Hz (Mayer waves)", _TASK_FORCE)] = 1170.0
    hf_power: Annotated[float, Doc("ms2", "power of the RR interval at the breath", _TASK_FORCE)] = 975.0
    lf_hz: Annotated[float, Doc("Hz", "centre of the low-frequency peak", "McSharry et al. (2003)")] = 0.1
    lf_width: Annotated[float, Doc("Hz", "its spread", "McSharry et al. (2003)")] = 0.01
    breath_hz: Annotated[float, Doc("Hz", "breathing rate at rest", "McSharry et al. (2003)")] = 0.25
    walk_breath: Annotated[float, Doc("", "breathing rate when walking, as a multiple", _ASSUMED)] = 1.4
    walk_variability: Annotated[float, Doc("", "part of the variability left when walking", _ASSUMED)] = 0.5
    rest_spell: Annotated[float, Doc("s", "mean time between walks", _ASSUMED)] = 200.0
    walk_spell: Annotated[float, Doc("s", "mean duration of a walk", _ASSUMED)] = 60.0

    # A beat, as Gaussians at RR = 1 s: P Q R S, and two for the T wave, which rises slower than it falls
    wave_times: Annotated[tuple[float, ...], Doc("s", "centre of P, Q, R, S, T1, T2 from R", _MCSHARRY)] = (
        -0.160,
        -0.028,
        0.0,
        0.028,
        0.225,
        0.270,
    )
    wave_widths: Annotated[tuple[float, ...], Doc("s", "their standard deviations", _MCSHARRY)] = (
        0.022,
        0.010,
        0.011,
        0.011,
        0.052,
        0.032,
    )
    lead_ii: Annotated[tuple[float, ...], Doc("mV", "their peaks in lead II", _NORMAL)] = (
        0.14,
        -0.10,
        1.15,
        -0.22,
        0.11,
        0.20,
    )
    lead_v5: Annotated[tuple[float, ...], Doc("mV", "their peaks in V5", _NORMAL)] = (
        0.08,
        -0.12,
        1.45,
        -0.32,
        0.12,
        0.26,
    )
    wave_spread: Annotated[float, Doc("", "spread of each wave's size from person to person", _PERSON)] = 0.12
    beat_spread: Annotated[float, Doc("", "spread of each wave's size from beat to beat", _ASSUMED)] = 0.03
    qt_exponent: Annotated[float, Doc("", "the T wave's time and width go with RR to this power", "Bazett (1920)")] = (
        0.5
    )
    breath_gain: Annotated[Leads, Doc("", "modulation of each lead by the breath", _ASSUMED)] = (0.05, 0.08)
    posture_spread: Annotated[
        float, Doc("", "spread of a lead's gain between postures, held some minutes", _ASSUMED)
    ] = 0.06

    # What an electrode adds
    breath_wander: Annotated[Leads, Doc("mV", "baseline wander with the breath", "order of McSharry et al. (2003)")] = (
        0.05,
        0.08,
    )
    slow_wander: Annotated[float, Doc("mV", "spread of the slow baseline, correlated over 8 s", _NSTDB)] = 0.03
    muscle: Annotated[Leads, Doc("mV", "rms of muscle noise, 15 to 55 Hz, at rest and walking", _NSTDB)] = (0.010, 0.03)
    motion: Annotated[float, Doc("mV", "rms of electrode motion when walking, 0.7 to 6 Hz", _NSTDB)] = 0.08
    mains: Annotated[float, Doc("mV", "peak of what is left of the 50 Hz hum", _ASSUMED)] = 0.006
    jolt_every: Annotated[float, Doc("s", "mean time between jolts of an electrode at rest", _NSTDB)] = 150.0
    jolt_size: Annotated[float, Doc("mV", "size of a jolt, which decays within about a second", _NSTDB)] = 0.35
    resolution: Annotated[float, Doc("mV", "step of the reported values", "order of 5 uV per bit")] = 0.005
    full_scale: Annotated[float, Doc("mV", "where the amplifier saturates", "IEC 60601-2-47 asks for +-5 mV")] = 5.0

    # Faults
    pvc_coupling: Annotated[
        Leads, Doc("", "premature ventricular beat after this part of RR, at severity 0 and 1", _ASSUMED)
    ] = (0.80, 0.55)
    pvc_peaks: Annotated[
        Leads, Doc("mV", "peak of its QRS in each lead", "broad QRS (>= 120 ms), opposite T; value assumed")
    ] = (1.7, -1.3)
    pvc_width: Annotated[float, Doc("s", "standard deviation of its QRS, about 150 ms wide", "QRS >= 120 ms")] = 0.034
    pac_coupling: Annotated[
        Leads, Doc("", "premature atrial beat after this part of RR, at severity 0 and 1", _ASSUMED)
    ] = (0.85, 0.60)
    tachycardia_rate: Annotated[
        Leads,
        Doc("1/min", "rate of a run at severity 0 and 1", "paroxysmal supraventricular: 150 to 250; lower assumed"),
    ] = (120.0, 200.0)
    st_elevation: Annotated[
        Leads,
        Doc("mV", "ST segment in each lead at severity 1", "from 0.1 mV on: Thygesen et al. (2018); value assumed"),
    ] = (0.40, 0.32)
    off_mains: Annotated[float, Doc("mV", "hum of a loose electrode at severity 1", _ASSUMED)] = 0.6
    off_from: Annotated[float, Doc("", "severity from which an electrode is off, not loose", _ASSUMED)] = 0.6
    off_recovery: Annotated[float, Doc("s", "time constant of the amplifier's recovery", "0.5 Hz high-pass")] = 0.32
