"""Training a network that exists already: the windows are those of training, and the best weights are kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import numpy.typing as npt
import pytest
from small import Case
from tiny import SCORE

from vedette.compress import tuning
from vedette.compress.compress import Workshop
from vedette.compress.network import rebuilt
from vedette.compress.tuning import TuningData, tune
from vedette.errors import ModelError
from vedette.runtime.alerting.alerts import AlertPolicy
from vedette.train import pipeline
from vedette.train.config import ModelConfig, SignalConfig, ThresholdConfig
from vedette.train.data.prepare import NormalData, prepare
from vedette.train.data.table import Recording, Table
from vedette.train.model_dir import CalibrationData, ModelDir
from vedette.train.representative import weighted
from vedette.train.windows import WindowEnds, gather

Rows = npt.NDArray[np.float64]
WINDOW, COUNT = 16, 1500
NAN = float("nan")


def noise(count: int = COUNT) -> Rows:
    """Two channels of noise: any two windows of it are different."""
    return np.random.default_rng(3).normal(size=(count, 2))


def seconds(count: int = COUNT, period_s: float = 2.0) -> Rows:
    return np.arange(count) * period_s


def table(values: Rows, times: Rows | None, **more: Any) -> Table:
    timestamp = None if times is None else "time"
    return Table(("a", "b"), values, timestamp, times, more.pop("label", None), "0" * 64, (), **more)


def prepared(found: Table, **config: Any) -> NormalData:
    return prepare(found, SignalConfig(**{"window": WINDOW, **config}))


def opened(data: NormalData, *, predictive: bool = True) -> tuple[ModelDir, CalibrationData]:
    """The model directory that training would make of prepared data, and what it keeps."""
    model = ModelDir(
        path=Path("pump"),
        name="pump",
        version="1",
        sequence=1,
        model=ModelConfig(predictive=predictive),
        threshold=ThresholdConfig(),
        alert=AlertPolicy(2, 60.0, 0.0),
        signal=data.signal,
        score=SCORE,
        calibration={},
        provenance={},
    )
    # Those for quantization need a network, and are not what is tuned on.
    with patch.object(pipeline, "covering", lambda head, windows, clip: windows[:1]):
        return model, pipeline._calibration_data(data, None)


def every(data: NormalData, ends: WindowEnds) -> npt.NDArray[np.float32]:
    return gather(data.scaled, ends[np.arange(len(ends))], WINDOW)


def missing_values() -> Rows:
    """Single values, a whole row, and more rows than may be held, at the begin and in the middle."""
    values = noise()
    values[::37, 1] = NAN
    values[100] = NAN
    values[700 : 700 + 2 * WINDOW, 0] = NAN
    values[:3, 1] = NAN
    return values


def without(times: Rows, *gaps: slice) -> npt.NDArray[np.bool_]:
    kept = np.ones(len(times), bool)
    for gap in gaps:
        kept[gap] = False
    return kept


def irregular() -> Rows:
    steps = np.random.default_rng(5).choice([1.0, 2.0, 3.5], COUNT)
    steps[[400, 900]] = 500.0
    return np.cumsum(steps)


GAPS = without(seconds(), slice(300, 320), slice(800, 802), slice(1000, 1100))
LABELLED = (np.arange(COUNT) % 400 > 390).astype(np.int8)
# How data may lie: the table, and what the project says about it.
TABLES: dict[str, tuple[Table, dict[str, Any]]] = {
    "even": (table(noise(), seconds()), {}),
    "without times": (table(noise(), None), {}),
    "without times but with a period": (table(noise(), None), {"sample_period_s": 2.0}),
    "gaps": (table(noise()[GAPS], seconds()[GAPS]), {}),
    "missing values, held": (table(missing_values(), seconds()), {}),
    "missing values, held for a moment": (table(missing_values(), seconds()), {"max_gap_s": 4.0}),
    "missing values, held, without times": (table(missing_values(), None), {}),
    "single missing rows, dropped": (table(np.where(np.arange(COUNT)[:, None] % 37, noise(), NAN), seconds()),
                                     {"missing": "drop"}),
    "missing values, dropped, without times": (table(missing_values(), None), {"missing": "drop"}),
    "missing values and gaps, dropped": (table(missing_values()[GAPS], seconds()[GAPS]), {"missing": "drop"}),
    "labelled rows": (table(noise(), seconds(), label=LABELLED), {}),
    "labelled rows without times": (table(noise(), None, label=LABELLED), {}),
    "two files without times": (table(noise(), None, recordings=(Recording("a", 0), Recording("b", 700))), {}),
    "two files whose times begin anew": (
        table(
            noise(), np.concatenate([seconds(700), seconds(800)]), recordings=(Recording("a", 0), Recording("b", 700))
        ),
        {},
    ),
    "irregular times on a grid": (table(noise(), irregular()), {"resample": True}),
    "missing values at irregular times on a grid": (table(missing_values(), irregular()), {"resample": True}),
    "even times on a coarser grid": (table(noise(), seconds()), {"resample": True, "sample_period_s": 4.0}),
}  # fmt: skip


@pytest.mark.parametrize("what", TABLES)
def test_the_windows_are_those_of_training(what: str) -> None:
    found, config = TABLES[what]
    data = prepared(found, **config)
    kept = TuningData.of(*opened(data))
    trained = {window.tobytes() for window in every(data, data.train_ends)}
    learned = {window.tobytes() for window in kept.learned.inputs}
    assert learned <= trained, f"{len(learned - trained)} windows were never trained on"
    # On a grid, the row at the border is made of samples of both parts. Rows that were dropped leave a gap in the times
    # of those that are kept, which the gateway does not cross either.
    dropped = data.signal.missing == "drop" and data.signal.sample_period_s is not None
    assert len(trained - learned) < (WINDOW if data.signal.resampled or dropped else 1)
    held_out = {window.tobytes() for window in every(data, data.held_out_ends)}
    assert held_out <= {window.tobytes() for window in kept.held_out.inputs}
    assert not learned & held_out


def test_the_newest_row_is_what_was_observed_and_is_blanked_where_it_is_to_be_predicted() -> None:
    data = prepared(table(noise(), seconds()))
    for predictive in (True, False):
        kept = TuningData.of(*opened(data, predictive=predictive))
        before = kept.learned.inputs.copy()
        seen = kept.seen(kept.learned)
        np.testing.assert_array_equal(kept.learned.newest, kept.learned.inputs[:, -2:])
        np.testing.assert_array_equal(seen[:, :-2], kept.learned.inputs[:, :-2])
        assert (seen[:, -2:] == 0.0).all() == predictive
        np.testing.assert_array_equal(kept.learned.inputs, before)


@pytest.mark.parametrize("part", ["learned", "held_out"])
def test_too_few_windows_are_a_model_error_that_says_how_many(part: str) -> None:
    model, data = opened(prepared(table(noise(), seconds())))
    rows, times = {"learned": ("learned_rows", "learned_times"), "held_out": ("rows", "times")}[part]
    few = 40 if part == "learned" else WINDOW - 1
    cut = replace(data, **{name: getattr(data, name)[:few] for name in (rows, times)})
    with pytest.raises(ModelError, match=r"^pump: expected at least 50 windows .* found \d+ and \d+; train"):
        TuningData.of(model, cut)


def test_a_long_recording_is_thinned_out_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    data = prepared(table(noise(), seconds()))
    whole = TuningData.of(*opened(data)).learned.inputs
    monkeypatch.setattr(tuning, "MOST_WINDOWS", 100)
    some = TuningData.of(*opened(data)).learned.inputs
    assert len(some) == 100
    np.testing.assert_array_equal(some[[0, -1]], whole[[0, -1]])


# The loop.

Open = Callable[[Case], Workshop]


def tuned(opened: Workshop, **options: Any) -> tuple[Any, list[float], float]:
    """A copy of the network, tuned; the held-out losses, and that of what it has become."""
    head = opened.draft.head
    network = rebuilt(head, [tuple(layer.get_weights()) for layer in weighted(head)])
    wanted = {"rounds": 2, "learning_rate": 1e-3, "seed": 1}
    losses = tune(network, opened.bench.lessons, **{**wanted, **options})
    return network, losses, loss_of(network, opened)


def loss_of(network: Any, opened: Workshop) -> float:
    lessons = opened.bench.lessons
    seen, wanted = lessons.seen(lessons.held_out), lessons.held_out.newest
    return float(network.evaluate(seen, wanted, batch_size=tuning.VALIDATION_WINDOWS, verbose=0))


@pytest.mark.slow
@pytest.mark.parametrize("predictive", [True, False])
def test_tuning_never_ends_with_a_higher_held_out_loss_than_it_began_with(
    predictive: bool, workshop: Open, one_round: None
) -> None:
    """A learning rate that ruins any network leaves it as it was, and training ends early."""
    opened = workshop(("ae", predictive))
    before = [values.copy() for values in opened.draft.head.get_weights()]
    ruined, losses, after = tuned(opened, learning_rate=30.0, rounds=9)
    assert len(losses) == tuning.PATIENCE
    assert min(losses) > after
    assert all(np.array_equal(one, other) for one, other in zip(before, ruined.get_weights(), strict=True))
    _, losses, after = tuned(opened)
    assert after == pytest.approx(min(losses), abs=1e-6)
    assert len(losses) == 2


@pytest.mark.slow
def test_the_same_seed_tunes_to_the_same_weights_and_another_to_others(workshop: Open, one_round: None) -> None:
    opened, told = workshop(("ae", True)), list[tuple[int, int, float]]()

    def remember(done: int, most: int, loss: float) -> None:
        told.append((done, most, loss))

    (one, losses, _), (two, again, _) = tuned(opened, on_progress=remember), tuned(opened)
    other, different, _ = tuned(opened, seed=2)
    assert losses == again != different
    assert told == [(1, 2, losses[0]), (2, 2, losses[1])]
    assert all(
        np.array_equal(first, second) for first, second in zip(one.get_weights(), two.get_weights(), strict=True)
    )
    assert not np.array_equal(one.get_weights()[0], other.get_weights()[0])


@pytest.mark.slow
def test_weights_that_are_no_numbers_are_a_model_error(workshop: Open, one_round: None) -> None:
    opened = workshop(("ae", True))
    head = opened.draft.head
    broken = rebuilt(
        head, [tuple(np.full_like(values, NAN) for values in layer.get_weights()) for layer in weighted(head)]
    )
    damaged = replace(opened, draft=replace(opened.draft, head=broken))
    with pytest.raises(ModelError, match="loss on held-out windows is nan, expected a number; train again"):
        tuned(damaged)
