"""From a table to what a model learns from: missing values held, channels scaled, windows that cross no gap."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from vedette.errors import DataError
from vedette.runtime.bundles.manifest import MAX_WINDOW
from vedette.runtime.detection.signal import GAP_PERIODS, FloatArray, SignalSpec
from vedette.train.config import SignalConfig
from vedette.train.data.sampling import examine
from vedette.train.data.scaling import channels
from vedette.train.data.series import Series, complete_runs, drop_incomplete, hold, resample
from vedette.train.data.table import Recording, Table
from vedette.train.data.table_store import RowStore, spans
from vedette.train.data.tidy import tidy
from vedette.train.windows import WindowEnds, default_window

# The last part of the normal data is never trained on: it stops training early and calibrates the threshold.
HELD_OUT = 0.2
# Fewer windows than this teach nothing that would hold tomorrow.
MIN_WINDOWS = 50
# Standardised inputs are clipped here: a reading far outside the training range says no more by being farther.
INPUT_CLIP = 6.0


@dataclass(frozen=True)
class NormalData:
    """Normal data, ready to train on.

    ``rows`` is ``(n, channels)`` in sensor units with missing values held, NaN where that was not possible;
    ``scaled`` is ``(n, channels)`` float32, standardised and clipped. ``train_ends`` and ``held_out_ends`` are the
    last rows of windows that are complete. ``held_out`` is the samples, as the gateway would get them, from the first
    held-out row on, ``learned`` those before. Large arrays are read-only maps of temporary files.
    """

    signal: SignalSpec
    rows: npt.NDArray[np.float64]
    scaled: FloatArray
    train_ends: WindowEnds
    held_out_ends: WindowEnds
    learned: Table
    held_out: Table
    notes: tuple[str, ...]


def prepare(table: Table, config: SignalConfig) -> NormalData:
    """Scale a table of normal data and find its windows.

    Rows that are labelled 1 or late are left out, and windows do not reach across them, nor across gaps. Samples at
    irregular times are put on a grid. Raises :class:`DataError` where too little is left.
    """
    window = config.window or default_window(len(table.channels), len(table))
    sampling = examine(table, config)
    if config.missing == "fail":
        _check_no_missing(table)
    samples, notes = tidy(table, sampling.period_s)
    period, series = sampling.period_s, samples
    if sampling.resampled and period:
        series = resample(samples, period)
    max_hold = window
    if config.max_gap_s:
        max_hold = max(1, round(min(config.max_gap_s / (period or 1.0), MAX_WINDOW)))
    if config.missing == "drop":
        series = drop_incomplete(series)
        samples = series if not sampling.resampled else samples
    rows = hold(series, max_hold) if config.missing == "hold" else series.values
    if len(rows) < window:
        labelled = 0 if table.label is None else int(np.count_nonzero(table.label))
        left_out = f" ({labelled} are labelled 1, anomalous)" if labelled else ""
        raise DataError(
            f"expected at least one window of {window} samples, found {len(rows)} usable rows of {len(table)}"
            f"{left_out}; record more normal data or set a shorter signal.window"
        )
    held_from = int(len(rows) * (1 - HELD_OUT))
    starts, stops = complete_runs(rows, series.breaks)
    train_ends = WindowEnds.of_runs(starts, stops, window, first=0, last=held_from)
    held_out_ends = WindowEnds.of_runs(starts, stops, window, first=held_from + window, last=len(rows))
    found, channel_notes = channels(table.channels, rows, held_from, config.units or {})
    if len(train_ends) < MIN_WINDOWS or len(held_out_ends) < 1:
        raise DataError(
            f"expected at least {MIN_WINDOWS} complete windows of {window} samples to train on and one to "
            f"calibrate with, found {len(train_ends)} and {len(held_out_ends)} in {len(table)} rows; "
            "record more normal data or set a shorter signal.window"
        )
    signal = SignalSpec(
        channels=found,
        window=window,
        stride=config.stride,
        sample_period_s=period,
        timestamp=table.timestamp,
        missing=config.missing,
        max_hold=max_hold,
        input_clip=INPUT_CLIP,
        resampled=sampling.resampled,
    )
    first = _first_held_out(samples, series, held_from, signal)
    return NormalData(
        signal=signal,
        rows=rows,
        scaled=scaled(rows, signal),
        train_ends=train_ends,
        held_out_ends=held_out_ends,
        learned=_part(table, samples, slice(0, first), signal),
        held_out=_part(table, samples, slice(first, len(samples)), signal),
        notes=(*table.notes, *sampling.notes, *notes, *channel_notes),
    )


def _check_no_missing(table: Table) -> None:
    for span in spans(table.values):
        missing = np.isnan(table.values[span])
        if table.label is not None:
            missing = missing & (table.label[span] == 0)[:, None]
        missing = np.argwhere(missing)
        if len(missing):
            row, column = missing[0]
            where = table.where(int(row) + span.start)
            raise DataError(f'no value for {table.channels[column]} in {where}; missing = "fail" is set')


def scaled(rows: npt.NDArray[np.float64], signal: SignalSpec) -> FloatArray:
    """Rows ``(n, channels)`` in sensor units as the model sees them: standardised, clipped, 0 where none is known."""
    store = RowStore(rows.shape[1], np.float32)
    for span in spans(rows):
        store.append(np.clip(np.nan_to_num(signal.standardise(rows[span])), -signal.input_clip, signal.input_clip))
    return store.finish()


def _first_held_out(samples: Series, series: Series, held_from: int, signal: SignalSpec) -> int:
    """The first sample of the held-out rows."""
    if not signal.resampled or samples.times is None or series.times is None:
        return held_from
    # The row of a grid is made of the samples of the period before its time.
    return int(np.searchsorted(samples.times, series.times[held_from] - signal.period_s, side="right"))


def _part(table: Table, samples: Series, part: slice, signal: SignalSpec) -> Table:
    """A part of the samples, as a table."""
    times = None if samples.times is None else samples.times[part]
    breaks = samples.breaks[(samples.breaks > part.start) & (samples.breaks < part.stop)] - part.start
    count = part.stop - part.start
    if times is None and len(breaks):
        # Without times of their own, breaks show as gaps in those that count the rows.
        gaps = np.searchsorted(breaks, np.arange(count), side="right") * GAP_PERIODS
        times = (np.arange(count) + gaps) * signal.period_s
    return replace(
        table, values=samples.values[part], times=times, label=None, recordings=(Recording("", 0),), notes=()
    )
