"""What every simulator promises: the same for a seed, labels that match the faults, documented numbers."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from click.testing import CliRunner

from vedette.errors import ConfigError
from vedette.train.commands import simulate as simulate_command
from vedette.train.simulators import SIMULATORS
from vedette.train.simulators.events import FaultKind, plan, shortest_test_s
from vedette.train.simulators.parameters import parameter_rows
from vedette.train.simulators.recording import Recording
from vedette.train.simulators.simulator import Simulator

PAGE = (Path(__file__).parents[2] / "docs" / "simulators.md").read_text(encoding="utf-8")
EVERY = pytest.mark.parametrize("kind", SIMULATORS)
# Hours of normal operation and of a test that holds one event of each fault or more, short enough for a quick test.
SHORT = {"pump": (0.5, 1.0), "ecg": (0.02, 0.08), "meter": (24.0, 96.0), "network": (3.0, 12.0), "atm": (48.0, 240.0)}
KINDS = (FaultKind("short", 60, 120), FaultKind("long", 600, 1800), FaultKind("night", 300, 900, hours=(1.0, 3.0)))


def simulated(kind: str, seed: int = 3) -> tuple[Recording, Recording]:
    return SIMULATORS[kind](seed, *SHORT[kind])


def section(kind: str) -> str:
    """What the documentation says of one simulator."""
    titles = {"pump": "pump", "ecg": "electrocardiogram", "meter": "meter", "network": "network", "atm": "cash machine"}
    return PAGE.partition(f"\n## The {titles[kind]}\n")[2].partition("\n## ")[0]


def hours_of(count: int, period_s: float, first: float = 0.0) -> npt.NDArray[np.float64]:
    return (first + np.arange(count) * period_s / 3600) % 24


@EVERY
def test_the_same_seed_writes_the_same_bytes_and_another_seed_does_not(kind: str, tmp_path: Path) -> None:
    written = {}
    for name, seed in (("first", 3), ("again", 3), ("other", 4)):
        parts = []
        for recording in simulated(kind, seed):
            recording.write_csv(tmp_path / name)
            parts.append((tmp_path / name).read_bytes())
        written[name] = parts
    assert written["first"] == written["again"]
    assert written["first"][0] != written["other"][0]
    assert written["first"][1] != written["other"][1]


@EVERY
def test_normal_operation_does_not_depend_on_the_length_of_the_test(kind: str) -> None:
    train, test = SHORT[kind]
    longer = SIMULATORS[kind](3, train, 1.5 * test)[0]
    np.testing.assert_array_equal(simulated(kind)[0].values, longer.values)


@EVERY
def test_train_has_no_labels_and_those_of_the_test_match_its_faults(kind: str) -> None:
    train, test = simulated(kind)
    assert train.label is None
    assert train.fault is None
    assert test.label is not None
    assert test.fault is not None
    np.testing.assert_array_equal(test.label == 1, test.fault != "none")
    assert set(test.fault[test.label == 1]) == set(SIMULATORS[kind].faults)
    assert 0.01 < test.label.mean() < 0.55
    assert test.label[: int(0.04 * len(test)) - 1].sum() == 0


@EVERY
def test_the_test_goes_on_where_train_stops_at_the_same_period(kind: str) -> None:
    train, test = simulated(kind)
    times = np.concatenate([train.times, test.times])
    steps = np.diff(times) / np.timedelta64(1, "ms") / 1000
    np.testing.assert_allclose(steps, SIMULATORS[kind].period_s)
    assert str(times[0]).startswith("2026-01-05T00:00:00")


@EVERY
def test_every_value_is_finite_and_every_channel_lives(kind: str) -> None:
    train, test = simulated(kind)
    for recording in (train, test):
        assert recording.channels == SIMULATORS[kind].channels
        assert recording.values.shape == (len(recording), len(recording.channels))
        assert np.isfinite(recording.values).all()
        assert (recording.values.std(axis=0) > 0).all()


@EVERY
def test_the_file_reads_back_as_it_was_with_times_that_tell_the_samples_apart(kind: str, tmp_path: Path) -> None:
    _, test = simulated(kind)
    test.write_csv(tmp_path / "test.csv")
    frame = pl.read_csv(tmp_path / "test.csv")
    assert frame.columns == ["time", *test.channels, "label", "fault"]
    np.testing.assert_array_equal(frame.select(test.channels).to_numpy(), test.values)
    assert frame["time"].n_unique() == len(test)
    assert frame["time"].str.ends_with("Z").all()


@pytest.mark.slow
@EVERY
def test_the_defaults_make_files_of_a_sensible_size_with_many_events_of_each_fault(kind: str) -> None:
    simulator = SIMULATORS[kind]
    train, test = simulator(7)
    assert 20_000 < len(train) < 200_000
    assert 15_000 < len(test) < 200_000
    assert test.label is not None
    assert test.fault is not None
    starts = np.flatnonzero(np.diff(test.label, prepend=0) == 1)
    counts = {fault: int((test.fault[starts] == fault).sum()) for fault in simulator.faults}
    assert set(counts.values()) == {2 if kind == "pump" else 8}
    assert test.label.mean() < 0.5


@EVERY
@pytest.mark.parametrize("hours", [float("nan"), float("inf"), -1.0, 0.0, 1e9])
def test_an_impossible_duration_is_refused(kind: str, hours: float) -> None:
    train, test = SHORT[kind]
    with pytest.raises(ConfigError, match="--train-hours"):
        SIMULATORS[kind](7, hours, test)
    with pytest.raises(ConfigError, match="--test-hours"):
        SIMULATORS[kind](7, train, hours)


@EVERY
def test_a_test_too_short_for_every_fault_is_refused_with_a_length_that_is_enough(kind: str) -> None:
    simulator = SIMULATORS[kind]
    least = 10 * simulator.period_s / 3600
    with pytest.raises(ConfigError, match="the test needs at least") as refused:
        simulator(7, SHORT[kind][0], least)
    enough = float(str(refused.value).split(" at least ")[1].split(" hours")[0])
    assert simulator(7, SHORT[kind][0], enough)[1].fault is not None


@EVERY
def test_progress_ends_at_one(kind: str) -> None:
    told: list[float] = []
    SIMULATORS[kind](3, *SHORT[kind], told.append)
    assert told == sorted(told)
    assert told[-1] == 1


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize("hours", [48.0, 100.0])
def test_planned_events_are_apart_within_the_test_and_at_their_hours(seed: int, hours: float) -> None:
    hour = hours_of(int(hours * 60), 60.0, first=seed)
    events = plan(np.random.default_rng(seed), KINDS, hour=hour, period_s=60.0, rest_s=900.0)
    counts = {kind.name: [event.kind for event in events].count(kind.name) for kind in KINDS}
    assert len(set(counts.values())) == 1
    assert events[0].start >= 0.04 * len(hour)
    assert events[-1].stop <= len(hour)
    for before, after in itertools.pairwise(events):
        assert after.start - before.stop >= 15
    for event in events:
        kind = next(item for item in KINDS if item.name == event.kind)
        assert kind.shortest_s <= (event.stop - event.start) * 60 <= kind.longest_s
        assert event.kind != "night" or 1 <= hour[event.start] < 3
    if counts["night"] > 1:
        severities = [event.severity for event in events if event.kind == "night"]
        assert min(severities) < 0.5
        assert max(severities) >= 0.8


@pytest.mark.parametrize("seed", range(100))
def test_the_shortest_test_that_is_accepted_always_holds_one_event_of_each_fault(seed: int) -> None:
    for kinds, rest in ((KINDS, 900.0), (KINDS[:2], 120.0)):
        count = int(np.ceil(shortest_test_s(kinds, rest) / 30))
        hour = hours_of(count, 30.0, first=0.24 * seed)
        events = plan(np.random.default_rng(seed), kinds, hour=hour, period_s=30.0, rest_s=rest)
        assert {event.kind for event in events} == {kind.name for kind in kinds}


@EVERY
def test_the_documentation_lists_every_parameter_as_it_is(kind: str) -> None:
    table = section(kind).partition("### Parameters")[2].partition("### Sources")[0]
    shown = [line for line in table.splitlines() if line.startswith("| `")]
    assert shown == [f"| `{row[0]}` | {' | '.join(row[1:])} |" for row in parameter_rows(SIMULATORS[kind].parameters)]


@EVERY
def test_the_documentation_names_every_channel_with_its_unit_and_every_fault(kind: str) -> None:
    text = section(kind).partition("### Parameters")[0]
    for fault in SIMULATORS[kind].faults:
        assert f"| `{fault}` |" in text
    for channel, unit in SIMULATORS[kind].units.items():
        rows = [line for line in text.splitlines() if line.startswith("| ") and f"`{channel}`" in line]
        assert any(f"| {unit} |" in line for line in rows), channel


@EVERY
def test_the_help_says_how_long_each_kind_is_by_default(kind: str) -> None:
    simulator: Simulator = SIMULATORS[kind]
    told = CliRunner().invoke(simulate_command, ["--help"]).output
    (row,) = [line.split(maxsplit=3) for line in told.splitlines() if line.strip().startswith(f"{kind} ")]
    assert row == [kind, f"{simulator.train_hours:g}", f"{simulator.test_hours:g}", simulator.title]
    (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{kind}` |")]
    assert f"| {simulator.train_hours:g} h | {simulator.test_hours:g} h |" in row
