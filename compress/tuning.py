"""Training a network that exists already: the windows it learns from, and the loop that compression steps share."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from vedette.errors import ModelError
from vedette.runtime.detection.signal import GAP_PERIODS, FloatArray, SignalSpec
from vedette.train.data.prepare import MIN_WINDOWS, scaled
from vedette.train.data.series import Series, complete_runs, drop_incomplete, hold, resample
from vedette.train.fit import BATCH, STEPS_PER_CALL, STEPS_PER_ROUND, VALIDATION_WINDOWS, last_row_loss
from vedette.train.model_dir import CALIBRATION, CalibrationData, ModelDir
from vedette.train.tensorflow import import_tensorflow
from vedette.train.windows import WindowEnds, evenly, gather

# Windows that a step learns from, or measures on, at most.
MOST_WINDOWS = 20_000
# Rounds without a better held-out loss before tuning stops.
PATIENCE = 3
# Told (round, rounds at most, held-out loss).
Progress = Callable[[int, int, float], None]


@dataclass(frozen=True)
class Windows:
    """Flat standardised windows ``(n, window * channels)`` and the newest row of each, ``(n, channels)``: what was
    observed, or what a network should expect."""

    inputs: FloatArray
    newest: FloatArray


@dataclass(frozen=True)
class TuningData:
    """The windows that a model directory has kept: ``learned`` to train on, ``held_out`` to know when to stop.

    A predictive network must not learn from the row that it is to expect: ``blind`` says that the row is blanked.
    """

    learned: Windows
    held_out: Windows
    blind: bool

    @classmethod
    def of(cls, model: ModelDir, data: CalibrationData) -> TuningData:
        """The windows of ``data``. Raises :class:`ModelError` where there are too few to train on."""
        parts = {
            "learned": _windows(model.signal, data.learned_rows, data.learned_times, MOST_WINDOWS),
            "held_out": _windows(model.signal, data.rows, data.times, VALIDATION_WINDOWS),
        }
        found = {name: len(windows) for name, windows in parts.items()}
        if found["learned"] < MIN_WINDOWS or not found["held_out"]:
            raise ModelError(
                f"{model.path}: expected at least {MIN_WINDOWS} windows to train on in {CALIBRATION} and one held out, "
                f"found {found['learned']} and {found['held_out']}; train again with this vedette"
            )
        channels = len(model.signal.channels)
        made = {name: Windows(windows, windows[:, -channels:]) for name, windows in parts.items()}
        return cls(**made, blind=model.model.predictive)

    @cached_property
    def channels(self) -> int:
        """Channels of the signal."""
        return int(self.learned.newest.shape[1])

    def seen(self, windows: Windows) -> FloatArray:
        """The windows as a network may see them while it trains.

        Where the newest row is blank, the weights of a dense layer that reads it get no gradient and stay zero.
        """
        if not self.blind:
            return windows.inputs
        inputs = windows.inputs.copy()
        inputs[:, -self.channels :] = 0.0
        return inputs


def _windows(
    signal: SignalSpec, rows: npt.NDArray[np.float64], times: npt.NDArray[np.float64], most: int
) -> FloatArray:
    """At most ``most`` complete windows of samples, standardised as the gateway does it, evenly spread."""
    # Without a time base, times count samples, and a step in them is where rows were left out or a file began.
    breaks = np.flatnonzero(np.diff(times) > GAP_PERIODS * signal.period_s) + 1
    series = Series(rows, times, breaks, np.empty(0, np.int64))
    if signal.resampled:
        series = resample(series, signal.period_s)
    if signal.missing == "drop":
        series = drop_incomplete(series)
    held = hold(series, signal.max_hold) if signal.missing == "hold" else series.values
    starts, stops = complete_runs(held, series.breaks)
    ends = WindowEnds.of_runs(starts, stops, signal.window, first=0, last=len(held))
    return gather(scaled(held, signal), ends[evenly(len(ends), most)], signal.window)


def tune(
    network: Any,
    data: TuningData,
    *,
    rounds: int,
    learning_rate: float,
    seed: int,
    callbacks: tuple[Any, ...] = (),
    keep_best: bool = True,
    on_progress: Progress | None = None,
) -> list[float]:
    """Train ``network`` in place to expect the newest rows of the learned windows; the losses on the held-out ones.

    The learning rate falls to nothing over the rounds (cosine; Loshchilov and Hutter 2017). With ``keep_best`` the
    weights of the round with the least held-out loss are kept, the ones before tuning among them.
    """
    _, tf_keras = import_tensorflow()
    tf_keras.utils.set_random_seed(seed)
    rng = np.random.default_rng(seed)
    inputs, held_out = data.seen(data.learned), data.seen(data.held_out)
    schedule = tf_keras.optimizers.schedules.CosineDecay(learning_rate, rounds * STEPS_PER_ROUND)
    network.compile(
        optimizer=tf_keras.optimizers.Adam(schedule),
        loss=last_row_loss(data.channels) if data.blind else "mse",
        steps_per_execution=STEPS_PER_CALL,
    )

    def judge() -> float:
        loss = float(network.evaluate(held_out, data.held_out.newest, batch_size=VALIDATION_WINDOWS, verbose=0))
        if not math.isfinite(loss):
            raise ModelError(f"the network's loss on held-out windows is {loss}, expected a number; train again")
        return loss

    best, weights, stale = (judge(), network.get_weights(), 0) if keep_best else (math.inf, None, 0)
    losses = []
    for done in range(1, rounds + 1):
        chosen = rng.integers(len(inputs), size=BATCH * STEPS_PER_ROUND)
        network.fit(
            inputs[chosen],
            data.learned.newest[chosen],
            batch_size=BATCH,
            shuffle=False,
            verbose=0,
            callbacks=list(callbacks),
        )
        losses.append(judge())
        if on_progress:
            on_progress(done, rounds, losses[-1])
        stale = 0 if losses[-1] < best else stale + 1
        if losses[-1] < best:
            best, weights = losses[-1], network.get_weights()
        if keep_best and stale == PATIENCE:
            break
    if keep_best:
        network.set_weights(weights)
    return losses
