"""The device's counter in the gateway's time."""

from __future__ import annotations

import random

import pytest

from vedette.firmware_bridge.link.clock import DeviceClock, RowTimes


def test_the_shortest_round_trip_decides() -> None:
    clock, rng = DeviceClock(), random.Random(1)
    began = 5000.0
    for second in range(16):
        there, back = rng.random() * 0.03, rng.random() * 0.03
        if second == 7:
            there = back = 0.0005
        sent = began + second + 0.2
        clock.round_trip(int((sent + there - began) * 1000), sent=sent, received=sent + there + back)
    assert clock.seconds(20_000) == pytest.approx(began + 20, abs=0.002)


def test_the_counter_may_wrap_as_often_as_it_likes() -> None:
    clock, start = DeviceClock(), 2**32 - 5000
    for second in range(0, 3 * 2**32 // 1000, 1_000_000):
        ms = (start + second * 1000) % 2**32
        clock.round_trip(ms, sent=second + 9.999, received=second + 10.001)
        assert clock.seconds((ms + 250) % 2**32) == pytest.approx(second + 10.25, abs=0.002)
        assert clock.seconds((ms - 6000) % 2**32) == pytest.approx(second + 4.0, abs=0.002)


def test_a_crystal_that_is_wrong_is_followed() -> None:
    clock, fast = DeviceClock(), 1 + 80e-6
    clock.round_trip(0, sent=0.0, received=0.0004)  # the best that ever comes
    for second in range(5, 7200, 5):
        clock.round_trip(int(second * fast * 1000), sent=second - 0.001, received=second + 0.001)
        assert clock.seconds(int((second + 1) * fast * 1000)) == pytest.approx(second + 1, abs=0.012)


def test_a_counter_that_begins_anew_is_noticed_although_nobody_says_so() -> None:
    clock = DeviceClock()
    for second in range(100, 110):
        clock.round_trip(second * 1000, sent=second - 0.001, received=second + 0.001)
    clock.round_trip(500, sent=120.0, received=120.5)
    assert clock.seconds(1500) == pytest.approx(121.25, abs=0.01)


def test_a_device_that_does_not_answer_has_the_time_of_arrival_until_it_does() -> None:
    clock = DeviceClock()
    clock.one_way(1000, 50.03)
    assert clock.seconds(2000) == pytest.approx(51.03)
    clock.round_trip(3000, sent=51.999, received=52.001)
    assert clock.seconds(4000) == pytest.approx(53.0, abs=0.002)


@pytest.mark.parametrize("period_s", [0.0001, 0.0004, 0.0031, 0.01, 1.0])
def test_rows_go_forward_evenly_although_stamps_are_whole_milliseconds(period_s: float) -> None:
    rows, last, first = RowTimes(period_s), -1.0, 0.0
    true = 100.0
    for _ in range(3000):
        for time in rows.of(int(true * 1000) / 1000, 7):
            assert time > last
            assert abs(time - (true + first)) < 0.003 + 7 * period_s
            last = time
        true += 7 * period_s * (1 + 50e-6)


def test_rows_after_a_pause_or_a_loss_have_the_time_of_their_stamp() -> None:
    rows = RowTimes(0.01)
    rows.of(1.0, 10)
    assert rows.of(1.2, 2) == pytest.approx([1.2, 1.21])
    assert rows.of(1.224, 1) == pytest.approx([1.224])
