"""The rows of streams: the newest windows are always the last rows pushed, oldest first."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.runtime.detection.ring import WindowRows


@given(
    window=st.integers(1, 9),
    channels=st.integers(1, 4),
    room=st.integers(1, 12),
    pushes=st.lists(st.tuples(st.integers(0, 2), st.integers(1, 12)), max_size=20),
    dtype=st.sampled_from([np.int8, np.float32]),
)
def test_windows_are_the_last_rows_oldest_first(
    window: int, channels: int, room: int, pushes: list[tuple[int, int]], dtype: type[np.generic]
) -> None:
    """Each push is a run of rows of one stream."""
    kept = WindowRows(window=window, channels=channels, dtype=dtype, room=room)
    kept.grow(3)
    pushed: dict[int, list[list[int]]] = {0: [], 1: [], 2: []}
    for value, (stream, wanted) in enumerate(pushes):
        count = min(wanted, room)
        rows = (np.arange(count * channels).reshape(count, channels) + value) % 100
        ends = kept.push(np.full(count, stream), np.arange(count), count, rows.astype(dtype))
        pushed[stream] += rows.tolist()
        for back, end in enumerate(ends[::-1].tolist()):
            rows_to_there = pushed[stream][: len(pushed[stream]) - back]
            if len(rows_to_there) >= window:
                found = kept.windows(np.array([end]))
                assert found.dtype == dtype
                assert found.tolist() == [np.ravel(rows_to_there[-window:]).tolist()]


def test_many_streams_are_pushed_and_gathered_at_once() -> None:
    kept = WindowRows(window=3, channels=2, dtype=np.int8, room=2)
    kept.grow(50)
    streams = np.random.default_rng(1).permutation(50)
    for number in range(7):
        rows = np.stack([streams, np.full(50, number)], axis=1).astype(np.int8)
        ends = kept.push(streams, None, 1, rows)
    windows = kept.windows(ends).reshape(50, 3, 2)
    assert (windows[:, :, 0] == streams[:, None]).all()
    assert (windows[:, :, 1] == [4, 5, 6]).all()


@pytest.mark.parametrize("streams", [2, 1000])
def test_streams_keep_their_rows_when_others_come(streams: int) -> None:
    kept = WindowRows(window=2, channels=1, dtype=np.int8, room=3)
    kept.push(np.array([0]), None, 1, np.array([[7]], np.int8))
    kept.grow(streams)
    ends = kept.push(np.array([0, streams - 1]), None, 1, np.array([[8], [9]], np.int8))
    assert kept.windows(ends[:1]).tolist() == [[7, 8]]
    assert kept.bytes_per_stream == 4 + 8
