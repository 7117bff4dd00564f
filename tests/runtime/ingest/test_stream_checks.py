"""Sample rate and channels of what comes in, against the bundle."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tiny import CHANNELS, SIGNAL

from vedette.runtime.ingest.stream_checks import MAX_NOTICES, RATE_STEPS, ChannelCheck, RateCheck


def seen(period: float, *, gap_at: int = 5) -> str | None:
    check = RateCheck(1.0)
    time = 1.8e9
    for number in range(1000):
        time += 1000.0 if number == gap_at else period * (1.1 if number % 2 else 0.9)
        if check.push(time):
            assert number == RATE_STEPS
            return check.notice()
    raise AssertionError("the check never ended")


@pytest.mark.parametrize("period", [0.7, 1.0, 1.4])
def test_about_the_right_rate_is_no_news(period: float) -> None:
    assert seen(period) is None


@pytest.mark.parametrize(("period", "told"), [(0.1, "every 0.1 s"), (60.0, "every 60 s")])
def test_another_rate_is_told_with_both_periods(period: float, told: str) -> None:
    notice = seen(period)
    assert notice is not None
    assert told in notice and "one every 1 s" in notice


def test_there_is_no_rate_without_a_time_base_or_on_a_grid() -> None:
    assert RateCheck.of(SIGNAL) is not None
    assert RateCheck.of(replace(SIGNAL, sample_period_s=None)) is None
    assert RateCheck.of(replace(SIGNAL, resampled=True)) is None


def test_missing_channels_and_other_keys_are_told_once() -> None:
    told: list[str] = []
    check = ChannelCheck(CHANNELS, ("time",), told.append)
    for _ in range(3):
        check.look({"time": 1, "x": 1, "y": 1, "z": 1})
        check.look({"time": 1, "x": 1})
        check.look({"time": 1, "x": 1, "y": 1, "z": 1, "zz": 5})
    assert [notice.split(":")[0].split(",")[0] for notice in told] == [
        'samples without the channel "y"',
        'samples without the channel "z"',
        'samples with "zz"',
    ]


def test_hostile_keys_fill_no_memory() -> None:
    told: list[str] = []
    check = ChannelCheck(CHANNELS, (), told.append)
    for number in range(1, 100):
        check.look([f"{'k' * 1000}{number}_{i}" for i in range(number)])
    assert len(told) == MAX_NOTICES
    assert max(map(len, told)) < 150
