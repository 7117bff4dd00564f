"""Scaling: plain mean and spread for clean data, and next to the same where some of it is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from required import missing

from vedette.train.data.scaling import REACH, channels, quiet_scale, robust_scale, sample_rows
from vedette.train.data.table import read_table

Values = npt.NDArray[np.float64]
SERIES = Path(__file__).parents[4] / "shared" / "data"
COUNT = 20_000


def rng() -> np.random.Generator:
    return np.random.default_rng(4)


CLEAN: dict[str, Values] = {
    "noise": rng().normal(7, 3, COUNT),
    "heavy tails": rng().standard_t(3, COUNT),
    "skewed": rng().exponential(2, COUNT),
    "two levels": np.where(np.arange(COUNT) % 1000 < 300, 5.0, 50.0) + rng().normal(0, 0.1, COUNT),
    "a sine": np.sin(np.arange(COUNT) / 50),
    "a rare flag": (rng().random(COUNT) < 0.01).astype(float),
    "rare bursts on a still channel": np.where(rng().random(COUNT) < 0.01, rng().exponential(500, COUNT), 0.0),
    "bursts on noise": rng().normal(size=COUNT) + np.where(rng().random(COUNT) < 0.02, rng().uniform(5, 30, COUNT), 0),
}


@pytest.mark.parametrize("kind", CLEAN)
def test_clean_data_is_scaled_by_its_standard_deviation(kind: str) -> None:
    values = CLEAN[kind]
    assert robust_scale(values) == (values.mean(), values.std())


@pytest.mark.parametrize("part", [0.01, 0.03, 0.045])
@pytest.mark.parametrize("how", ["spikes up", "spikes both ways", "spikes of any size", "stuck at a far rail"])
def test_some_percent_of_far_values_change_nothing(how: str, part: float) -> None:
    for clean in (CLEAN["noise"], CLEAN["skewed"], CLEAN["a sine"]):
        values, count = clean.copy(), int(part * COUNT)
        where = rng().choice(COUNT, count, replace=False)
        spikes = 100 * clean.std() * {"spikes both ways": rng().choice([-1, 1], count)}.get(how, np.ones(count))
        if how == "spikes of any size":
            spikes *= rng().uniform(0.6, 1000, count)
        if how == "stuck at a far rail":
            values[1000 : 1000 + count] = spikes
        else:
            values[where] += spikes
        mean, scale = robust_scale(values)
        assert scale / clean.std() == pytest.approx(1.0, abs=0.1)
        assert mean == pytest.approx(clean.mean(), abs=0.1 * clean.std())


def test_a_rail_near_by_widens_the_scale_only_as_far_as_it_is() -> None:
    values = CLEAN["noise"].copy()
    values[:600] = 7 + 8 * 3
    assert robust_scale(values)[1] / 3 < 1.8


def names_and_scales(values: Values) -> tuple[list[float], tuple[str, ...]]:
    found, notes = channels(tuple("abcdefgh"[: values.shape[1]]), values, len(values), {})
    return [channel.scale for channel in found], notes


def test_a_nearly_dead_channel_is_noted_and_neither_explodes_nor_vanishes() -> None:
    values = rng().normal(size=(COUNT, 2))
    values[:, 1] = 5.0
    values[[50, 900, 901, 7000], 1] = [5.5, 5.6, 5.6, 5.5]
    (_, scale), notes = names_and_scales(values)
    assert 0.5 / scale <= REACH * 1.2, "a usual excursion is not hundreds of spreads"
    assert 0.5 / scale >= 3, "and shows"
    assert notes == (
        'channel "b" is nearly dead (6 changes in 20,000 rows, 5 to 5.6); it is scaled so that these count, but do '
        "not outweigh everything else",
    )


def test_one_glitch_does_not_bury_the_excursions_of_a_nearly_dead_channel() -> None:
    values = np.full(COUNT, 5.0)
    values[::5000] = 6.0
    clean = quiet_scale(values, 1.0)
    values[77] = 1e30
    assert quiet_scale(values, 1e30)[1] < 10 * clean[1]


def test_a_channel_that_changes_outside_the_sample_only_is_not_divided_by_zero() -> None:
    assert quiet_scale(np.zeros(100), 3.0) == (0.0, pytest.approx(3.0 / REACH))


def test_a_step_now_and_then_is_scaled_as_ever() -> None:
    values = rng().normal(size=(COUNT, 2))
    values[:, 1] = np.where(np.arange(COUNT) < COUNT // 2, 50.0, 60.0)
    assert names_and_scales(values)[0][1] == pytest.approx(5.0)


def test_duplicates_are_noted_in_other_units_and_roundings_too_and_are_kept() -> None:
    a, b, c = rng().normal(20, 5, (3, COUNT))
    values = np.column_stack([a, b, a, np.round(1.8 * a + 32, 1), -3 * a, a + 0.1 * c])
    scales, notes = names_and_scales(values)
    assert len(scales) == 6
    assert notes == (
        'channels "c", "d", "e" say the same as "a", up to unit and rounding; all are kept, as the gateway gets them '
        "too, and a later difference counts as evidence",
    )


def test_flags_that_are_nearly_the_same_are_no_duplicates() -> None:
    values = (rng().random((COUNT, 3)) < 0.3).astype(float)
    values[:, 2] = values[:, 1]
    values[7, 2] = 1 - values[7, 2]
    assert names_and_scales(values)[1] == ()


def test_the_sample_is_all_of_few_rows_and_spread_over_many() -> None:
    assert sample_rows(1000, 2).tolist() == list(range(1000))
    rows = sample_rows(10**8, 2**10)
    assert len(rows) == 2**12
    steps = np.diff(rows)
    assert (steps > 0).all()
    assert steps.max() < 2.1 * 10**8 / 2**12
    assert len(np.unique(steps)) > 100, "not evenly, or all could be of the same time of day"
    assert (sample_rows(10**8, 2**10) == rows).all()


@pytest.mark.slow
def test_on_real_series_nearly_all_channels_are_scaled_as_by_their_standard_deviation() -> None:
    if not SERIES.is_dir():
        missing("the real series are not here", "put them at ../shared/data")
    ratios = []
    for path in sorted(SERIES.rglob("train.csv.gz")):
        table = read_table(path)
        ratios += [robust_scale(values)[1] / values.std() for values in table.values.T if np.ptp(values) > 0]
    assert len(ratios) > 300
    assert np.mean(np.abs(np.array(ratios) - 1) < 0.05) > 0.95


@pytest.mark.parametrize("rows_per_block", [COUNT, 7_001])
def test_the_longest_time_that_a_channel_stands_still_is_known(
    rows_per_block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = rng().normal(size=(COUNT, 3))
    rows[6_990:7_100, 0] = 5.0  # over the end of a block
    rows[:5_000, 1] = 1.0  # too long to say anything
    rows[-3:, 2] = 2.0
    monkeypatch.setattr(
        "vedette.train.data.scaling.spans",
        lambda _, start, stop: [slice(at, min(at + rows_per_block, stop)) for at in range(start, stop, rows_per_block)],
    )
    found, _ = channels(("a", "b", "c"), rows, COUNT, {})
    assert [channel.longest_flat for channel in found] == [110, None, 3]
