"""Windows unlike normal ones: within bounds, of three sorts, the same for the same seed."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vedette.compress.unfamiliar import unfamiliar

CLIP = 6.0


def normal(count: int, window: int, channels: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    rng = np.random.default_rng(0)
    return rng.normal(0.0, 1.0, (count, window * channels)).astype(np.float32)


@given(count=st.integers(1, 40), window=st.integers(1, 6), channels=st.integers(1, 5), seed=st.integers(0, 9))
def test_they_have_the_form_of_the_windows_and_stay_within_the_clip(
    count: int, window: int, channels: int, seed: int
) -> None:
    windows = normal(count, window, channels)
    found = unfamiliar(windows, channels, CLIP, seed=seed)
    assert found.shape == windows.shape
    assert found.dtype == np.float32
    assert np.abs(found).max() <= CLIP
    np.testing.assert_array_equal(found, unfamiliar(windows, channels, CLIP, seed=seed))


def test_a_third_each_is_mixed_shifted_and_stretched() -> None:
    count, window, channels = 3000, 4, 3
    windows = normal(count, window, channels)
    rows = windows.reshape(count, window, channels)
    change = unfamiliar(windows, channels, 100.0, seed=1).reshape(rows.shape) - rows
    # A shift is the same on all rows of a channel; noise touches every value; a mixed channel is that of a window.
    constant = np.ptp(change, axis=1) < 1e-5
    shifted = constant.all(axis=1) & (np.abs(change[:, 0]).max(axis=1) > 0.0)
    touched = (change != 0.0).all(axis=(1, 2))
    normal_values = np.isin(np.round(change + rows, 5), np.round(rows, 5)).all(axis=(1, 2))
    assert 0.15 < shifted.mean() < 0.34
    assert 0.30 < (touched & ~normal_values & ~shifted).mean() < 0.37
    assert normal_values.mean() > 0.30
    assert not np.array_equal(change, unfamiliar(windows, channels, 100.0, seed=2).reshape(rows.shape) - rows)
