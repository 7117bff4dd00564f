"""What training promises, measured on simulated machines: the budget of false alarms is kept on fresh data, the faulty
channel is named, and some anomalies among the training data do little harm."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from vedette.runtime.bundles.manifest import Manifest
from vedette.runtime.inference.interpreter import Model
from vedette.runtime.streams.scoring import score_rows
from vedette.runtime.streams.stream import Stream
from vedette.train.config import ProjectConfig, ThresholdConfig
from vedette.train.convert import float_model
from vedette.train.evaluation.metrics import auc_roc
from vedette.train.held_out import calibrate_detector, draft_manifest, score_held_out
from vedette.train.injection import inject
from vedette.train.model_dir import CalibrationData, ModelDir
from vedette.train.pipeline import train
from vedette.train.simulators import SIMULATORS
from vedette.train.simulators.recording import Recording

pytestmark = pytest.mark.slow

DAY_S = 86_400.0


@dataclass(frozen=True)
class Machine:
    """A detector trained on the first part of a recording of normal operation, and the rest, which it never saw."""

    directory: ModelDir
    data: CalibrationData
    model: Model
    manifest: Manifest
    fresh: Recording


def trained_on(kind: str, train_hours: float, fresh_hours: float, folder: Path) -> Machine:
    simulator = SIMULATORS[kind]
    normal, _ = simulator(7, train_hours + fresh_hours)
    count = round(train_hours * 3600 / simulator.period_s)
    replace(normal, times=normal.times[:count], values=normal.values[:count]).write_csv(folder / "train.csv")
    directory, _ = train(folder / "train.csv", ProjectConfig(), folder / "model")
    model = Model(float_model(directory, directory.load_network()))
    fresh = replace(normal, times=normal.times[count:], values=normal.values[count:])
    return Machine(directory, directory.load_calibration_data(), model, draft_manifest(directory, model), fresh)


# The pump has 6 channels; the meter has 4, so that its score has prototypes too.
@pytest.fixture(scope="module", params=[("pump", 18.0, 30.0), ("meter", 600.0, 600.0)], ids=lambda part: part[0])
def machine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    kind, train_hours, fresh_hours = request.param
    return trained_on(kind, train_hours, fresh_hours, tmp_path_factory.mktemp(kind))


def seconds(recording: Recording) -> npt.NDArray[np.float64]:
    return recording.times.astype("datetime64[ms]").astype(np.float64) / 1000.0


def alarms(manifest: Manifest, model: Model, recording: Recording) -> int:
    """Alerts that the gateway would raise."""
    stream, raised = Stream(manifest, model), 0
    for time, values in zip(seconds(recording).tolist(), recording.values, strict=True):
        for step in stream.push(time, values):
            assert isinstance(step, tuple)
            raised += step[2] is not None and step[2].phase == "new"
    return raised


def test_budgets_that_the_data_can_show_are_kept_on_fresh_data_within_a_factor_of_two(machine: Machine) -> None:
    times = seconds(machine.fresh)
    days = (times[-1] - times[0]) / DAY_S
    learned_days = (len(machine.data.rows) + len(machine.data.learned_rows)) * machine.directory.signal.period_s / DAY_S
    scores = score_held_out(machine.directory, machine.model, machine.data)
    for events in (20, 60):
        per_day = events / learned_days
        asked = replace(machine.directory, threshold=ThresholdConfig(false_alarms_per_day=per_day))
        found = calibrate_detector(asked, machine.model, machine.data, scores)
        assert found.supported
        raised = alarms(replace(machine.manifest, threshold=found.threshold), machine.model, machine.fresh)
        assert 0.5 * per_day * days <= raised <= 2.0 * per_day * days


def test_a_disturbed_channel_has_the_largest_share_in_nine_of_ten_cases(machine: Machine) -> None:
    rng, signal, hits = np.random.default_rng(3), machine.directory.signal, []
    length, lead = 4 * signal.window, 2 * signal.window
    for case in range(120):
        start = int(rng.integers(len(machine.fresh) - length))
        rows = machine.fresh.values[start : start + length]
        channel = int(rng.integers(len(signal.channels)))
        disturbed = rows.copy()
        alone = replace(signal, channels=signal.channels[channel : channel + 1])
        part, _ = inject(rows[lead:, channel : channel + 1], alone, seed=case)
        disturbed[lead:, channel] = part[:, 0]
        stream, highest = Stream(machine.manifest, machine.model), None
        for row, values in enumerate(disturbed):
            for step in stream.push(row * signal.period_s, values):
                assert isinstance(step, tuple)
                if row >= lead and (highest is None or step[1].score > highest.score):
                    highest = step[1]
        assert highest is not None
        hits.append(int(np.argmax(highest.shares)) == channel)
    assert np.mean(hits) >= 0.9


def contaminated(rows: npt.NDArray[np.float64], share: float) -> npt.NDArray[np.float64]:
    """Rows of which that share lies in episodes of 30 that are far off, or very far off, in one channel."""
    rng, rows = np.random.default_rng(5), rows.copy()
    spread = rows.std(axis=0)
    for episode in range(round(share * len(rows) / 30)):
        start, channel = int(rng.integers(len(rows) - 30)), int(rng.integers(rows.shape[1]))
        size = 100.0 if episode % 4 == 0 else rng.uniform(2.0, 8.0)
        rows[start : start + 30, channel] += rng.choice([-1.0, 1.0]) * size * spread[channel]
    return rows


@pytest.mark.parametrize(("kind", "train_hours", "test_hours"), [("pump", 4.0, 4.0), ("ecg", 0.1, 0.2)])
def test_a_few_percent_of_anomalies_among_the_training_data_do_little_harm(
    kind: str, train_hours: float, test_hours: float, tmp_path: Path
) -> None:
    normal, faulty = SIMULATORS[kind](7, train_hours, test_hours)
    assert faulty.label is not None
    found = []
    for name, values in (("clean", normal.values), ("dirty", contaminated(normal.values, 0.04))):
        replace(normal, values=values).write_csv(tmp_path / f"{name}.csv")
        directory, _ = train(tmp_path / f"{name}.csv", ProjectConfig(), tmp_path / name)
        model = Model(float_model(directory, directory.load_network()))
        stream = Stream(draft_manifest(directory, model), model)
        scores = score_rows(stream, zip(seconds(faulty).tolist(), faulty.values, strict=True))
        found.append(auc_roc(faulty.label, scores.score))
    assert found[0] > 0.6
    assert found[1] > found[0] - 0.05, "4% of the training rows were anomalous"
