"""From a table to windows: holding, gaps, labels, constant channels, and too little of it all."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import SCORE, SIGNAL, tiny_bundle_bytes

from vedette.errors import ConfigError, DataError
from vedette.runtime.bundles import bundle as bundles
from vedette.runtime.detection.detector import Detector
from vedette.runtime.detection.score_spec import TermSpec
from vedette.runtime.streams.scoring import score_rows
from vedette.runtime.streams.stream import Stream
from vedette.train.config import SignalConfig
from vedette.train.data import table_store
from vedette.train.data.prepare import INPUT_CLIP, MIN_WINDOWS, NormalData, prepare
from vedette.train.data.table import Recording, Table
from vedette.train.windows import WindowEnds

Rows = npt.NDArray[np.float64]
BUNDLE = bundles.unpack(tiny_bundle_bytes())
MODEL = BUNDLE.load_model()
WINDOW = 16
NAN = float("nan")


def table(values: Rows, *, times: Rows | None = None, label: list[int] | None = None) -> Table:
    names = tuple("abcdefgh"[: values.shape[1]])
    timestamp = None if times is None else "time"
    return Table(names, values, timestamp, times, None if label is None else np.array(label, np.int8), "0" * 64, ())


def noise(count: int = 600, channels: int = 2) -> Rows:
    return np.random.default_rng(3).normal(size=(count, channels))


def prepared(values: Rows, *, times: Rows | None = None, label: list[int] | None = None, **config: Any) -> NormalData:
    return prepare(table(values, times=times, label=label), SignalConfig(**{"window": WINDOW, **config}))


def all_ends(data: NormalData) -> set[int]:
    return set(rows(data.train_ends)) | set(rows(data.held_out_ends))


def rows(ends: WindowEnds) -> list[int]:
    return ends[np.arange(len(ends))].tolist()


def windows_touch(data: NormalData, row: int) -> bool:
    """Whether a window has the row inside."""
    return any(row in range(end - WINDOW + 1, end + 1) for end in all_ends(data))


def windows_cross(data: NormalData, row: int) -> bool:
    """Whether a window has both the row and the one before it."""
    return any(row in range(end - WINDOW + 2, end + 1) for end in all_ends(data))


def test_the_last_fifth_is_held_out_and_no_training_window_reaches_into_it() -> None:
    data = prepared(noise(500))
    assert rows(data.train_ends) == list(range(WINDOW - 1, 400))
    assert min(rows(data.held_out_ends)) - WINDOW + 1 > max(rows(data.train_ends))
    assert max(rows(data.held_out_ends)) == 499
    assert len(data.held_out) == 100


def test_channels_are_scaled_by_the_training_part_alone() -> None:
    values = noise(500) * 3 + 7
    values[400:] += 100
    data = prepared(values)
    for channel, column in zip(data.signal.channels, values[:400].T, strict=True):
        assert channel.mean == pytest.approx(column.mean())
        assert channel.scale == pytest.approx(column.std())
        assert (channel.low, channel.high) == (column.min(), column.max())
    assert np.abs(data.scaled).max() == INPUT_CLIP
    assert data.scaled[:400].mean() == pytest.approx(0.0, abs=0.01)


def test_a_missing_value_is_held_up_to_the_limit_and_no_longer() -> None:
    values = noise()
    values[100:105, 0] = NAN
    held = prepared(values, max_gap_s=5.0)
    assert held.rows[100:105, 0].tolist() == [values[99, 0]] * 5
    assert windows_touch(held, 104)
    cut = prepared(values, max_gap_s=4.0)
    assert cut.rows[100:104, 0].tolist() == [values[99, 0]] * 4
    assert np.isnan(cut.rows[104, 0])
    assert not windows_touch(cut, 104)
    assert windows_touch(cut, 103)
    assert cut.signal.max_hold == 4


def test_the_limit_is_in_seconds_and_by_default_one_window() -> None:
    values = noise()
    times = np.arange(600) * 0.5
    assert prepared(values, times=times).signal.max_hold == WINDOW
    assert prepared(values, times=times, max_gap_s=4.0).signal.max_hold == 8
    assert prepared(values, times=times, max_gap_s=0.01).signal.max_hold == 1
    assert prepared(values, times=times, max_gap_s=1e15).signal.max_hold == 1_000_000


def test_values_missing_from_the_start_are_in_no_window() -> None:
    values = noise()
    values[:30, 1] = NAN
    data = prepared(values)
    assert min(all_ends(data)) == 30 + WINDOW - 1
    assert np.isfinite(data.scaled).all()


def test_nothing_is_held_across_a_gap() -> None:
    values, times = noise(), np.arange(600.0)
    values[200, 0] = NAN
    times[200:] += 50
    data = prepared(values, times=times)
    assert np.isnan(data.rows[200, 0])
    assert not windows_touch(data, 200)


def test_windows_do_not_cross_a_gap() -> None:
    times = np.arange(600.0)
    times[200:] += 2.5
    times[300:] += 2.0
    data = prepared(noise(), times=times)
    assert not windows_cross(data, 200)
    assert windows_cross(data, 300), "three periods are no gap yet"
    assert windows_touch(data, 199)
    assert windows_touch(data, 200)


def test_labelled_rows_are_left_out_and_windows_do_not_reach_across_them() -> None:
    values = noise()
    values[250:260] = 1000.0
    data = prepared(values, label=[int(250 <= row < 260) for row in range(600)])
    assert "10 rows are labelled 1 and are left out" in data.notes
    assert len(data.rows) == 590
    assert not windows_cross(data, 250), "row 250 is what was row 260"
    assert max(channel.high for channel in data.signal.channels) < 1000


def test_late_rows_are_left_out_with_a_note() -> None:
    times = np.arange(600.0)
    times[300] = 299.0
    data = prepared(noise(), times=times)
    assert "1 rows are not newer than the row before them and are left out" in data.notes
    assert len(data.rows) == 599
    assert data.held_out.times is not None
    assert data.signal.sample_period_s == 1.0


def test_drop_leaves_rows_with_missing_values_out() -> None:
    values = noise()
    values[[50, 51, 300], 1] = NAN
    data = prepared(values, missing="drop")
    assert len(data.rows) == 597
    assert np.isfinite(data.rows).all()
    assert windows_cross(data, 50), "a dropped row does not end the window, as on the gateway"


def test_fail_names_channel_and_row() -> None:
    values = noise()
    values[50, 1] = NAN
    with pytest.raises(DataError, match=r'no value for b in row 51; missing = "fail" is set'):
        prepared(values, missing="fail")


@pytest.mark.parametrize("level", [0.0, 1.0, 5.0, 1e-12, -0.002, 1e6])
def test_a_constant_channel_is_noted_and_a_later_move_scores_high(level: float) -> None:
    values = noise(channels=3)
    values[:, 1] = level
    data = prepared(values)
    assert data.notes == (f'channel "b" is constant ({level:g}); any later move counts as evidence',)
    signal = replace(SIGNAL, channels=data.signal.channels)
    detector = Detector(signal, replace(SCORE, prediction=TermSpec((0.05,) * 3, smoothing=1.0, level=1.0)), MODEL)
    rest = np.array([channel.mean for channel in signal.channels])
    for _ in range(SIGNAL.window):
        still = detector.push(rest)
    moved = detector.push(rest + np.array([0.0, abs(level) or 1.0, 0.0]))
    assert still is not None
    assert moved is not None
    assert moved.score > 100 * max(1.0, still.score)
    assert int(np.argmax(moved.shares)) == 1


def test_a_small_signal_in_large_units_is_not_constant() -> None:
    data = prepared(noise() * 1e-12)
    assert data.notes == ()
    assert data.scaled.std() == pytest.approx(1.0, abs=0.1)


def test_only_constant_channels_are_an_error() -> None:
    with pytest.raises(DataError, match=r"every channel is constant \(a, b\); there is nothing to learn from"):
        prepared(np.ones((600, 2)))


def test_a_channel_that_first_speaks_in_the_held_out_part_is_an_error() -> None:
    values = noise()
    values[:590, 1] = NAN
    with pytest.raises(DataError, match='channel "b" has no value in the training part'):
        prepared(values)


@pytest.mark.parametrize("count", [0, 1, WINDOW - 1, WINDOW, 5 * WINDOW])
def test_too_few_rows_are_an_error_with_numbers_and_a_remedy(count: int) -> None:
    few = rf"at least {MIN_WINDOWS} complete windows of 16 samples .* in {count} rows"
    fewer = rf"at least one window of 16 samples, found {count} usable rows of {count}"
    with pytest.raises(DataError, match=f"({few}|{fewer}); record more normal data or set a shorter"):
        prepared(noise(count))


def test_a_table_that_is_all_gaps_is_an_error() -> None:
    times = np.cumsum(np.where(np.arange(600) % 10 == 0, 100.0, 1.0))
    with pytest.raises(DataError, match="found 0 and 0 in 600 rows"):
        prepared(noise(), times=times)


def test_units_are_the_channels_and_an_unknown_channel_is_refused() -> None:
    data = prepared(noise(), units={"b": "mm/s"})
    assert [channel.unit for channel in data.signal.channels] == [None, "mm/s"]
    with pytest.raises(ConfigError, match=r'signal\.units: no channel "bb"; did you mean "b"'):
        prepared(noise(), units={"bb": "mm/s"})


@settings(max_examples=50)
@given(
    missing=st.lists(st.tuples(st.integers(0, 199), st.integers(1, 12), st.integers(0, 2)), max_size=8),
    jumps=st.lists(st.integers(1, 199), max_size=4, unique=True),
)
def test_training_and_the_gateway_agree_on_which_windows_are_complete(
    missing: list[tuple[int, int, int]], jumps: list[int]
) -> None:
    """Every window learnt from ends where the daemon's code gives a score, and the other way round."""
    count, window = 200, 4
    values, times = noise(count, channels=3), np.arange(float(count))
    for start, length, channel in missing:
        values[start : start + length, channel] = NAN
    for row in jumps:
        times[row:] += 10
    try:
        data = prepare(table(values, times=times), SignalConfig(window=window, max_gap_s=3.0))
    except DataError:
        return  # too much was taken away
    stream = Stream(replace(BUNDLE.manifest, signal=replace(data.signal, channels=SIGNAL.channels)), MODEL)
    scored = score_rows(stream, zip(times.tolist(), values, strict=True)).window_rows
    held_from = int(count * 0.8)
    assert scored[scored < held_from].tolist() == rows(data.train_ends)
    assert scored[scored >= held_from + window].tolist() == rows(data.held_out_ends)


def recorded(*parts: tuple[Rows, Rows | None]) -> Table:
    """A table of several files, each (values, times)."""
    values, times = np.concatenate([part[0] for part in parts]), [part[1] for part in parts]
    starts = np.cumsum([0, *(len(part[0]) for part in parts[:-1])])
    found = None if times[0] is None else np.concatenate([part for part in times if part is not None])
    return replace(
        table(values, times=found),
        recordings=tuple(Recording(f"day{i + 1}.csv", int(start)) for i, start in enumerate(starts)),
    )


def test_windows_cross_files_only_where_their_times_go_on() -> None:
    times = np.arange(200.0)
    for offset, crosses in ((200.0, True), (202.0, True), (203.0, False), (0.0, False), (-1000.0, False)):
        data = prepare(
            recorded((noise(200), times), (noise(400), np.arange(400.0) + offset)), SignalConfig(window=WINDOW)
        )
        assert windows_cross(data, 200) == crosses, offset
        assert len(data.rows) == 600, "no row of the second file is late"
    assert not windows_cross(
        prepare(recorded((noise(200), None), (noise(400), None)), SignalConfig(window=WINDOW)), 200
    )


def test_files_whose_times_begin_anew_are_told_and_follow_each_other() -> None:
    times = np.arange(300.0)
    data = prepare(recorded((noise(300), times), (noise(300), times)), SignalConfig(window=WINDOW))
    assert "times begin anew in 1 of 2 files: these are taken as later recordings" in data.notes
    assert not any("gap" in note for note in data.notes)
    assert data.held_out.times is not None
    assert (np.diff(data.held_out.times) > 0).all()


def test_held_out_samples_show_breaks_to_the_gateways_code() -> None:
    label = [int(550 <= row < 560) for row in range(600)]
    data = prepared(noise(), label=label, sample_period_s=2.0)
    assert data.held_out.times is not None
    steps = np.diff(data.held_out.times)
    assert np.flatnonzero(steps > data.signal.longest_step_s).tolist() == [550 - 472 - 1]


def test_gaps_are_told_with_their_number_and_the_longest() -> None:
    times = np.arange(600.0)
    times[100:] += 10
    times[300:] += 7200
    note = prepared(noise(), times=times).notes[0]
    assert note == (
        "2 gaps split the series: steps of more than 3 s, the longest 2 h, before row 301; windows do not cross them, "
        "nothing is filled in"
    )


def test_an_hour_that_local_time_leaves_out_is_told_as_daylight_saving() -> None:
    times = np.arange(600.0) * 60
    times[200:] += 3600
    local = replace(table(noise(), times=times), local_times=True)
    notes = prepare(local, SignalConfig(window=WINDOW)).notes
    assert notes[1].startswith("1 of the gaps is an hour long, as where local time begins daylight saving")
    assert len(prepare(replace(local, local_times=False), SignalConfig(window=WINDOW)).notes) == 1


@pytest.mark.parametrize("cause", ["late", "labelled"])
def test_a_long_gap_between_rows_that_are_left_out_is_no_more_than_one(cause: str) -> None:
    times, label = np.arange(600.0), [0] * 600
    if cause == "late":
        times[300] = 5.0
    else:
        label[300] = 1
    data = prepared(noise(), times=times, label=label)
    assert windows_cross(data, 300) == (cause == "late"), "a late row does not break the series, as on the gateway"


def test_irregular_samples_are_put_on_the_gateways_grid() -> None:
    rng = np.random.default_rng(6)
    times = np.cumsum(rng.exponential(1.0, 3000))
    values = np.column_stack([np.sin(times / 50), np.cos(times / 50)])
    data = prepared(values, times=times)
    assert data.signal.resampled
    assert data.signal.sample_period_s == pytest.approx(2.5, rel=0.1)
    assert any("averaged to one row every " in note for note in data.notes)
    assert data.held_out.times is not None
    assert np.isin(data.held_out.times, times).all(), "held-out samples are those that came, for the gateway's code"
    assert len(data.held_out) == pytest.approx(600, rel=0.1)


def test_the_first_held_out_sample_is_in_no_training_row() -> None:
    times = np.cumsum(np.random.default_rng(7).exponential(1.0, 3000))
    values = np.column_stack([times, times])
    data = prepared(values, times=times)
    last_trained = data.rows[: int(len(data.rows) * 0.8)][-1, 0]
    assert data.held_out.values[0, 0] > last_trained


@pytest.mark.slow
@settings(max_examples=40)
@given(
    holes=st.lists(st.tuples(st.integers(0, 599), st.integers(1, 12), st.integers(0, 1)), max_size=8),
    jumps=st.lists(st.integers(1, 599), max_size=4, unique=True),
    late=st.lists(st.integers(50, 590), max_size=3, unique=True),
    labelled=st.lists(st.integers(0, 590), max_size=3),
    files=st.lists(st.integers(1, 599), max_size=3, unique=True).map(sorted),
    irregular=st.booleans(),
    missing=st.sampled_from(["hold", "drop"]),
    block=st.integers(1, 200),
)
def test_data_that_does_not_fit_into_memory_gives_the_same(
    *,
    holes: list[tuple[int, int, int]],
    jumps: list[int],
    late: list[int],
    labelled: list[int],
    files: list[int],
    irregular: bool,
    missing: str,
    block: int,
) -> None:
    values, times, label = noise(), np.arange(600.0), np.zeros(600, np.int8)
    if irregular:
        times = np.cumsum(np.random.default_rng(1).choice([0.5, 1.0, 1.5, 2.0], 600))
    for start, length, channel in holes:
        values[start : start + length, channel] = NAN
    for row in jumps:
        times[row:] += 20
    times[late] -= 30
    for row in labelled:
        label[row : row + 3] = 1
    whole = replace(
        table(values, times=times, label=label.tolist()), recordings=tuple(Recording("x", row) for row in [0, *files])
    )
    config = SignalConfig(window=WINDOW, missing=missing, resample=irregular or None)  # type: ignore[arg-type]
    try:
        data = prepare(whole, config)
    except DataError:
        return  # too much was taken away
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table_store, "BLOCK_BYTES", block * 16)
        patch.setattr(table_store, "IN_MEMORY", 0)
        mapped = prepare(whole, config)
    assert mapped.signal == data.signal
    assert mapped.notes == data.notes
    np.testing.assert_array_equal(mapped.rows, data.rows)
    np.testing.assert_array_equal(mapped.scaled, data.scaled)
    assert rows(mapped.train_ends) == rows(data.train_ends)
    assert rows(mapped.held_out_ends) == rows(data.held_out_ends)
    np.testing.assert_array_equal(mapped.held_out.values, data.held_out.values)
    np.testing.assert_array_equal(mapped.held_out.times, data.held_out.times)  # type: ignore[arg-type]


def test_some_percent_of_spikes_do_not_move_the_scale() -> None:
    values = noise(5000)
    clean = prepared(values)
    values[np.random.default_rng(9).choice(5000, 150, replace=False), 0] = 100.0
    for channel, usual in zip(prepared(values).signal.channels, clean.signal.channels, strict=True):
        assert channel.scale == pytest.approx(usual.scale, rel=0.05)
        assert channel.mean == pytest.approx(usual.mean, abs=0.05)


def test_data_that_is_all_labelled_anomalous_is_refused_and_says_so() -> None:
    with pytest.raises(DataError, match=r"found 0 usable rows of 300 \(300 are labelled 1, anomalous\); record more"):
        prepare(replace(table(noise(300)), label=np.ones(300, np.int8)), SignalConfig())
