"""The simulated pump: the same for a seed, plausible when healthy, and failing as physics says."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from click.testing import CliRunner
from scipy.signal import butter, hilbert, sosfiltfilt

from vedette.errors import ConfigError, OutputError
from vedette.train.commands import simulate as simulate_command
from vedette.train.simulators.pump import CHANNELS, simulate
from vedette.train.simulators.pump_faults import FAULTS, schedule
from vedette.train.simulators.pump_parameters import PumpParameters
from vedette.train.simulators.recording import Recording
from vedette.train.simulators.rotor import BURST, RotorState, bpfo_order, velocity_bursts

FloatArray = npt.NDArray[np.float64]
PARAMETERS = PumpParameters()
ISO_10816_7_ZONE_A = 3.2  # mm/s rms, category II, up to 200 kW
BURSTS = 400
SHAFT_HZ = 176 / bpfo_order(PARAMETERS)  # near rated speed, with the outer-race frequency on a bin of the spectrum


@pytest.fixture(scope="module")
def short() -> tuple[Recording, Recording]:
    """One hour of normal operation and two with one event of each fault."""
    return simulate(7, 1, 2)


def bursts(*, wear: float = 0.0, imbalance: float = 0.0, speed: float = 1.0) -> npt.NDArray[np.float32]:
    """Bursts at a steady state."""
    ones = np.ones(BURSTS)
    state = RotorState(
        shaft_hz=ones * SHAFT_HZ * speed,
        supply_hz=ones * 50 * speed,
        speed=ones * speed,
        flow_ratio=ones,
        level=ones,
        wear=ones * wear,
        imbalance=ones * imbalance,
        cavitation=ones * 0,
    )
    return velocity_bursts(np.random.default_rng(1), state, PARAMETERS)


def events(recording: Recording) -> list[tuple[str, slice]]:
    """Kind and rows of each run of labelled rows."""
    assert recording.label is not None
    assert recording.fault is not None
    edges = np.flatnonzero(np.diff(recording.label, prepend=0, append=0)).reshape(-1, 2)
    return [(str(recording.fault[start]), slice(start, stop)) for start, stop in edges]


def rows_of(recording: Recording, kind: str) -> slice:
    """Rows of the only event of a kind."""
    (rows,) = [rows for name, rows in events(recording) if name == kind]
    return rows


def peak_at_shaft_speed(waveform: npt.NDArray[np.float32], speed: float) -> float:
    """Mean amplitude at 1x, by correlation with a windowed rotation."""
    hann = np.hanning(BURST)
    turn = np.exp(-2j * np.pi * SHAFT_HZ * speed * np.arange(BURST) / PARAMETERS.burst_rate)
    return float(np.abs(waveform @ (hann * turn)).mean() * 2 / hann.sum())


def envelope_line(waveform: npt.NDArray[np.float32]) -> float:
    """Power of the envelope at the outer-race frequency over the median of the bins around it."""
    band = butter(4, (600, 960), "bandpass", fs=PARAMETERS.burst_rate, output="sos")
    envelope = np.abs(hilbert(sosfiltfilt(band, waveform, axis=-1), axis=-1))
    envelope -= envelope.mean(axis=-1, keepdims=True)
    power = (np.abs(np.fft.rfft(envelope * np.hanning(BURST), axis=-1)) ** 2).mean(axis=0)
    line = round(bpfo_order(PARAMETERS) * SHAFT_HZ / (PARAMETERS.burst_rate / BURST))
    around = [index for index in range(line - 8, line + 9) if abs(index - line) > 2]
    return float(power[line] / np.median(power[around]))


def test_the_same_seed_writes_the_same_bytes_and_another_seed_does_not(tmp_path: Path) -> None:
    written = {}
    for name, seed in (("first", 3), ("again", 3), ("other", 4)):
        parts = []
        for recording, file in zip(simulate(seed, 0.5, 0.5), ("train.csv", "test.csv"), strict=True):
            path = tmp_path / f"{name}-{file}"
            recording.write_csv(path)
            parts.append(path.read_bytes())
        written[name] = parts
    assert written["first"] == written["again"]
    assert written["first"][0] != written["other"][0]
    assert written["first"][1] != written["other"][1]


def test_normal_operation_does_not_depend_on_the_length_of_the_test() -> None:
    short, long = simulate(3, 0.5, 0.5)[0], simulate(3, 0.5, 2)[0]
    np.testing.assert_array_equal(short.values, long.values)


def test_the_files_have_the_documented_columns_and_the_test_goes_on_where_train_stops(
    tmp_path: Path, short: tuple[Recording, Recording]
) -> None:
    for recording, name in zip(short, ("train.csv", "test.csv"), strict=True):
        recording.write_csv(tmp_path / name)
    train = (tmp_path / "train.csv").read_text().splitlines()
    test = (tmp_path / "test.csv").read_text().splitlines()
    assert train[0] == "time,vib_x,vib_y,vib_z,current,temperature,pressure"
    assert test[0] == train[0] + ",label,fault"
    assert train[1].startswith("2026-01-05T00:00:00Z,")
    assert train[2].startswith("2026-01-05T00:00:02Z,")
    assert test[1].startswith("2026-01-05T01:00:00Z,")
    assert (len(train), len(test)) == (1801, 3601)
    assert all(len(value) <= 5 for value in train[1].split(",")[1:])


def test_train_has_no_faults_and_the_labels_of_the_test_match_its_faults(short: tuple[Recording, Recording]) -> None:
    train, test = short
    assert train.label is None
    assert train.fault is None
    assert test.label is not None
    assert test.fault is not None
    np.testing.assert_array_equal(test.label == 1, test.fault != "none")
    assert sorted(kind for kind, _ in events(test)) == sorted(FAULTS)


@pytest.mark.parametrize(("hours", "each"), [(0.5, 1), (2.0, 1), (24.0, 2), (72.0, 2)])
@pytest.mark.parametrize("seed", range(20))
def test_a_schedule_holds_every_fault_and_leaves_most_of_the_time_normal(hours: float, each: int, seed: int) -> None:
    samples = int(hours * 1800)
    planned = schedule(np.random.default_rng(seed), samples, 2.0)
    assert sorted(event.kind for event in planned) == sorted(FAULTS * each)
    assert planned[0].start >= samples * 0.1
    assert all(before.stop < after.start for before, after in itertools.pairwise(planned))
    assert planned[-1].stop < samples
    assert sum(event.stop - event.start for event in planned) < samples * 0.5
    assert all(before.kind != after.kind for before, after in itertools.pairwise(planned))
    for kind in FAULTS:
        severities = [event.severity for event in planned if event.kind == kind]
        assert each == 1 or (min(severities) < 0.6 and max(severities) > 0.75)


@pytest.mark.slow
def test_a_healthy_day_is_plausible() -> None:
    train, _ = simulate(7, 24, 0.5)
    values = dict(zip(CHANNELS, train.values.T, strict=True))
    for axis in CHANNELS[:3]:
        assert 0.2 < values[axis].min() < values[axis].max() < ISO_10816_7_ZONE_A
    assert 2.2 < values["current"].min() < values["current"].max() < 4.4
    assert 20 < values["temperature"].min() < values["temperature"].max() < 60
    assert 1.5 < values["pressure"].min() < values["pressure"].max() < 4
    # The speed goes up with demand and takes vibration, current and pressure with it.
    assert np.corrcoef(values["pressure"], values["current"])[0, 1] > 0.8
    assert np.corrcoef(values["pressure"], values["vib_x"])[0, 1] > 0.6
    peak = [values["current"][1800 * hour : 1800 * (hour + 1)].mean() for hour in (3, 8)]
    assert peak[1] > 1.2 * peak[0]


def test_the_outer_race_frequency_is_that_of_a_6205() -> None:
    assert bpfo_order(PARAMETERS) == pytest.approx(3.5848, abs=2e-4)


def test_only_a_worn_bearing_has_its_fault_frequency_in_the_envelope() -> None:
    healthy, worn = bursts(), bursts(wear=0.5)
    assert envelope_line(worn[:, 0]) > 10
    assert envelope_line(healthy[:, 0]) < 2
    rms = [np.sqrt((waveform**2).mean(axis=(0, 2))) for waveform in (healthy, worn)]
    assert rms[1][0] - rms[0][0] > 2 * (rms[1][2] - rms[0][2]) > 0, "the impacts are radial"


@pytest.mark.parametrize("axis", [0, 1])
def test_imbalance_raises_the_radial_harmonic_at_shaft_speed_with_its_square(axis: int) -> None:
    added = {
        speed: peak_at_shaft_speed(bursts(imbalance=1, speed=speed)[:, axis], speed)
        - peak_at_shaft_speed(bursts(speed=speed)[:, axis], speed)
        for speed in (0.7, 1.0)
    }
    assert added[1.0] == pytest.approx(PARAMETERS.imbalance_peak[axis], rel=0.1)
    assert added[0.7] / added[1.0] == pytest.approx(0.49, abs=0.05)


def test_a_waveform_is_the_sum_of_its_sinusoids() -> None:
    waveform = bursts()[:, 0].astype(float)
    expected = sum(
        getattr(PARAMETERS, name)[0] ** 2 / 2
        for name in ("looseness", "unbalance", "misalignment", "looseness", "vane_pass", "magnetic")
    )
    expected += PARAMETERS.turbulence[0] ** 2
    assert np.sqrt((waveform**2).mean()) == pytest.approx(np.sqrt(expected), rel=0.02)


def test_cavitation_is_broadband_noise_with_less_and_unsteady_pressure(short: tuple[Recording, Recording]) -> None:
    values = short[1].values
    rows = rows_of(short[1], "cavitation")
    failing, before = values[rows], values[rows.start - 120 : rows.start]
    fluctuation = [np.diff(part, axis=0).std(axis=0) for part in (before, failing)]
    assert (fluctuation[1][:3] > 2 * fluctuation[0][:3]).all()
    assert (fluctuation[1][[3, 5]] > 1.2 * fluctuation[0][[3, 5]]).all()
    assert (failing[:, :3].mean(axis=0) > before[:, :3].mean(axis=0)).all()


def test_a_stuck_channel_keeps_its_last_value_while_the_others_live(short: tuple[Recording, Recording]) -> None:
    values = short[1].values
    rows = rows_of(short[1], "stuck_sensor")
    stuck = np.flatnonzero(np.ptp(values[rows], axis=0) == 0)
    assert len(stuck) == 1
    assert values[rows.start, stuck[0]] == values[rows.start - 1, stuck[0]]


def test_a_drifting_channel_ends_far_from_where_it_jumps_back_to(short: tuple[Recording, Recording]) -> None:
    values = short[1].values
    rows = rows_of(short[1], "drifting_sensor")
    jump = np.abs(values[rows.stop - 5 : rows.stop].mean(axis=0) - values[rows.stop : rows.stop + 5].mean(axis=0))
    assert (jump > 0.5 * np.array(PARAMETERS.drift)).sum() == 1


@pytest.mark.slow
def test_a_worn_bearing_runs_hotter_than_the_same_pump_without_the_fault() -> None:
    _, test = simulate(7, 24, 24)
    healthy, _ = simulate(7, 48, 0.5)
    difference = test.values[:, 4] - healthy.values[43_200:, 4]
    for kind, rows in events(test):
        if kind == "bearing_wear":
            assert difference[rows][-300:].mean() > 1.5
            assert abs(difference[rows.start - 300 : rows.start].mean()) < 1


@pytest.mark.parametrize("hours", [float("nan"), float("inf"), -1.0, 0.0, 1e9])
def test_an_impossible_duration_is_refused(hours: float) -> None:
    with pytest.raises(ConfigError, match="--train-hours"):
        simulate(7, hours, 1)
    with pytest.raises(ConfigError, match="--test-hours"):
        simulate(7, 1, hours)


def test_a_test_too_short_for_every_fault_is_refused_with_the_length_it_needs() -> None:
    with pytest.raises(ConfigError, match=r"at least 0\.31 hours"):
        simulate(7, 1, 0.3)
    simulate(7, 0.1, 0.31)


def test_the_command_says_what_it_wrote_and_what_comes_next(tmp_path: Path) -> None:
    folder = tmp_path / "plant 1"
    arguments = ["pump", "-o", str(folder), "--train-hours", "0.5", "--test-hours", "0.5"]
    result = CliRunner().invoke(simulate_command, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    assert result.stdout == ""
    assert "900 samples of normal operation" in result.stderr
    assert f"next: vedette train '{folder}/train.csv' -o " in result.stderr
    assert sorted(path.name for path in folder.iterdir()) == ["test.csv", "train.csv"]


def test_existing_output_is_refused_unless_forced(tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_text("mine")
    arguments = ["pump", "-o", str(tmp_path), "--train-hours", "0.5", "--test-hours", "0.5"]
    result = CliRunner().invoke(simulate_command, arguments)
    assert isinstance(result.exception, OutputError)
    assert "--force" in str(result.exception)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]
    assert CliRunner().invoke(simulate_command, [*arguments, "--force"]).exit_code == 0
    assert (tmp_path / "test.csv").read_text().startswith("time,")


def test_output_that_cannot_be_written_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    options = ["--train-hours", "0.5", "--test-hours", "0.5"]
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        result = CliRunner().invoke(simulate_command, ["pump", "-o", str(place), *options])
        assert isinstance(result.exception, OutputError)
    (tmp_path / "train.csv").mkdir()
    result = CliRunner().invoke(simulate_command, ["pump", "-o", str(tmp_path), "--force", *options])
    assert isinstance(result.exception, OutputError)


def test_an_unknown_simulator_suggests_the_nearest() -> None:
    result = CliRunner().invoke(simulate_command, ["pmup"])
    assert isinstance(result.exception, ConfigError)
    assert 'did you mean "pump"?' in str(result.exception)
