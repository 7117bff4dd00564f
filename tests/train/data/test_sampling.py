"""Sampling: the period that is found, and when samples are put on a grid."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from vedette.errors import DataError
from vedette.train.config import SignalConfig
from vedette.train.data import sampling
from vedette.train.data.sampling import Sampling, examine, typical_step
from vedette.train.data.table import Recording, Table

Seconds = npt.NDArray[np.float64]
COUNT = 5000
START = 1.7e9


def rng() -> np.random.Generator:
    return np.random.default_rng(8)


def table(*recordings: Seconds) -> Table:
    times = np.concatenate(recordings)
    starts = np.cumsum([0, *map(len, recordings[:-1])])
    files = tuple(Recording(f"day{i + 1}.csv", int(start)) for i, start in enumerate(starts))
    return Table(("a",), np.zeros((len(times), 1)), "time", times, None, "0" * 64, (), files)


def found(*recordings: Seconds, **config: Any) -> Sampling:
    return examine(table(*recordings), SignalConfig(**config))


def regular(period: float, count: int = COUNT) -> Seconds:
    return START + np.arange(count) * period


def thinned(times: Seconds, part: float) -> Seconds:
    return times[rng().random(len(times)) >= part]


REGULAR: dict[str, tuple[Seconds, float]] = {
    "exact": (regular(2.0), 2.0),
    "fast": (regular(0.001), 0.001),
    "a little jitter": (regular(1.0) + rng().normal(0, 0.03, COUNT), 1.0),
    "jitter of a tenth": (regular(1.0) + rng().uniform(-0.1, 0.1, COUNT), 1.0),
    "a few gaps": (regular(1.0) + 500.0 * (np.arange(COUNT) // 600), 1.0),
    "one sample in twenty lost": (thinned(regular(1.0), 0.05), 1.0),
    "rounded to seconds": (np.floor(regular(1.5)), 1.5),
    "rounded to seconds, rarely a long one": (np.floor(regular(7.2)), 7.0),
    "rounded to seconds with jitter": (np.floor(regular(5.0) + rng().uniform(-0.4, 0.4, COUNT)), 5.0),
    "rounded to milliseconds": (np.round(regular(1 / 300), 3), 1 / 300),
    "a few late rows": (np.where(np.arange(COUNT) % 500 == 250, START, regular(1.0)), 1.0),
}


@pytest.mark.parametrize("kind", REGULAR)
def test_regular_sampling_is_taken_as_it_comes(kind: str) -> None:
    times, period = REGULAR[kind]
    result = found(times)
    assert not result.resampled
    assert result.period_s == pytest.approx(period, rel=0.02)
    assert result.notes == ()


IRREGULAR: dict[str, Seconds] = {
    "random": START + np.cumsum(rng().exponential(1.0, COUNT)),
    "on change": START + np.cumsum(rng().choice([1.0, 2.0, 5.0, 30.0], COUNT)),
    "strong jitter": regular(1.0) + rng().uniform(-0.4, 0.4, COUNT),
    "two rates": START + np.cumsum(np.where(np.arange(COUNT) < COUNT // 2, 1.0, 10.0)),
    "one sample in four lost": thinned(regular(1.0), 0.25),
}


@pytest.mark.parametrize("kind", IRREGULAR)
def test_irregular_sampling_is_put_on_a_grid_with_a_note(kind: str) -> None:
    times = IRREGULAR[kind]
    result = found(times)
    assert result.resampled
    assert result.period_s is not None
    assert np.mean(np.diff(times) <= 3 * result.period_s) >= 0.95, "on the grid, few steps are gaps"
    assert "samples are averaged to one row every" in result.notes[0]


def test_real_gaps_do_not_widen_the_grid() -> None:
    steps = rng().exponential(1.0, COUNT)
    usual = found(START + np.cumsum(steps)).period_s
    assert usual == pytest.approx(6.9 / 3, rel=0.1)
    steps[::150] = 8 * 3600.0
    assert found(START + np.cumsum(steps)).period_s == pytest.approx(5.8 / 3, rel=0.2)


def test_a_grid_has_the_period_that_the_project_names() -> None:
    result = found(IRREGULAR["random"], sample_period_s=5.0)
    assert (result.period_s, result.resampled) == (5.0, True)
    slower = found(regular(1.0), sample_period_s=60.0)
    assert (slower.period_s, slower.resampled) == (60.0, True)
    assert slower.notes[0].startswith("100% of the steps between samples are not 1 min (most are 1 s to 1 s)")
    same = found(regular(1.0), sample_period_s=1.0)
    assert (same.period_s, same.resampled) == (1.0, False)


def test_the_project_decides_where_it_says_so() -> None:
    assert not found(IRREGULAR["random"], resample=False).resampled
    assert found(regular(1.0), resample=True).resampled


def test_without_times_there_is_nothing_to_resample_by() -> None:
    rows = Table(("a",), np.zeros((9, 1)), None, None, None, "0" * 64, ())
    assert examine(rows, SignalConfig(sample_period_s=0.5)) == Sampling(0.5, False)
    assert examine(rows, SignalConfig()) == Sampling(None, False)
    with pytest.raises(DataError, match=r"signal\.resample: there is no timestamp column"):
        examine(rows, SignalConfig(resample=True))


def test_files_of_different_rates_are_an_error_that_names_both() -> None:
    message = r"day2\.csv has a sample every 1 s, day3\.csv every 10 s; train on files of one rate, or set signal\.resa"
    with pytest.raises(DataError, match=message):
        found(regular(9.0, 500), regular(1.0, 500), regular(10.0, 500))
    assert found(regular(1.0, 500), regular(10.0, 500), resample=True).resampled


def test_files_of_one_rate_may_differ_a_little_and_irregular_ones_more() -> None:
    assert not found(regular(1.0), regular(1.05)).resampled
    assert found(IRREGULAR["random"], 2 * IRREGULAR["random"]).resampled


def test_very_short_files_say_nothing_about_the_rate() -> None:
    assert found(regular(1.0), regular(7.0, 5)).period_s == 1.0


def test_long_series_are_looked_at_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "STRETCHES", 8)
    monkeypatch.setattr(sampling, "STRETCH", 100)
    assert found(regular(2.0, 50_000)) == Sampling(2.0, False)
    assert found(START + np.cumsum(rng().exponential(1.0, 50_000))).resampled


def test_the_typical_step_of_no_steps_is_not_a_number() -> None:
    assert np.isnan(typical_step([np.array([1.0])]))
