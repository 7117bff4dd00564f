"""The ring: its newest window is always the last rows pushed, oldest first."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.runtime.ring import WindowRing


@given(window=st.integers(1, 9), channels=st.integers(1, 4), count=st.integers(0, 40))
def test_the_newest_window_is_the_last_rows_oldest_first(window: int, channels: int, count: int) -> None:
    ring = WindowRing(window=window, channels=channels, dtype=np.float32)
    rows = np.arange(1, count * channels + 1, dtype=np.float32).reshape(count, channels)
    for number, row in enumerate(rows, start=1):
        ring.push(row)
        assert ring.full == (number >= window)
        if ring.full:
            assert ring.newest().tolist() == [rows[number - window : number].ravel().tolist()]


@given(before=st.integers(0, 10), window=st.integers(1, 4))
def test_after_clear_a_whole_window_must_arrive_again(before: int, window: int) -> None:
    ring = WindowRing(window=window, channels=1, dtype=np.int8)
    for _ in range(before):
        ring.push(np.array([99], np.int8))
    ring.clear()
    for number in range(window):
        assert not ring.full
        ring.push(np.array([number], np.int8))
    assert ring.full
    assert ring.newest().ravel().tolist() == list(range(window))


def test_the_newest_window_is_contiguous_so_that_nothing_is_copied() -> None:
    ring = WindowRing(window=3, channels=2, dtype=np.int8)
    for number in range(7):
        ring.push(np.array([number, -number], np.int8))
        newest = ring.newest()
        assert newest.flags.c_contiguous
        assert newest.base is not None
        assert newest.shape == (1, 6)


@pytest.mark.parametrize("dtype", [np.int8, np.float32])
def test_the_window_has_the_dtype_of_the_model(dtype: type[np.generic]) -> None:
    ring = WindowRing(window=2, channels=1, dtype=dtype)
    assert ring.newest().dtype == dtype
