"""The time scale of a signal, found in its autocorrelation."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

# What a window may be, and what it is where the signal does not repeat itself.
SHORTEST, LONGEST, DEFAULT = 16, 128, 64
# Rows that are looked at, the oldest ones; more change the result little and cost time.
MAX_ROWS = 20_000
# Lags of the autocorrelation that may be a period. At shorter ones the highest maximum is noise on a slow signal, at
# longer ones it is seen too seldom, or it is the slow drift of the signal; neither says anything about a window.
MAX_LAG = 400
FIRST_LAG, FIRST_PERIOD, LAST_PERIOD = 4, 6, 303


def reference_window(values: npt.NDArray[np.floating]) -> int:
    """As :func:`periodic_window`, and 64 where there is no period.

    The result depends on unlabelled data alone. Baselines are fitted with it, and it is the buffer of
    :func:`~vedette.train.evaluation.metrics.vus_pr`.

    >>> reference_window(np.sin(np.arange(2000) * 2 * np.pi / 50)), reference_window(np.ones(100))
    (50, 64)
    """
    return periodic_window(values) or DEFAULT


def periodic_window(values: npt.NDArray[np.floating]) -> int | None:
    """The samples that a window needs to span one period of a signal: 16 to 128, None where there is no period.

    ``values`` are training rows, ``(n, channels)`` or ``(n,)``; a missing value (NaN) holds the one before it. The
    first channel that varies decides. Its period is the lag of the highest local maximum of the autocorrelation, as in
    the TSB-AD benchmark (Liu and Paparrizos, NeurIPS 2024), so that the baselines get the windows that their published
    figures are made with.
    """
    rows = np.asarray(values[:MAX_ROWS], np.float64)
    for channel in rows.T if rows.ndim == 2 else rows[None]:
        column = _held(channel)
        if len(column) and np.ptp(column) > 0.0:
            return _window(column)
    return None


def _held(column: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Without what is missing before the first value, and with the last value where one is missing later."""
    known = np.isfinite(column)
    index = np.maximum.accumulate(np.where(known, np.arange(len(column)), -1))
    return column[index[index >= 0]]


def _window(column: npt.NDArray[np.float64]) -> int | None:
    correlation = autocorrelation(column, MAX_LAG)
    lags = np.arange(FIRST_LAG, len(correlation) - 1)
    here = correlation[lags]
    peaks = lags[(here > correlation[lags - 1]) & (here > correlation[lags + 1])]
    if not len(peaks):
        return None
    period = int(peaks[np.argmax(correlation[peaks])])
    return min(max(period, SHORTEST), LONGEST) if FIRST_PERIOD <= period <= LAST_PERIOD else None


def autocorrelation(values: npt.NDArray[np.float64], lags: int) -> npt.NDArray[np.float64]:
    """Correlation of ``(n,)`` values with themselves, 0 to ``lags`` samples later, at most n - 1; 1 at lag 0.

    ``values`` are not all the same. Sums are divided by n at every lag (the biased estimate), so that long lags, which
    few pairs speak for, count less.

    >>> autocorrelation(np.array([1.0, -1.0, 1.0, -1.0]), 2).round(3).tolist()
    [1.0, -0.75, 0.5]
    """
    from scipy.fft import irfft, next_fast_len, rfft

    centred = values - values.mean()
    centred /= np.abs(centred).max()  # so that no square underflows
    size = next_fast_len(2 * len(centred), real=True)
    power = np.abs(rfft(centred, size)) ** 2
    sums = irfft(power, size)[: min(lags + 1, len(centred))]
    correlation: npt.NDArray[np.float64] = sums / sums[0]
    return correlation
