"""When the heart beats, and which kind of beat it is: sinus rhythm with its variability, and its disturbances.

The RR interval has a low-frequency and a respiratory part (McSharry et al., 2003). Beats come where the integral of the
momentary rate reaches a whole number.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.signal import lfilter

from vedette.train.simulators.ecg_parameters import EcgParameters
from vedette.train.simulators.events import Event
from vedette.train.simulators.processes import BoolArray, FloatArray, Streams, spells, wander

SINUS, VENTRICULAR, ATRIAL, DROPPED, RUN = range(5)
# The rhythm is solved on this grid; what changes it is far slower.
GRID_HZ = 8.0
_LINES = 32  # sinusoids that make the low-frequency peak

# From R: where a beat's QRS may begin, and where the beat that follows may have its P wave.
BEFORE_R, BEFORE_P = 0.12, 0.24
# A run ends with a pause of this many intervals; so does a premature atrial beat, whose reset of the sinus is shorter.
RUN_PAUSE, ATRIAL_PAUSE = 1.3, 1.08


@dataclass(frozen=True)
class Body:
    """State on a grid of ``GRID_HZ``: ``rate`` in beats per second, ``breath`` the phase in radians, ``walking``."""

    rate: FloatArray
    breath: FloatArray
    walking: BoolArray

    def at(self, values: FloatArray, times: FloatArray) -> FloatArray:
        """Values of the grid at some times in seconds."""
        return np.interp(times, np.arange(len(values)) / GRID_HZ, values)


@dataclass(frozen=True)
class Beats:
    """R times in seconds, the interval before each, and the kind of each; every array ``(beats,)``."""

    times: FloatArray
    interval: FloatArray
    kind: npt.NDArray[np.int64]


def live(common: Streams, own: Streams, seconds: float, parameters: EcgParameters) -> Body:
    """Let someone rest and walk for some seconds."""
    count = int(np.ceil(seconds * GRID_HZ)) + 1
    time = np.arange(count) / GRID_HZ
    period = 1 / GRID_HZ
    walking = spells(own["walks"], count, parameters.rest_spell, parameters.walk_spell, period)

    target = parameters.walk_rise * walking
    rise, recovery = (float(np.exp(-period / constant)) for constant in parameters.rate_times)
    quick: FloatArray = lfilter([1 - rise], [1, -rise], target)
    slow: FloatArray = lfilter([1 - recovery], [1, -recovery], target)
    per_minute = common["person"].uniform(*parameters.rest_rate) + np.where(walking, quick, np.maximum(quick, slow))
    per_minute += wander(own["rate"], count, 90.0, parameters.rate_drift, period)

    pace = 1 + 0.06 * wander(own["breath"], count, 12.0, 1.0, period)
    pace *= 1 + (parameters.walk_breath - 1) * lfilter([1 - rise], [1, -rise], walking.astype(float))
    breath = 2 * np.pi * np.cumsum(parameters.breath_hz * pace) * period

    lines = own["mayer"]
    hz, phase = lines.normal(parameters.lf_hz, parameters.lf_width, _LINES), lines.uniform(0, 2 * np.pi, _LINES)
    mayer = sum(np.sin(2 * np.pi * f * time + p) for f, p in zip(hz, phase, strict=True)) / np.sqrt(_LINES / 2)
    interval_ms = np.sqrt(parameters.lf_power) * mayer + np.sqrt(2 * parameters.hf_power) * np.sin(breath)
    interval_ms *= np.where(walking, parameters.walk_variability, 1.0)
    rate = 1 / (60 / per_minute + interval_ms / 1000)
    return Body(rate, breath, walking)


def sinus(body: Body) -> FloatArray:
    """R times of an undisturbed heart, in seconds."""
    turns = np.concatenate([[0.0], np.cumsum(body.rate[:-1]) / GRID_HZ])
    return np.interp(np.arange(0.5, turns[-1]), turns, np.arange(len(turns)) / GRID_HZ)


def disturb(
    times: FloatArray, planned: tuple[Event, ...], parameters: EcgParameters
) -> tuple[Beats, tuple[Event, ...]]:
    """Change the rhythm as the planned events ask; returns the beats and the events as they came about.

    An event of one beat lasts from that beat, or where it should have been, to the P wave of the beat that follows its
    pause. Its planned rows leave room for both.
    """
    hz = 1 / parameters.sample_period
    kind = np.full(len(times), SINUS, np.int64)
    actual = []
    for event in planned:
        first = int(np.searchsorted(times, event.start / hz + 0.5))
        happen = _CHANGES.get(event.kind)
        if happen is None:
            actual.append(event)
            continue
        times, kind, begin, end = happen(times, kind, first, event, parameters)
        actual.append(replace(event, start=round(begin * hz), stop=min(round(end * hz), event.stop)))
    return Beats(times, np.diff(times, prepend=2 * times[0] - times[1]), kind), tuple(actual)


_Changed = tuple[FloatArray, npt.NDArray[np.int64], float, float]


def _ventricular(
    times: FloatArray, kind: npt.NDArray[np.int64], first: int, event: Event, parameters: EcgParameters
) -> _Changed:
    """One beat comes early; the sinus node does not notice, so the next comes when it would have."""
    times, kind = times.copy(), kind.copy()
    interval = times[first] - times[first - 1]
    times[first] = times[first - 1] + interval * np.interp(event.severity, (0, 1), parameters.pvc_coupling)
    kind[first] = VENTRICULAR
    return times, kind, times[first] - BEFORE_R, times[first + 1] - BEFORE_P


def _atrial(
    times: FloatArray, kind: npt.NDArray[np.int64], first: int, event: Event, parameters: EcgParameters
) -> _Changed:
    """One beat comes early, and the sinus node starts anew from it: all later beats are early too."""
    kind = kind.copy()
    interval = times[first] - times[first - 1]
    early = times[first - 1] + interval * np.interp(event.severity, (0, 1), parameters.pac_coupling)
    shift = times[first + 1] - (early + ATRIAL_PAUSE * interval)
    kind[first] = ATRIAL
    times = np.concatenate([times[:first], [early], times[first + 1 :] - shift])
    return times, kind, early - BEFORE_P, times[first + 1] - BEFORE_P


def _dropped(
    times: FloatArray, kind: npt.NDArray[np.int64], first: int, event: Event, parameters: EcgParameters
) -> _Changed:
    """A P wave is not conducted: no QRS follows; two in a row when the event is clear."""
    kind = kind.copy()
    lost = 2 if event.severity > parameters.off_from else 1
    kind[first : first + lost] = DROPPED
    return times, kind, times[first] - BEFORE_R, times[first + lost] - BEFORE_R


def _run(
    times: FloatArray, kind: npt.NDArray[np.int64], first: int, event: Event, parameters: EcgParameters
) -> _Changed:
    """A run of fast narrow beats; then a pause, and the sinus node goes on."""
    interval = times[first] - times[first - 1]
    fast = 60 / np.interp(event.severity, (0, 1), parameters.tachycardia_rate)
    beats = max(4, int(((event.stop - event.start) * parameters.sample_period - 1 - RUN_PAUSE * interval - 0.5) / fast))
    run = times[first - 1] + 0.6 * interval + fast * np.arange(beats)
    resumes = run[-1] + RUN_PAUSE * interval
    after = int(np.searchsorted(times, run[-1] + 0.5 * interval))
    later = times[after:] + (resumes - times[after])
    times = np.concatenate([times[:first], run, later])
    kind = np.concatenate([kind[:first], np.full(beats, RUN), kind[after:]])
    return times, kind, run[0] - BEFORE_R, resumes - BEFORE_P


_CHANGES = {"pvc": _ventricular, "pac": _atrial, "missed_beat": _dropped, "tachycardia": _run}
