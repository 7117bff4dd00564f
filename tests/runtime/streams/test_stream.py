"""One stream: samples in time order, gaps, and the scoring of a whole series."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny import CHANNELS, SIGNAL, WINDOW, tiny_bundle_bytes

from vedette.errors import DataError
from vedette.runtime.alerting.alerts import Alert
from vedette.runtime.bundles import bundle as bundles
from vedette.runtime.detection.detector import SampleRejectedError
from vedette.runtime.detection.signal import GAP_PERIODS, SignalSpec
from vedette.runtime.streams.scoring import score_rows
from vedette.runtime.streams.stream import Stream

BUNDLE = bundles.unpack(tiny_bundle_bytes())
MODEL = BUNDLE.load_model()
NORMAL, ANOMALOUS = np.full(len(CHANNELS), 1.0), np.full(len(CHANNELS), 5.0)
Rows = list[tuple[float, npt.NDArray[np.float64]]]


def stream(signal: SignalSpec = SIGNAL) -> Stream:
    return Stream(replace(BUNDLE.manifest, signal=signal), MODEL)


def readings(found: Stream, times: list[float]) -> list[bool]:
    """Whether each sample completed a window."""
    return [any(isinstance(step, tuple) for step in found.push(time, NORMAL)) for time in times]


def alerts(found: Stream, samples: Rows) -> list[Alert]:
    """The alert steps that the samples cause."""
    steps = [step for time, values in samples for step in found.push(time, values)]
    return [step[2] for step in steps if not isinstance(step, DataError) and step[2]]


@pytest.mark.parametrize("late", [3.0, 2.999, 0.0, -1e9])
def test_a_sample_that_is_not_newer_is_rejected_and_the_stream_goes_on(late: float) -> None:
    found = stream()
    readings(found, [0.0, 1.0, 2.0, 3.0])
    before = found.reading
    (rejection,) = found.push(late, ANOMALOUS)
    assert isinstance(rejection, SampleRejectedError)
    assert "is not newer than the one before it (3.0 s)" in str(rejection)
    assert found.reading is before
    assert readings(found, [4.0]) == [True]
    assert found.reading is not None
    assert before is not None
    assert found.reading.score == before.score, "the rejected sample must not be in the window"


def test_a_gap_makes_the_window_start_afresh() -> None:
    step = GAP_PERIODS + 0.1
    assert readings(stream(), [0, 1, 2, 3, 3 + step, 4 + step, 5 + step, 6 + step]) == (
        [False] * (WINDOW - 1) + [True] + [False] * (WINDOW - 1) + [True]
    )


def test_a_few_samples_missing_are_no_gap() -> None:
    assert readings(stream(), [0, 1, 2, 3, 3 + GAP_PERIODS]) == [False, False, False, True, True]


def test_without_a_time_base_there_are_no_gaps() -> None:
    signal = replace(SIGNAL, sample_period_s=None)
    assert readings(stream(signal), [0, 1, 2, 3, 1e6]) == [False, False, False, True, True]


def test_an_incident_is_one_alert_with_a_start_and_an_end() -> None:
    found = stream()
    values = [NORMAL] * 6 + [ANOMALOUS] * 3 + [NORMAL] * 6
    told = alerts(found, [(float(time), value) for time, value in enumerate(values)])
    assert [alert.phase for alert in told] == ["new", "end"]
    assert len({alert.alert_id for alert in told}) == 1
    assert (told[-1].start, told[-1].end) == (6.0, 8.0)


def series(values: list[float]) -> Rows:
    return [(float(time), np.full(len(CHANNELS), value)) for time, value in enumerate(values)]


def test_every_row_has_a_score_and_the_first_rows_repeat_the_first() -> None:
    result = score_rows(stream(), series([1, 1, 1, 2, 1, 1]))
    assert len(result.score) == 6
    assert len(set(result.score[:WINDOW].tolist())) == 1
    assert result.score[WINDOW] != result.score[WINDOW - 1]
    assert result.window_rows.tolist() == [3, 4, 5]
    assert not result.rejected


def test_an_alert_is_active_from_its_opening_to_its_end() -> None:
    result = score_rows(stream(), series([1] * 6 + [5] * 3 + [1] * 6))
    # Two windows above the threshold open it; three seconds without one close it.
    assert np.flatnonzero(result.alert).tolist() == [7, 8, 9, 10]


def test_a_row_that_cannot_be_scored_repeats_the_score_before_and_is_counted() -> None:
    rows = series([1, 1, 1, 1, 2, 1, 1])
    rows[5] = (0.5, rows[5][1])
    result = score_rows(stream(), rows)
    assert result.score[5] == result.score[4]
    assert result.rejected == 1
    assert result.first_rejection is not None
    assert result.first_rejection.startswith("row 6: ")
    assert 5 not in result.window_rows


@given(count=st.integers(0, WINDOW - 1))
def test_fewer_rows_than_a_window_are_an_error(count: int) -> None:
    with pytest.raises(DataError, match=rf"expected at least {WINDOW} rows, one window, found {count}"):
        score_rows(stream(), series([1.0] * count))


def test_a_series_without_any_usable_row_is_an_error_that_says_why() -> None:
    with pytest.raises(DataError, match=r"20 rows were rejected; row 1: no value for x, y, z"):
        score_rows(stream(), series([float("nan")] * 20))


@given(
    values=st.lists(st.sampled_from([1.0, 2.0, 5.0, float("nan"), 1e30]), min_size=12, max_size=30),
    cut=st.integers(WINDOW, 12),
)
def test_scores_and_alerts_are_causal(values: list[float], cut: int) -> None:
    values[:WINDOW] = [1.0] * WINDOW
    whole, part = score_rows(stream(), series(values)), score_rows(stream(), series(values[:cut]))
    assert part.score.tolist() == whole.score[:cut].tolist()
    assert part.alert.tolist() == whole.alert[:cut].tolist()
