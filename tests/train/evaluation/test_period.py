"""The window that a signal's autocorrelation asks for."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from required import missing

from vedette.benchmarks.real_series import shared_data
from vedette.train.data.table import NEVER_CHANNELS
from vedette.train.evaluation.period import DEFAULT, LONGEST, SHORTEST, autocorrelation, reference_window


def tone(period: float, rows: int = 3000) -> np.ndarray:
    return np.sin(2 * np.pi * np.arange(rows) / period)


@given(st.integers(SHORTEST, LONGEST))
def test_the_period_of_a_tone_in_noise_is_found(period: int) -> None:
    noise = np.random.default_rng(period).normal(0, 0.1, 3000)
    assert reference_window(tone(period) + noise) == pytest.approx(period, abs=1)


@pytest.mark.parametrize(("period", "window"), [(8, SHORTEST), (200, LONGEST), (1500, DEFAULT)])
def test_what_is_shorter_or_longer_than_a_window_can_be(period: int, window: int) -> None:
    assert reference_window(tone(period)) == window


@pytest.mark.parametrize("values", [np.ones((500, 2)), np.full((50, 1), np.nan), np.zeros((1, 3)), np.zeros((0, 2))])
def test_a_signal_that_never_varies_gets_the_default(values: np.ndarray) -> None:
    assert reference_window(values) == DEFAULT


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60))
def test_any_signal_gets_a_window_in_range(values: list[float]) -> None:
    assert SHORTEST <= reference_window(np.array(values)) <= LONGEST


def test_the_first_channel_that_varies_decides() -> None:
    assert reference_window(np.column_stack([np.full(3000, 7.0), tone(40), tone(90)])) == 40


def test_missing_values_do_not_hide_the_period() -> None:
    values = tone(50)
    values[:20] = values[700:703] = np.nan
    values[::37] = np.inf
    assert reference_window(values) == pytest.approx(50, abs=1)


def test_the_autocorrelation_is_its_definition() -> None:
    values = np.random.default_rng(1).normal(size=50).cumsum()
    centred = values - values.mean()
    expected = [(centred[lag:] * centred[: 50 - lag]).sum() / (centred**2).sum() for lag in range(50)]
    np.testing.assert_allclose(autocorrelation(values, 400), expected, atol=1e-12)
    np.testing.assert_allclose(autocorrelation(values, 10), expected[:11], atol=1e-12)


@pytest.mark.slow
def test_the_windows_of_the_real_series_are_those_that_peers_are_measured_with() -> None:
    folder = shared_data()
    if not (folder / "series.json").is_file():
        missing(f"the real series are not in {folder}", "set VEDETTE_SHARED")
    entries = [entry for group in json.loads((folder / "series.json").read_text()).values() for entry in group]
    differing = []
    for entry in entries:
        frame = pl.read_csv(folder / entry["id"] / "train.csv.gz", infer_schema_length=None)
        values = frame.drop(NEVER_CHANNELS, strict=False).cast(pl.Float64).to_numpy()
        if reference_window(values) != entry["window"]:
            differing.append(entry["id"])
    assert len(differing) <= 0.1 * len(entries), differing
