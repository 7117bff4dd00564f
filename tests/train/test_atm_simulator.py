"""The simulated cash machine: its books balance, its customers have habits, and each fault shows where it should."""

from __future__ import annotations

import numpy as np
import pytest

from vedette.train.simulators.atm import (
    AMOUNT,
    CASH,
    DECLINES,
    INQUIRIES,
    PARAMETERS,
    RESPONSE,
    SIMULATOR,
    WITHDRAWALS,
)
from vedette.train.simulators.recording import Recording

Pair = tuple[Recording, Recording]
DAY = 288


@pytest.fixture(scope="module")
def both() -> Pair:
    """The default: ninety days, and sixty with faults."""
    return SIMULATOR(7)


def events(recording: Recording, kind: str) -> list[slice]:
    assert recording.fault is not None
    edges = np.flatnonzero(np.diff((recording.fault == kind).astype(int), prepend=0, append=0)).reshape(-1, 2)
    return [slice(start, stop) for start, stop in edges]


def test_counters_are_whole_numbers_and_none_is_negative(both: Pair) -> None:
    for recording in both:
        assert (recording.values >= 0).all()
        assert (recording.values == np.round(recording.values)).all()
        assert (recording.values[:, [AMOUNT, CASH]] % 10 == 0).all()


def test_cash_goes_down_by_what_is_withdrawn_or_up_to_full(both: Pair) -> None:
    values = both[0].values
    change = np.diff(values[:, CASH])
    filled = values[1:, CASH] + values[1:, AMOUNT] == PARAMETERS.full
    assert (change[~filled] == -values[1:, AMOUNT][~filled]).all()
    assert 30 < (filled & (change > 0)).sum() < 50, "three visits a week"
    paid = values[:, WITHDRAWALS] > 0
    assert ((values[:, AMOUNT] > 0) == paid).all()
    mean = values[:, AMOUNT].sum() / values[:, WITHDRAWALS].sum()
    assert 70 < mean < 150


def test_customers_come_by_day_on_fridays_and_after_payday(both: Pair) -> None:
    recording = both[0]
    daily = recording.values[:, WITHDRAWALS].reshape(-1, DAY)
    by_hour = daily.mean(axis=0)
    assert by_hour[12 * 11 : 12 * 18].mean() > 15 * by_hour[12 * 2 : 12 * 5].mean()
    weekday = daily.sum(axis=1)[: 7 * 12].reshape(-1, 7).mean(axis=0)
    assert weekday[4] > 1.2 * weekday[:3].mean()
    assert weekday[6] < 0.8 * weekday[:3].mean()
    assert 150 < daily.sum(axis=1).mean() < 400
    dates = recording.times[::DAY].astype("datetime64[D]")
    month_day = (dates - dates.astype("datetime64[M]").astype("datetime64[D]")).astype(int) + 1
    usual = weekday[(np.arange(len(daily))) % 7]
    relative = daily.sum(axis=1) / usual
    assert relative[np.isin(month_day, (1, 25))].mean() > 1.15 * relative[(month_day > 6) & (month_day < 24)].mean()


def test_a_few_requests_are_declined_and_answers_come_within_seconds(both: Pair) -> None:
    values = both[0].values
    part = values[:, DECLINES].sum() / values[:, [DECLINES, WITHDRAWALS]].sum()
    assert 0.03 < part < 0.09
    assert 300 < values[:, RESPONSE].min() < values[:, RESPONSE].max() < 4000


def test_card_testing_raises_declines(both: Pair) -> None:
    usual = both[0].values[:, DECLINES].max()
    peaks = [both[1].values[rows, DECLINES].max() for rows in events(both[1], "card_testing")]
    assert np.mean(peaks) > 1.5 * usual
    assert min(both[1].values[rows, DECLINES].mean() for rows in events(both[1], "card_testing")) > 1


def test_jackpotting_takes_cash_that_no_withdrawal_accounts_for(both: Pair) -> None:
    values = both[1].values
    for rows in events(both[1], "jackpotting"):
        gone = values[rows.start - 1, CASH] - values[rows.stop - 1, CASH]
        assert values[rows, WITHDRAWALS].sum() == 0
        assert gone > 2000 or values[rows.stop - 1, CASH] == 0
        per_minute = gone / ((rows.stop - rows.start) * 5)
        assert per_minute < 104 * 50, "no more than the dispenser can"


def test_a_network_outage_pays_little_and_waits_long(both: Pair) -> None:
    usual = both[0].values[:, RESPONSE].max()
    for rows in events(both[1], "network_outage"):
        assert both[1].values[rows, RESPONSE].mean() > 2 * usual
    worst = max(events(both[1], "network_outage"), key=lambda rows: float(both[1].values[rows, RESPONSE].mean()))
    assert both[1].values[worst, RESPONSE].max() <= PARAMETERS.timeout


def test_a_dispenser_jam_declines_what_would_have_been_paid(both: Pair) -> None:
    values = both[1].values
    rows = np.concatenate([np.arange(rows.start, rows.stop) for rows in events(both[1], "dispenser_jam")])
    assert values[rows, DECLINES].sum() > 0.8 * values[rows, WITHDRAWALS].sum()
    assert values[rows, INQUIRIES].mean() > 0.1, "the host still answers"


def test_stuck_counters_repeat_the_last_row(both: Pair) -> None:
    for rows in events(both[1], "stuck_counters"):
        assert (both[1].values[rows] == both[1].values[rows.start - 1]).all()


def test_a_skimmer_makes_more_declines_and_nothing_else(both: Pair) -> None:
    values = both[1].values
    rows = np.concatenate([np.arange(rows.start, rows.stop) for rows in events(both[1], "skimmer")])
    hour = (both[1].times[rows] - both[1].times[rows].astype("datetime64[D]")) / np.timedelta64(1, "h")
    train_hour = np.arange(len(both[0])) % DAY / 12
    same = both[0].values[(train_hour >= hour.min()) & (train_hour <= hour.max())]
    assert values[rows, DECLINES].mean() > 2 * same[:, DECLINES].mean()
    assert values[rows, RESPONSE].mean() == pytest.approx(same[:, RESPONSE].mean(), rel=0.1)
