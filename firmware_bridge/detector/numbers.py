"""The constants of a detector as its C needs them: the very ones with which :mod:`vedette.runtime.detection` computes.

Times are whole milliseconds here, where the gateway has seconds: a limit becomes the number of milliseconds that draws
the same line between whole ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from vedette.errors import BundleError
from vedette.runtime.bundles.manifest import Manifest
from vedette.runtime.detection.prototypes import EXACT_VALUES, Prototypes
from vedette.runtime.detection.score_spec import ScoreSpec
from vedette.runtime.detection.signal import GAP_PERIODS, MAX_READING, STANDARDISED_LIMIT, SignalSpec
from vedette.runtime.inference.interpreter import Quantization, quantized_bounds

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

# The clock counts 2**32 milliseconds; a gap must be seen well before it wraps.
LONGEST_STEP_MS = 2**31
# Samples that come faster than every so many seconds may share a millisecond.
SHORT_PERIOD_S = 0.002
# Longer windows could overflow the int32 sums in which prototypes are compared: 3 * 128 * 128 * values.
MOST_VALUES = (2**31 - 1) // (3 * 128 * 128)
# An alert remembers so many windows, eight bytes each.
MOST_WINDOWS = 4096


@dataclass(frozen=True)
class Nearest:
    """Prototypes ``(count, window * channels)`` in steps of the network's input, and the sums ``(count,)`` of their
    squares. ``as_floats``: the gateway compares them as float32, which holds all but the farthest exactly."""

    windows: npt.NDArray[np.int8]
    squares: npt.NDArray[np.int32]
    as_floats: bool


@dataclass(frozen=True)
class Times:
    """In milliseconds. ``longest_step`` between samples and ``longest_window_step`` between windows: beyond these is a
    gap; None without a time base. ``several``: whether samples may come in one millisecond."""

    longest_step: int | None
    longest_window_step: int | None
    clear_after: int
    cooldown: int
    several: bool


@dataclass(frozen=True)
class Numbers:
    """Every number of the C but the golden windows. ``whiten`` is ``(terms, channels)``, ``weight`` and ``level``
    ``(terms,)``; ``low`` and ``high`` bound the steps of the network's input."""

    whiten: Floats
    weight: Floats
    level: Doubles
    residual_clip: np.float32
    limit: np.float32
    max_reading: np.float32
    input: Quantization
    output: Quantization
    low: int
    high: int
    nearest: Nearest | None
    times: Times


def least_bytes(manifest: Manifest) -> tuple[int, int]:
    """Bytes of flash that the numbers of a detector take, and of RAM that its arrays take; code, a hundred bytes of
    single values and the network come on top. Raises :class:`BundleError` as :func:`numbers_of`."""
    numbers, signal = numbers_of(manifest), manifest.signal
    channels, terms = len(signal.channels), len(numbers.weight)
    prototypes = numbers.nearest.windows.nbytes + numbers.nearest.squares.nbytes if numbers.nearest else 0
    # Mean and scale are doubles, what residuals are divided by are floats.
    flash = channels * (8 + 8 + 4 * terms) + prototypes
    # The window and the network's output as steps, the newest sample and the smoothed errors as floats.
    ram = channels * (signal.window + 1 + 4 + 4 * terms) + 8 * manifest.alert.span
    return flash, ram + (channels * 8 if signal.missing == "hold" else 0)


def numbers_of(manifest: Manifest) -> Numbers:
    """The numbers of a bundle's detector. Raises :class:`BundleError` for one that has no C form."""
    signal, score = manifest.signal, manifest.score
    tensors = manifest.quantization["input"], manifest.quantization["output"]
    if tensors[0] is None or tensors[1] is None:
        raise BundleError(
            "firmware needs an int8 model, found a float32 one; export it for a microcontroller's board again"
        )
    if manifest.alert.span > MOST_WINDOWS:
        raise BundleError(f"alert: firmware looks back on at most {MOST_WINDOWS} windows, found {manifest.alert.span}")
    terms = score.terms
    low, high = quantized_bounds(signal.input_clip, tensors[0])
    with np.errstate(over="ignore", divide="ignore"):
        found = Numbers(
            whiten=np.array([1.0 / np.asarray(term.residual_scale) for term in terms], np.float32),
            weight=np.array([term.smoothing for term in terms], np.float32),
            level=len(signal.channels) * np.array([term.level for term in terms]),
            residual_clip=np.float32(score.residual_clip),
            limit=np.float32(STANDARDISED_LIMIT),
            max_reading=_float_within(MAX_READING),
            input=tensors[0],
            output=tensors[1],
            low=int(low),
            high=int(high),
            nearest=_nearest(score),
            times=_times(manifest, signal),
        )
        _check(found, channels=len(signal.channels))
    return found


def _check(numbers: Numbers, *, channels: int) -> None:
    """Refuse numbers with which a score could be infinite or none: C and NumPy treat these differently."""
    clip = numbers.residual_clip
    with np.errstate(all="ignore"):
        largest = clip * clip * np.float32(channels)
        score = (1.0 + float(largest) / float(numbers.level.min())) ** 2 if math.isfinite(largest) else math.inf
    steps = [np.float32(tensor.scale) * np.float32(512) for tensor in (numbers.input, numbers.output)]
    good = (
        bool(np.isfinite(numbers.whiten).all())
        and math.isfinite(score)
        and all(np.isfinite(step) and step > np.finfo(np.float32).tiny for step in steps)
    )
    if not good:
        raise BundleError(
            "score: residual_scale, residual_clip, level or a tensor's scale are so large or small that scores "
            "could be infinite; train the detector again on data that varies"
        )


def _nearest(score: ScoreSpec) -> Nearest | None:
    if score.nearest is None:
        return None
    prototypes: Prototypes = score.nearest.prototypes
    windows = prototypes.windows().astype(np.int8)
    if windows.shape[1] > MOST_VALUES:
        raise BundleError(
            f"windows of {windows.shape[1]} values: firmware compares prototypes of at most {MOST_VALUES}"
        )
    squares = np.square(windows.astype(np.int32)).sum(axis=1, dtype=np.int32)
    return Nearest(windows, squares, as_floats=windows.shape[1] <= EXACT_VALUES)


def _times(manifest: Manifest, signal: SignalSpec) -> Times:
    """A number in the manifest means the decimal that stands there: three periods of 0.7 s are 2,100 ms."""
    policy, longest = manifest.alert, None
    if signal.sample_period_s is not None:
        longest = _milliseconds(signal.sample_period_s) * Fraction(GAP_PERIODS)
        if longest >= LONGEST_STEP_MS:
            raise BundleError(
                f"a sample every {signal.sample_period_s:g} s: a 32-bit clock of milliseconds wraps before "
                f"a gap is seen; expected at most {LONGEST_STEP_MS / GAP_PERIODS / 1000:,.0f} s; "
                "let the gateway score this signal"
            )
    return Times(
        longest_step=None if longest is None else max(1, math.floor(longest)),
        longest_window_step=None if longest is None else max(1, math.floor(longest * signal.stride)),
        clear_after=math.ceil(_milliseconds(policy.clear_after_s)),
        cooldown=math.ceil(_milliseconds(policy.cooldown_s)),
        several=signal.sample_period_s is not None and signal.sample_period_s < SHORT_PERIOD_S,
    )


def _milliseconds(seconds: float) -> Fraction:
    """Some centuries at most, which is for ever."""
    return min(Fraction(repr(float(seconds))) * 1000, Fraction(2**53))


def _float_within(value: float) -> np.float32:
    """The largest float32 that is not above it."""
    nearest = np.float32(value)
    return nearest if float(nearest) <= value else np.nextafter(nearest, np.float32(0))
