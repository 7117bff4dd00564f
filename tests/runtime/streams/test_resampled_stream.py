"""Streams whose samples come at irregular times: windows are on a grid, scores are for the samples."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from command import vedette
from hypothesis import given
from hypothesis import strategies as st
from tiny import CHANNELS, POLICY, SIGNAL, WINDOW, tiny_bundle_bytes

from vedette.errors import BundleError, DataError
from vedette.runtime.alerting.alerts import Alert
from vedette.runtime.bundles import bundle as bundles
from vedette.runtime.bundles.manifest import Manifest
from vedette.runtime.delivery.cloudevents import alert_event
from vedette.runtime.detection.detector import SampleRejectedError
from vedette.runtime.detection.resample import Resampler
from vedette.runtime.detection.signal import SignalSpec
from vedette.runtime.ingest.sources.base import Arrival
from vedette.runtime.streams.entry import Device, StreamEntry
from vedette.runtime.streams.entry import score as score_round
from vedette.runtime.streams.scoring import Scores, score_rows
from vedette.runtime.streams.stream import Step, Stream, StreamGroup

Floats = npt.NDArray[np.float64]
GRID = replace(SIGNAL, resampled=True)
BUNDLE = bundles.unpack(tiny_bundle_bytes())
MODEL = BUNDLE.load_model()
NAN = float("nan")


def stream(signal: SignalSpec = GRID) -> Stream:
    return Stream(replace(BUNDLE.manifest, signal=signal), MODEL)


def row(value: float) -> Floats:
    return np.full(len(CHANNELS), value)


def score(signal: SignalSpec, times: Floats, values: Floats) -> Scores:
    return score_rows(stream(signal), zip(times.tolist(), values, strict=True))


def push(found: Stream, *samples: tuple[float, float]) -> list[Step | DataError]:
    """What the samples of (time, value of all channels) give."""
    return [step for time, value in samples for step in found.push(time, row(value))]


def irregular(seed: int = 3, count: int = 600) -> tuple[Floats, Floats]:
    """Bursts, jitter, slow stretches, a value missing here and there, two gaps, and a few anomalies."""
    rng = np.random.default_rng(seed)
    steps = rng.choice([0.05, 0.4, 1.0, 2.5], count, p=[0.2, 0.2, 0.5, 0.1]) * rng.uniform(0.8, 1.2, count)
    steps[[200, 400]] = 50.0
    values = rng.normal(0, 0.5, (count, len(CHANNELS)))
    values[300:310] += 6.0
    values[rng.random(values.shape) < 0.05] = NAN
    return 1_793_000_000 + np.cumsum(steps), values


def test_windows_are_of_rows_of_the_grid() -> None:
    steps = push(stream(), *((time / 4, 1.0) for time in range(4 * WINDOW + 4)))
    assert [step[0] for step in steps if isinstance(step, tuple)] == [WINDOW - 0.5, WINDOW + 0.5]


def test_a_sample_may_complete_several_windows() -> None:
    found = stream()
    push(found, *((float(time), 1.0) for time in range(WINDOW)))
    steps = push(found, (WINDOW + 1.75, 2.0))
    assert [step[0] for step in steps if isinstance(step, tuple)] == [WINDOW - 0.5, WINDOW + 0.5, WINDOW + 1.5]
    assert isinstance(steps[-1], tuple)
    assert found.reading is steps[-1][1]


def test_an_alert_has_the_times_of_the_grid_and_is_told_with_the_row_that_caused_it() -> None:
    values = [1.0] * 6 + [5.0] * 3 + [1.0] * 8
    steps = push(stream(), *((time + 0.1 * (time % 3), value) for time, value in enumerate(values)))
    told = [(step[0], step[2]) for step in steps if isinstance(step, tuple) and step[2]]
    assert [(time, alert.phase, alert.start, alert.end) for time, alert in told] == [
        (7.5, "new", 6.5, None),
        (11.5, "end", 6.5, 8.5),
    ]


def test_an_incident_may_begin_and_be_told_within_one_sample() -> None:
    found = stream()
    push(found, *((float(time), 1.0) for time in range(6)), (6.0, 5.0))
    (*_, last) = push(found, (8.75, 1.0))
    assert isinstance(last, tuple)
    assert found.alerts.active is not None
    assert (found.alerts.active.start, found.alerts.active.phase) == (6.5, "new")


def test_a_gap_makes_the_window_start_afresh_on_a_new_grid() -> None:
    found = stream()
    assert len(push(found, *((float(time), 1.0) for time in range(WINDOW + 1)))) == 1
    (last,) = push(found, (100.25, 1.0))
    assert isinstance(last, tuple)
    assert last[0] == WINDOW + 0.5, "the row before the gap is not lost"
    steps = push(found, *((100.25 + time, 1.0) for time in range(1, WINDOW + 1)))
    assert [step[0] for step in steps if isinstance(step, tuple)] == [100.25 + WINDOW - 0.5]


def test_a_late_sample_is_rejected_and_is_in_no_row() -> None:
    with_late, without = stream(), stream()
    samples = [(float(time), 1.0 + time % 2) for time in range(8)]
    push(with_late, *samples[:6])
    (rejection,) = push(with_late, (4.5, 9.0))
    assert isinstance(rejection, SampleRejectedError)
    assert "4.5 s is not newer" in str(rejection)
    push(with_late, *samples[6:])
    push(without, *samples)
    assert with_late.reading is not None
    assert without.reading is not None
    assert with_late.reading.score == without.reading.score


@pytest.mark.parametrize(("missing", "error"), [("drop", SampleRejectedError), ("fail", DataError)])
def test_a_row_that_cannot_be_scored_costs_no_other(missing: str, error: type[DataError]) -> None:
    found = stream(replace(GRID, missing=missing))  # type: ignore[arg-type]
    push(found, *((float(time), 1.0) for time in range(WINDOW)), (WINDOW, NAN))
    rejection, step = push(found, (WINDOW + 1.5, 5.0))
    assert type(rejection) is error
    assert isinstance(step, tuple)
    assert step[0] == WINDOW + 1.5


def test_a_channel_that_comes_slower_is_held_by_the_missing_policy() -> None:
    """Mixed rates: z comes with every third sample only."""
    found = stream(replace(GRID, max_hold=2))
    steps = []
    for time in range(12):
        steps += found.push(float(time), np.array([1.0, 1.0, 2.0 if time % 3 == 0 else NAN]))
    assert len(steps) == 12 - WINDOW
    assert all(isinstance(step, tuple) and step[1].observed.tolist() == [1, 1, 2] for step in steps)


def test_every_sample_has_a_score_and_the_first_repeat_the_first() -> None:
    times, values = irregular()
    result = score(GRID, times, values)
    assert len(result.score) == len(result.alert) == len(times)
    assert np.isfinite(result.score).all()
    assert (result.score[: result.window_rows[0]] == result.window_score[0]).all()
    assert len(result.window_score) == len(result.window_rows)
    assert (np.diff(result.window_rows) == 0).any(), "one sample completes several windows"
    assert result.alert.any()


def test_scores_are_those_of_the_same_data_resampled_before() -> None:
    times, values = irregular()
    grid = Resampler(1.0, channels=len(CHANNELS)).feed(times, values)
    direct, before = score(GRID, times, values), score(SIGNAL, grid.times, grid.rows)
    assert direct.window_score.tolist() == before.window_score.tolist()
    assert direct.rejected == before.rejected
    scored = slice(direct.window_rows[0], None)
    newest = np.searchsorted(grid.times, times[scored], side="right") - 1  # the last row not after the sample
    assert direct.score[scored].tolist() == before.score[newest].tolist()


def test_the_command_scores_an_irregular_file_as_the_same_data_resampled_before(tmp_path: Path) -> None:
    times, values = irregular()
    grid = Resampler(1.0, channels=len(CHANNELS)).feed(times, values)
    for name, signal, table in (("irregular", GRID, (times, values)), ("regular", SIGNAL, (grid.times, grid.rows))):
        (tmp_path / f"{name}.vdt").write_bytes(tiny_bundle_bytes(signal=signal))
        with (tmp_path / f"{name}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["time", *CHANNELS])
            writer.writerows([time, *cells] for time, cells in zip(table[0].tolist(), table[1].tolist(), strict=True))

    def scored(name: str, *options: str) -> list[list[str]]:
        outcome = vedette("score", tmp_path / f"{name}.vdt", tmp_path / f"{name}.csv", *options)
        assert outcome.code == 0, outcome.stderr
        return list(csv.reader(outcome.stdout.splitlines()))[1:]

    rows, windows = scored("irregular"), scored("irregular", "--window-scores")
    assert [row[0] for row in rows] == [str(time) for time in times.tolist()]
    assert [row[1] for row in windows] == [row[1] for row in scored("regular", "--window-scores")]


@pytest.mark.slow
@given(st.integers(WINDOW * 6, 200), st.integers(0, 10))
def test_scores_and_alerts_are_causal(cut: int, seed: int) -> None:
    times, values = irregular(seed, count=500)
    whole, part = score(GRID, times, values), score(GRID, times[:cut], values[:cut])
    assert part.score.tolist() == whole.score[:cut].tolist()
    assert part.alert.tolist() == whole.alert[:cut].tolist()


def test_too_few_samples_are_an_error_that_names_the_grid() -> None:
    times = np.arange(20) / 10
    with pytest.raises(DataError, match=f"expected at least {WINDOW} rows, one window, on a grid of 1 s, found 20"):
        score(GRID, times, np.ones((20, len(CHANNELS))))


def test_a_grid_without_a_period_is_refused() -> None:
    with pytest.raises(ValueError, match="sample_period_s"):
        replace(GRID, sample_period_s=None)
    document = json.loads(replace(BUNDLE.manifest, signal=GRID).to_json())
    document["signal"]["sample_period_s"] = None
    with pytest.raises(BundleError, match="resampled: expected a sample_period_s"):
        Manifest.from_json(json.dumps(document).encode())


def test_a_manifest_from_before_grids_is_read() -> None:
    document = json.loads(BUNDLE.manifest.to_json())
    del document["signal"]["resampled"]
    assert Manifest.from_json(json.dumps(document).encode()) == BUNDLE.manifest


def test_the_gateway_tells_alerts_at_the_times_of_the_grid() -> None:
    told: list[tuple[float, Alert]] = []
    rejected: list[str] = []
    bundle = bundles.unpack(tiny_bundle_bytes(signal=replace(GRID, missing="drop")))

    def on_alert(device: Device, time: float, alert: Alert) -> None:
        told.append((time, alert))

    entry = StreamEntry(
        "motors",
        bundle,
        StreamGroup(bundle.manifest, MODEL),
        policy=POLICY,
        max_devices=1,
        max_payload_bytes=10_000,
        on_alert=on_alert,
        on_rejection=lambda name, error: rejected.append(str(error)),
    )
    # Anomalous at 5 and 6, without a value at 7, late at the end.
    samples = [(0, 1), (1, 1), (2, 1), (3, 1), (4.2, 1), (5, 5), (6, 5), (7, None), (8.5, 1), (8.0, 1)]
    for time, value in samples:
        payload = {"time": time, **dict.fromkeys(CHANNELS, value)}
        entry.take(Arrival(0, None, json.dumps(payload).encode(), 100.0))
        score_round(entry.group)
    assert [(time, alert.phase, alert.start) for time, alert in told] == [(6.5, "new", 5.5)]
    assert [text[:15] for text in rejected] == ["no value for x,", "sample of 8.0 s"]
    assert (entry.samples, entry.rejected) == (8, 2)
    time, alert = told[0]
    event = alert_event(alert, time=time, gateway="gw7", stream="motors", model={}, clock_synced=None)
    assert event["time"] == "1970-01-01T00:00:06.500Z"
