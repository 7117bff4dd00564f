"""From a table to what a model learns from: missing values held, channels scaled, windows that cross no gap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vedette.errors import ConfigError, DataError, nearest
from vedette.runtime.manifest import MAX_WINDOW
from vedette.runtime.signal import Channel, FloatArray, SignalSpec
from vedette.runtime.stream import GAP_PERIODS
from vedette.train.config import SignalConfig
from vedette.train.data import Table

# The last part of the normal data is never trained on: it stops training early and calibrates the threshold.
HELD_OUT = 0.2
# Fewer windows than this teach nothing that would hold tomorrow.
MIN_WINDOWS = 50
# Standardised inputs are clipped here: a reading far outside the training range says no more by being farther.
INPUT_CLIP = 6.0
# A spread below this part of the channel's magnitude is rounding, not signal: the channel counts as constant.
CONSTANT = 1e-9
# ... and so is everything below this.
SMALLEST = 1e-30


@dataclass(frozen=True)
class NormalData:
    """Normal data, ready to train on.

    ``rows`` is ``(n, channels)`` in sensor units with missing values held, NaN where that was not possible;
    ``scaled`` is ``(n, channels)`` float32, standardised and clipped. ``train_ends`` and ``held_out_ends`` index the
    last rows of windows that are complete. ``held_out`` is the table's part from the first held-out row on.
    """

    signal: SignalSpec
    rows: npt.NDArray[np.float64]
    scaled: FloatArray
    train_ends: npt.NDArray[np.int64]
    held_out_ends: npt.NDArray[np.int64]
    held_out: Table
    notes: tuple[str, ...]


def prepare(table: Table, config: SignalConfig) -> NormalData:
    """Scale a table of normal data and find its windows.

    Rows that are labelled 1 or late are left out, and windows do not reach across them. Raises :class:`DataError` where
    too little is left.
    """
    notes = list(table.notes)
    broken = _breaks(table)
    keep: npt.NDArray[np.bool_] = np.logical_not(table.late)
    if not keep.all():
        notes.append(f"{int((~keep).sum())} rows are not newer than the row before them and are left out")
    if table.label is not None and table.label.any():
        notes.append(f"{int(table.label.sum())} rows are labelled 1 and are left out")
        broken = np.logical_or(broken, table.label == 1)
        keep = np.logical_and(keep, table.label == 0)
    broken, kept = _carry(broken, keep), table.select(keep)
    if config.missing == "fail" and np.isnan(kept.values).any():
        row, column = np.argwhere(np.isnan(kept.values))[0]
        raise DataError(f'no value for {table.channels[column]} in row {row + 1}; missing = "fail" is set')
    period = config.sample_period_s or kept.sample_period_s
    max_hold = config.window
    if config.max_gap_s:
        max_hold = max(1, round(min(config.max_gap_s / (period or 1.0), MAX_WINDOW)))
    rows = _hold(kept.values, max_hold if config.missing == "hold" else 0, broken)
    complete: npt.NDArray[np.bool_] = np.logical_and.reduce(np.isfinite(rows), axis=1)
    if config.missing == "drop":
        broken, rows, kept = _carry(broken, complete), rows[complete], kept.select(complete)
        complete = np.ones(len(rows), bool)
    if len(rows) < config.window:
        raise DataError(
            f"expected at least one window of {config.window} samples, found {len(rows)} usable rows of {len(table)}; "
            "record more normal data or set a shorter signal.window"
        )
    held_from = int(len(rows) * (1 - HELD_OUT))
    channels, channel_notes = _channels(table.channels, rows[:held_from], config.units or {})
    signal = SignalSpec(
        channels=channels,
        window=config.window,
        stride=config.stride,
        sample_period_s=period,
        timestamp=table.timestamp,
        missing=config.missing,
        max_hold=max_hold,
        input_clip=INPUT_CLIP,
    )
    ends = _window_ends(complete, broken, config.window)
    train_ends, held_out_ends = ends[ends < held_from], ends[ends >= held_from + config.window]
    if len(train_ends) < MIN_WINDOWS or len(held_out_ends) < 1:
        raise DataError(
            f"expected at least {MIN_WINDOWS} complete windows of {config.window} samples to train on and one to "
            f"calibrate with, found {len(train_ends)} and {len(held_out_ends)} in {len(table)} rows; "
            "record more normal data or set a shorter signal.window"
        )
    scaled = np.clip(np.nan_to_num(signal.standardise(rows)), -INPUT_CLIP, INPUT_CLIP)
    held_out = kept.select(np.arange(len(kept)) >= held_from)
    return NormalData(signal, rows, scaled, train_ends, held_out_ends, held_out, (*notes, *channel_notes))


def _channels(
    names: tuple[str, ...], rows: npt.NDArray[np.float64], units: dict[str, str]
) -> tuple[tuple[Channel, ...], list[str]]:
    """Mean and spread per channel. A constant channel is scaled by its magnitude, at most 1, so that a move shows."""
    for name in units:
        if name not in names:
            raise ConfigError(f'signal.units: no channel "{name}"; {nearest(name, names)}')
    channels, notes = [], []
    for i, name in enumerate(names):
        values = rows[np.isfinite(rows[:, i]), i]
        if not len(values):
            raise DataError(f'channel "{name}" has no value in the training part of the data; take it out')
        mean, spread, magnitude = float(values.mean()), float(values.std()), float(np.abs(values).max())
        if spread <= max(CONSTANT * magnitude, SMALLEST):
            notes.append(f'channel "{name}" is constant ({mean:g}); any later move counts as evidence')
            spread = min(1.0, magnitude) if magnitude > SMALLEST else 1.0
        channels.append(Channel(name, mean, spread, float(values.min()), float(values.max()), units.get(name)))
    if len(notes) == len(channels):
        raise DataError(f"every channel is constant ({', '.join(names[:5])}); there is nothing to learn from")
    return tuple(channels), notes


def _breaks(table: Table) -> npt.NDArray[np.bool_]:
    """Rows ``(n,)`` before which the series is interrupted."""
    broken = np.zeros(len(table), bool)
    period = table.sample_period_s
    if table.times is not None and period:
        broken[1:] = np.diff(table.times) > GAP_PERIODS * period
    return broken


def _carry(broken: npt.NDArray[np.bool_], keep: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Interruptions of the kept rows: one that falls on a row that is left out moves to the next kept row."""
    kept = np.flatnonzero(keep)
    before = np.concatenate([[0], np.cumsum(broken)])
    return np.diff(before[kept + 1], prepend=0) > 0


def _hold(values: npt.NDArray[np.float64], max_hold: int, broken: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Fill NaN with the last value of the channel, for at most ``max_hold`` rows and not across an interruption."""
    rows = np.arange(len(values))
    start = np.maximum.accumulate(np.where(broken, rows, 0))
    filled = values.copy()
    for column in filled.T:
        seen = np.maximum.accumulate(np.where(np.isfinite(column), rows, -1))
        usable = (seen >= start) & (rows - seen <= max_hold)
        column[usable] = column[seen[usable]]
    return filled


def _window_ends(complete: npt.NDArray[np.bool_], broken: npt.NDArray[np.bool_], window: int) -> npt.NDArray[np.int64]:
    """Rows that end a window of complete rows without an interruption inside."""
    rows = np.arange(len(complete))
    start = np.maximum.accumulate(np.where(complete, np.where(broken, rows, 0), rows + 1))
    return np.flatnonzero(rows - start >= window - 1)
