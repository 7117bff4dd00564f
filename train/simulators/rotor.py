"""Vibration of a rotating machine: short bursts of casing velocity on three axes, and their rms.

The harmonics are shaft-locked; bearing wear is a train of impacts at the outer-race frequency that ring a housing
resonance (McFadden and Smith, 1984); cavitation is broadband noise. Axes are horizontal, vertical (both radial) and
axial; every velocity is in mm/s.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
from scipy.signal import lfilter

from vedette.train.simulators.pump_parameters import PumpParameters

FloatArray = npt.NDArray[np.float64]
BurstArray = npt.NDArray[np.float32]

COARSE, FINE = 16, 16
BURST = COARSE * FINE
CHUNK = 1024
AXES = 3

_PAD = 64  # room before and after a burst for impacts that begin or ring outside it
_RING = 48  # samples until an impact has died away: 1/1000 at the default damping


@dataclass(frozen=True)
class RotorState:
    """What drives the vibration at each sample; every array has shape ``(n,)``.

    ``shaft_hz`` and ``supply_hz`` are frequencies, ``speed`` is the shaft's speed as a part of the rated one,
    ``flow_ratio`` the flow as a part of the best flow at this speed, ``level`` the casing's slow response (about 1).
    ``wear``, ``imbalance`` and ``cavitation`` are fault severities, 0 in a healthy machine.
    """

    shaft_hz: FloatArray
    supply_hz: FloatArray
    speed: FloatArray
    flow_ratio: FloatArray
    level: FloatArray
    wear: FloatArray
    imbalance: FloatArray
    cavitation: FloatArray

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.shaft_hz)

    def __getitem__(self, rows: slice) -> RotorState:
        """Return the state of some rows."""
        return RotorState(**{item.name: getattr(self, item.name)[rows] for item in fields(self)})


def bpfo_order(parameters: PumpParameters) -> float:
    """Ball-pass frequency of the outer race as a multiple of shaft speed: ``z/2 (1 - d/D cos a)``."""
    ratio = parameters.ball_diameter / parameters.pitch_diameter
    return parameters.balls / 2 * (1 - ratio * float(np.cos(np.radians(parameters.contact_angle))))


def velocity_bursts(rng: np.random.Generator, state: RotorState, parameters: PumpParameters) -> BurstArray:
    """Synthesise one burst per sample, shape ``(n, 3, 256)``, at ``parameters.burst_rate``."""
    bursts = _harmonics(rng, state, parameters)
    bursts += _noise(rng, state, parameters)
    worn = np.flatnonzero(state.wear > 0)
    if len(worn):
        impacts = _impacts(rng, state, worn, parameters)
        bursts[worn] += np.array(parameters.wear_axes, np.float32)[:, None] * impacts[:, None, :]
    bursts *= state.level.astype(np.float32)[:, None, None]
    return bursts


def velocity_rms(
    rng: np.random.Generator,
    state: RotorState,
    parameters: PumpParameters,
    advance: Callable[[int], None] | None = None,
) -> FloatArray:
    """Rms of each burst, shape ``(n, 3)``; ``advance`` is told how many samples each chunk had."""
    rms = np.empty((len(state), AXES))
    for start in range(0, len(state), CHUNK):
        rows = slice(start, min(start + CHUNK, len(state)))
        bursts = velocity_bursts(rng, state[rows], parameters)
        rms[rows] = np.sqrt(np.einsum("nat,nat->na", bursts, bursts) / BURST)
        if advance is not None:
            advance(rows.stop - rows.start)
    return rms


def _off_best(state: RotorState, parameters: PumpParameters) -> FloatArray:
    """Growth of the flow's excitation away from the best efficiency point."""
    return 1 + parameters.off_best_flow * (state.flow_ratio - 1) ** 2


def _harmonics(rng: np.random.Generator, state: RotorState, parameters: PumpParameters) -> BurstArray:
    """Sum the sinusoids: 0.5x, 1x, 2x, 3x, vane pass, twice the supply."""
    orders = np.array([0.5, 1, 2, 3, parameters.vanes])
    hz = np.column_stack([state.shaft_hz[:, None] * orders, 2 * state.supply_hz])
    peaks = np.array(
        [
            parameters.looseness,
            parameters.unbalance,
            parameters.misalignment,
            parameters.looseness,
            parameters.vane_pass,
            parameters.magnetic,
        ]
    )
    square = state.speed**2
    ones = np.ones_like(square)
    growth = np.column_stack([square, square, square, square, square * _off_best(state, parameters), ones])
    amplitude = growth[:, None, :] * peaks.T
    amplitude[:, :, 1] += np.outer(state.imbalance * square, parameters.imbalance_peak)

    # Bursts start at any shaft angle. Harmonics keep their phase to it, the supply does not; y lags x by a quarter.
    angle = rng.uniform(0, 2 * np.pi, (len(state), 2))
    start = np.column_stack([angle[:, :1] * orders, angle[:, 1:]])
    lag = np.array([0, -np.pi / 2, np.pi / 3])
    phasor = (amplitude * np.exp(1j * (start[:, None, :] + lag[:, None]))).astype(np.complex64)

    # e^(iw(16a+b)) = e^(iw16a) e^(iwb): 32 exponentials for 256 points, and one small matrix product per burst.
    step = 2j * np.pi * hz[:, None, :] / parameters.burst_rate
    coarse = np.exp(step * (FINE * np.arange(COARSE))[:, None]).astype(np.complex64)
    fine = np.exp(step * np.arange(FINE)[:, None]).astype(np.complex64)
    left = np.conj(phasor[:, :, None, :] * coarse[:, None]).view(np.float32)
    right = fine.view(np.float32)
    count = len(state)
    product: BurstArray = left.reshape(count, AXES * COARSE, -1) @ right.reshape(count, FINE, -1).transpose(0, 2, 1)
    return product.reshape(count, AXES, BURST)


def _noise(rng: np.random.Generator, state: RotorState, parameters: PumpParameters) -> BurstArray:
    """Flow noise below ``turbulence_hz`` and, when cavitating, broadband noise that flickers."""
    count = len(state)
    pole = float(np.exp(-2 * np.pi * parameters.turbulence_hz / parameters.burst_rate))
    gain = np.array([np.sqrt(1 - pole**2)], np.float32)
    white = rng.standard_normal((count, AXES, BURST), np.float32)
    flow: BurstArray = lfilter(gain, np.array([1, -pole], np.float32), white)
    rms = np.outer(state.speed**2 * _off_best(state, parameters), parameters.turbulence)
    flow *= rms.astype(np.float32)[:, :, None]

    flicker = np.exp(parameters.cavitation_flicker * rng.standard_normal(count))
    cavitating = np.flatnonzero(state.cavitation > 0)
    if len(cavitating):
        size = (state.cavitation * state.speed**2 * flicker)[cavitating]
        collapse = rng.standard_normal((len(cavitating), AXES, BURST), np.float32)
        flow[cavitating] += collapse * np.outer(size, parameters.cavitation_noise).astype(np.float32)[:, :, None]
    return flow


def _impacts(
    rng: np.random.Generator, state: RotorState, worn: npt.NDArray[np.intp], parameters: PumpParameters
) -> BurstArray:
    """Impacts at the outer-race frequency, each ringing the resonance; shape ``(worn, 256)``."""
    rate = parameters.burst_rate
    period = rate / (bpfo_order(parameters) * state.shaft_hz[worn])  # in samples of the burst
    number = int(np.ceil(BURST / period.min())) + 4
    jitter = 1 + parameters.impulse_slip * rng.standard_normal((len(worn), number))
    begin = -period * (1 + rng.uniform(0, 1, len(worn)))
    moments = begin[:, None] + np.cumsum(period[:, None] * jitter, axis=1) - period[:, None]
    size = np.exp(parameters.impulse_spread * rng.standard_normal((len(worn), number)))
    size *= (parameters.impulse_peak * state.wear * state.speed)[worn][:, None]

    omega = 2 * np.pi * parameters.resonance_hz
    damping = parameters.resonance_damping
    decay = (-damping * omega + 1j * omega * np.sqrt(1 - damping**2)) / rate
    first = np.clip(np.ceil(moments).astype(np.intp), -_PAD, BURST)
    onset = size * np.exp(decay * np.clip(first - moments, 0, 1))
    ring = np.exp(decay * np.arange(_RING))
    padded = np.zeros((len(worn), BURST + 2 * _PAD), np.float32)
    rows = np.arange(len(worn))[:, None]
    for impact in range(number):
        columns = first[:, impact, None] + (_PAD + np.arange(_RING))
        padded[rows, columns] += (onset[:, impact, None] * ring).imag.astype(np.float32)
    return padded[:, _PAD : _PAD + BURST]
