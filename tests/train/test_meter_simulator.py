"""The simulated smart meter: power, voltage and current agree, people have habits, and each fault breaks something."""

from __future__ import annotations

import numpy as np
import pytest

from vedette.train.simulators.meter import CURRENT, PARAMETERS, POWER, REACTIVE, SIMULATOR, VOLTAGE
from vedette.train.simulators.recording import Recording

Pair = tuple[Recording, Recording]
DAY = 1440


@pytest.fixture(scope="module")
def both() -> Pair:
    """Four weeks each, the default."""
    return SIMULATOR(7)


def events(recording: Recording, kind: str) -> list[slice]:
    assert recording.fault is not None
    edges = np.flatnonzero(np.diff((recording.fault == kind).astype(int), prepend=0, append=0)).reshape(-1, 2)
    return [slice(start, stop) for start, stop in edges]


def test_apparent_power_is_voltage_times_current(both: Pair) -> None:
    values = both[0].values
    apparent = values[:, VOLTAGE] * values[:, CURRENT]
    fundamental = np.hypot(values[:, POWER], values[:, REACTIVE])
    ratio = apparent / fundamental
    assert ratio.min() > 0.97, "never more power than the current can carry"
    assert np.median(ratio) < 1.05
    assert ratio.max() < 1.25, "what is above is harmonics"


def test_a_house_takes_a_plausible_energy_and_its_voltage_stays_within_the_standard(both: Pair) -> None:
    values = both[0].values
    daily = values[:, POWER].reshape(-1, DAY).mean(axis=1) * 24 / 1000
    assert 5 < daily.min() < daily.mean() < 40, "kWh a day in winter, with a heat pump"
    assert (values[:, POWER] > 0).all()
    assert values[:, POWER].max() < 14_000
    assert 207 < values[:, VOLTAGE].min() < values[:, VOLTAGE].max() < 253, "EN 50160"


@pytest.mark.slow
def test_people_use_more_in_the_evening_than_at_night_and_cold_days_take_more() -> None:
    nights, evenings, early, late = [], [], [], []
    for seed in range(6):
        values = SIMULATOR(seed, 80 * 24, 96)[0].values[:, POWER].reshape(-1, DAY)
        nights.append(values[:, 60:300].mean())
        evenings.append(values[:, 18 * 60 : 21 * 60].mean())
        early.append(values[:20].mean())
        late.append(values[60:].mean())
    assert np.mean(evenings) > 1.3 * np.mean(nights)
    assert np.mean(early) > 1.15 * np.mean(late), "January is colder than March"


def test_the_load_pulls_the_voltage_down_through_the_connection(both: Pair) -> None:
    steps = np.diff(both[0].values, axis=0)
    large = np.abs(steps[:, POWER]) > 1500
    slope = np.polyfit(steps[large, CURRENT], steps[large, VOLTAGE], 1)[0]
    assert slope == pytest.approx(-PARAMETERS.impedance[0], abs=0.08)


def test_theft_lowers_what_is_measured_but_not_the_drop_of_the_voltage(both: Pair) -> None:
    test = both[1]
    for rows in events(test, "theft"):
        inside, around = test.values[rows], both[0].values
        assert np.quantile(inside[:, REACTIVE], 0.95) < 0.85 * np.quantile(around[:, REACTIVE], 0.95)
        ratio = inside[:, VOLTAGE] * inside[:, CURRENT] / np.hypot(inside[:, POWER], inside[:, REACTIVE])
        assert np.median(ratio) < 1.06, "the meter is consistent in itself"
    steps = np.concatenate([np.diff(test.values[rows], axis=0) for rows in events(test, "theft")])
    large = np.abs(steps[:, POWER]) > 300
    slope = np.polyfit(steps[large, CURRENT], steps[large, VOLTAGE], 1)[0]
    assert slope < -1.3 * PARAMETERS.impedance[0], "each ampere measured seems to pull more"


def test_an_outage_reads_nothing_and_the_load_after_it_is_higher(both: Pair) -> None:
    test = both[1]
    after, usual = [], float(np.mean(both[0].values[:, POWER]))
    for rows in events(test, "outage"):
        assert (test.values[rows.start + 1 : rows.stop - 1] == 0).all()
        assert test.values[rows.stop, VOLTAGE] > 200
        after.append(test.values[rows.stop : rows.stop + 3, POWER].mean())
    assert np.mean(after) > 2 * usual


def test_a_stuck_meter_repeats_its_last_reading(both: Pair) -> None:
    for rows in events(both[1], "stuck"):
        assert (both[1].values[rows] == both[1].values[rows.start - 1]).all()


def test_reversed_terminals_turn_the_sign_of_the_power_and_leave_the_current(both: Pair) -> None:
    for rows in events(both[1], "reversed"):
        assert (both[1].values[rows, POWER] < 0).all()
        assert (both[1].values[rows][:, [VOLTAGE, CURRENT]] > 0).all()
    assert (both[0].values[:, POWER] > 0).all()


def test_a_night_load_begins_at_night_and_raises_the_power(both: Pair) -> None:
    usual = both[0].values[:, POWER].reshape(-1, DAY)[:, 20:330].mean()
    raised = []
    for rows in events(both[1], "night_load"):
        hour = (both[1].times[rows.start] - both[1].times[rows.start].astype("datetime64[D]")) / np.timedelta64(1, "h")
        assert 0.3 <= hour < 2.0
        raised.append(both[1].values[rows, POWER].mean() - usual)
    assert np.mean(raised) > 700
