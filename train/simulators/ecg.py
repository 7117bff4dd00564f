"""A two-lead wearable electrocardiogram: normal rhythm at rest and walking, then disturbed beats and bad contacts.

Each beat is a sum of Gaussian waves (McSharry et al., 2003, whose waves stand at angles of a cycle; here they stand at
times, for only the T wave moves with the rate). :mod:`~vedette.train.simulators.ecg_rhythm` says when the heart beats.
``docs/simulators.md`` explains the model and lists every parameter with its source.
"""

from __future__ import annotations

import numpy as np
from scipy.signal import butter, sosfilt

from vedette.train.simulators.ecg_parameters import EcgParameters
from vedette.train.simulators.ecg_rhythm import ATRIAL, DROPPED, RUN, VENTRICULAR, Beats, Body, disturb, live, sinus
from vedette.train.simulators.events import Event, FaultKind
from vedette.train.simulators.processes import FloatArray, Streams, in_steps, wander
from vedette.train.simulators.simulator import Part, Simulator, two_parts

PARAMETERS = EcgParameters()
HZ = 1 / PARAMETERS.sample_period
UNITS = {"ii": "mV", "v5": "mV"}
LEADS = len(UNITS)

# Single beats are planned with room for what comes before and after them; their labels are shorter.
FAULTS = (
    FaultKind("pvc", 4.0, 4.0),
    FaultKind("pac", 4.0, 4.0),
    FaultKind("missed_beat", 5.0, 5.0),
    FaultKind("tachycardia", 7.0, 13.0),
    FaultKind("st_elevation", 30.0, 36.0),
    FaultKind("electrode_off", 5.0, 12.0),
)
REST_S = 2.0
_REACH = 4.0  # standard deviations after which a Gaussian is nothing
_P, _Q, _R, _S, _T1, _T2 = range(6)


def _live(part: Part) -> tuple[FloatArray, tuple[Event, ...]]:
    """One part of a recording."""
    samples = len(part.clock)
    seconds = samples / HZ
    # Disturbed rhythms move later beats back by some seconds at most; live a little longer than is recorded.
    body = live(part.common, part.own, 1.05 * seconds + 60, PARAMETERS)
    beats, events = disturb(sinus(body), part.events, PARAMETERS)
    values = _heart(part, beats, body, events, samples)
    values += _electrodes(part.own, body, samples)
    _loosen(part.own["contact"], values, events)
    limit = PARAMETERS.full_scale
    return in_steps(np.clip(values, -limit, limit), (PARAMETERS.resolution,) * LEADS), events


def _heart(part: Part, beats: Beats, body: Body, events: tuple[Event, ...], samples: int) -> FloatArray:
    """What the heart gives each lead, ``(samples, 2)`` in mV."""
    person = part.common["waves"]
    peaks = np.array([PARAMETERS.lead_ii, PARAMETERS.lead_v5])
    peaks *= np.exp(PARAMETERS.wave_spread * person.standard_normal(peaks.shape[1]))
    kind, count = beats.kind, len(beats.times)
    size = np.exp(PARAMETERS.beat_spread * part.own["beats"].standard_normal((count, peaks.shape[1], 1)))
    amplitude = peaks.T * size  # (beats, waves, leads)

    stretch = np.clip(beats.interval, 0.3, 1.4) ** PARAMETERS.qt_exponent
    centre = np.tile(np.array(PARAMETERS.wave_times), (count, 1))
    width = np.tile(np.array(PARAMETERS.wave_widths), (count, 1))
    centre[:, _T1:] *= stretch[:, None]
    width[:, _T1:] *= stretch[:, None]

    amplitude[kind == DROPPED, _Q:] = 0
    amplitude[kind == RUN, _P] = 0  # hidden in the T wave before
    amplitude[kind == RUN, _T1:] *= 0.6
    amplitude[kind == ATRIAL, _P] *= -0.7  # from another place in the atrium
    centre[kind == ATRIAL, _P] += 0.03
    wild = kind == VENTRICULAR
    amplitude[wild] = 0
    amplitude[wild, _R] = PARAMETERS.pvc_peaks
    amplitude[wild, _S] = np.array(PARAMETERS.pvc_peaks) * 0.45  # a notch on the way down
    amplitude[wild, _T2] = np.array(PARAMETERS.pvc_peaks) * -0.32
    width[wild, _R] = width[wild, _S] = PARAMETERS.pvc_width
    centre[wild, _S] = 0.055
    centre[wild, _T2], width[wild, _T2] = 0.31, 0.055

    values = np.zeros((samples, LEADS))
    for wave in range(peaks.shape[1]):
        _add_waves(values, beats.times + centre[:, wave], width[:, wave], amplitude[:, wave])
    _elevate(values, beats, stretch, events)

    time = np.arange(samples) / HZ
    breath = np.sin(body.at(body.breath, time))
    for lead in range(LEADS):
        postures = part.own[f"posture{lead}"].normal(1, PARAMETERS.posture_spread, int(time[-1] / 60) + 2)
        values[:, lead] *= np.interp(time, 60.0 * np.arange(len(postures)), postures)
        values[:, lead] *= 1 + PARAMETERS.breath_gain[lead] * breath
        values[:, lead] += PARAMETERS.breath_wander[lead] * np.sin(body.at(body.breath, time) + 0.8)
    return values


def _add_waves(values: FloatArray, centre: FloatArray, width: FloatArray, amplitude: FloatArray) -> None:
    """Add one Gaussian per beat: ``centre`` and ``width`` ``(beats,)`` in seconds, ``amplitude`` ``(beats, leads)``."""
    reach = int(np.ceil(_REACH * width.max() * HZ))
    rows = np.round(centre * HZ).astype(np.int64)[:, None] + np.arange(-reach, reach + 1)
    shape = np.exp(-0.5 * ((rows / HZ - centre[:, None]) / width[:, None]) ** 2)
    inside = (rows >= 0) & (rows < len(values))
    for lead in range(LEADS):
        weights = (shape * amplitude[:, lead, None])[inside]
        values[:, lead] += np.bincount(rows[inside], weights, len(values))


def _elevate(values: FloatArray, beats: Beats, stretch: FloatArray, events: tuple[Event, ...]) -> None:
    """Raise the ST segment of the beats in an event: a plateau from the end of QRS into the T wave."""
    reach = np.arange(round(0.45 * HZ))
    for event in events:
        if event.kind != "st_elevation":
            continue
        inside = (beats.times > event.start / HZ) & (beats.times + 0.4 < event.stop / HZ)
        for when, longer in zip(beats.times[inside], stretch[inside], strict=True):
            rows = round(when * HZ) + reach
            rows = rows[rows < len(values)]
            since = rows / HZ - when
            plateau = 1 / (1 + np.exp(-(since - 0.045) / 0.006)) / (1 + np.exp((since - 0.27 * longer) / 0.025))
            onset = np.clip((when - event.start / HZ) / 4, 0, 1)  # fully there after four seconds
            values[rows] += onset * event.severity * np.outer(plateau, PARAMETERS.st_elevation)


def _electrodes(own: Streams, body: Body, samples: int) -> FloatArray:
    """What the electrodes add, ``(samples, 2)`` in mV: muscle, motion, slow baseline, hum, jolts."""
    time = np.arange(samples) / HZ
    walking = body.at(body.walking.astype(float), time)[:, None]
    muscle = _band(own["muscle"], samples, 15.0, 55.0) * np.interp(walking, (0, 1), PARAMETERS.muscle)
    motion = _band(own["motion"], samples, 0.7, 6.0) * walking * PARAMETERS.motion
    both = own["shared"].standard_normal()
    hum = PARAMETERS.mains * np.sin(2 * np.pi * 50 * time + both)
    values = muscle + motion + hum[:, None]
    jolts = own["jolts"]
    for lead in range(LEADS):
        values[:, lead] += wander(own[f"slow{lead}"], samples, 8.0, PARAMETERS.slow_wander, PARAMETERS.sample_period)
        for when in np.cumsum(jolts.exponential(PARAMETERS.jolt_every * LEADS, int(time[-1] / 60) + 8)):
            since = time[round(when * HZ) : round((when + 4) * HZ)] - when
            size, decay = PARAMETERS.jolt_size * jolts.normal(), jolts.uniform(0.3, 0.8)
            values[round(when * HZ) : round(when * HZ) + len(since), lead] += (
                size * np.exp(-np.maximum(since, 0) / decay) * np.minimum(np.maximum(since, 0) / 0.05, 1)
            )
    return values


def _band(rng: np.random.Generator, samples: int, low: float, high: float) -> FloatArray:
    """Noise of unit rms within a band, ``(samples, 2)``."""
    sos = butter(2, (low, high), "bandpass", fs=HZ, output="sos")
    noise: FloatArray = sosfilt(sos, rng.standard_normal((samples, LEADS)), axis=0)
    noise /= np.sqrt(2 * (high - low) / HZ)
    return noise


def _loosen(rng: np.random.Generator, values: FloatArray, events: tuple[Event, ...]) -> None:
    """Let the electrode of one lead, or both, come off: loose contact, or an open input at the rail."""
    time = np.arange(len(values)) / HZ
    for event in events:
        if event.kind != "electrode_off":
            continue
        off = event.severity > PARAMETERS.off_from
        leads = range(LEADS) if off and rng.random() < 0.5 else [int(rng.integers(LEADS))]
        recovery = round(4 * PARAMETERS.off_recovery * HZ)
        rows = slice(event.start, event.stop - recovery)
        length = rows.stop - rows.start
        hum = PARAMETERS.off_mains * event.severity * np.sin(2 * np.pi * 50 * time[rows] + rng.uniform(0, 2 * np.pi))
        for lead in leads:
            if off:
                rail = rng.choice((-1.0, 1.0)) * 0.9 * PARAMETERS.full_scale
                level = rail * (1 - np.exp(-np.arange(length) / HZ / 0.15))
                values[rows, lead] = level + hum
                back = np.exp(-np.arange(recovery) / HZ / PARAMETERS.off_recovery)
                values[rows.stop : event.stop, lead] += level[-1] * back
            else:
                rub = wander(rng, length, 0.1, 0.25 * event.severity, PARAMETERS.sample_period)
                values[rows, lead] = values[rows, lead] * (1 - event.severity) + hum + rub


SIMULATOR = Simulator(
    title="a two-lead wearable electrocardiogram",
    units=UNITS,
    faults=tuple(kind.name for kind in FAULTS),
    period_s=PARAMETERS.sample_period,
    train_hours=0.4,
    test_hours=0.4,
    max_hours=24.0,
    parameters=PARAMETERS,
    run=two_parts(_live, channels=tuple(UNITS), faults=FAULTS, period_s=PARAMETERS.sample_period, rest_s=REST_S),
)
