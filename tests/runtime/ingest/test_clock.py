"""The time of arrival while somebody plays with the wall clock."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.runtime.ingest.clock import SETTLED_S, SteadyClock

YEAR_S = 365 * 86400.0


class Hands:
    """Both clocks, in the test's hands."""

    def __init__(self, wall: float = 1.8e9) -> None:
        self.wall, self.elapsed = wall, 50.0
        self.clock = SteadyClock(wall=lambda: self.wall, monotonic=lambda: self.elapsed)

    def wait(self, seconds: float, *, frozen: bool = False) -> float:
        self.elapsed += seconds
        self.wall += 0.0 if frozen else seconds
        return self.clock.now()


def test_it_is_the_wall_clock_where_nobody_sets_that() -> None:
    hands = Hands()
    assert [hands.wait(1.0) for _ in range(3)] == [1.8e9 + 1, 1.8e9 + 2, 1.8e9 + 3]


@pytest.mark.parametrize("step", [10 * YEAR_S, -10 * YEAR_S, 3600.0, -3600.0])
def test_a_step_is_followed_when_it_has_lasted(step: float) -> None:
    hands = Hands()
    before = hands.wait(1.0)
    hands.wall += step
    assert hands.wait(1.0) == pytest.approx(before + 1.0)
    assert hands.wait(SETTLED_S) == pytest.approx(before + 1.0 + SETTLED_S + step)


def test_a_step_that_is_taken_back_is_not_followed() -> None:
    hands = Hands()
    before = hands.wait(1.0)
    hands.wall += YEAR_S
    hands.wait(5.0)
    hands.wall -= YEAR_S
    assert hands.wait(SETTLED_S) == pytest.approx(before + 5.0 + SETTLED_S)


def test_the_time_goes_on_while_the_wall_clock_is_frozen() -> None:
    hands = Hands()
    times = [hands.wait(1.0, frozen=True) for _ in range(1000)]
    steps = [later - earlier for earlier, later in pairwise(times)]
    assert min(steps) >= 0.0
    assert times[-1] - times[0] == pytest.approx(999.0, abs=2.0)


@given(st.lists(st.tuples(st.floats(0.0, 20.0), st.floats(-0.9, 0.9)), max_size=30))
def test_small_corrections_never_set_it_back(moves: list[tuple[float, float]]) -> None:
    hands = Hands()
    last = hands.wait(0.0)
    error = 0.0
    for seconds, new_error in moves:
        hands.wall += new_error - error
        error = new_error
        now = hands.wait(seconds)
        assert now >= last
        last = now
