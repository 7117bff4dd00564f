"""Scoring in batches: the same bits as one sample at a time, whatever else is in the batch."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from int8_models import inputs
from tiny import CHANNELS, INPUT, POLICY, SCORE, SIGNAL, WINDOW, tiny_model

from vedette.benchmarks.random_detector import dense_model
from vedette.errors import DataError
from vedette.runtime.alerting.alerts import Alert
from vedette.runtime.bundles.manifest import Manifest, RuntimeSpec
from vedette.runtime.detection import detector as detectors
from vedette.runtime.detection.detector import Detector
from vedette.runtime.detection.prototypes import Prototypes
from vedette.runtime.detection.score_spec import PrototypeSpec, ScoreSpec, TermSpec
from vedette.runtime.detection.signal import SignalSpec
from vedette.runtime.inference.interpreter import MAX_BATCH, Model
from vedette.runtime.streams.stream import Stream, StreamGroup

WIDTH = len(CHANNELS)
NAN = float("nan")
DYNAMIC = dense_model((WINDOW * WIDTH, 8, WIDTH), seed=1)
# Models whose batch can change, and whose batch cannot; an interpreter's and the NumPy kernels'.
MODELS = {
    "dynamic": Model(DYNAMIC),
    "fixed": Model(tiny_model()),
    "reference": Model(DYNAMIC, package="reference-S"),
    "fixed-reference": Model(tiny_model(), package="reference-D"),
}
PROTOTYPES = Prototypes.from_windows(
    np.random.default_rng(3).normal(size=(5, WINDOW * WIDTH)).astype(np.float32)
).quantized(INPUT)


def manifest(signal: SignalSpec, *, smoothing: float, nearest: bool) -> Manifest:
    """Thresholds low enough for many alerts."""
    term = TermSpec((1.0, 0.5, 2.0), smoothing=smoothing, level=1.5)
    score = ScoreSpec(term, PrototypeSpec(PROTOTYPES, replace(term, smoothing=0.3)) if nearest else None, 20.0)
    runtime = RuntimeSpec("ai-edge-litert", "2", "S", 1)
    return Manifest("t", "1", 1, signal, score, 1.2, POLICY, runtime, {"input": INPUT, "output": None}, {})


@dataclass(frozen=True)
class Sample:
    stream: int
    time: float
    values: npt.NDArray[np.float64]


def traffic(seed: int, *, streams: int, count: int) -> list[Sample]:
    """Samples of streams in random order: gaps, late ones, missing and impossible values, in some streams many."""
    rng = np.random.default_rng(seed)
    clocks = np.zeros(streams)
    chances = rng.dirichlet(np.full(streams, 0.5))
    missing = rng.choice([0.0, 0.02, 0.3], streams)
    samples = []
    for stream in rng.choice(streams, count, p=chances).tolist():
        clocks[stream] += rng.choice([1.0, 0.6, 2.5, 20.0, -1.0], p=[0.7, 0.15, 0.1, 0.03, 0.02])
        values = rng.normal(0.0, 2.0, WIDTH)
        values[rng.random(WIDTH) < missing[stream]] = rng.choice([NAN, 1e300, np.inf])
        samples.append(Sample(stream, float(clocks[stream]), values))
    return samples


Told = list[tuple[object, ...]]


def tell(time: float, score: float, alert: Alert | None) -> tuple[object, ...]:
    return time, score, None if alert is None else (alert.phase, alert.seq, alert.start, alert.end, alert.channels)


def one_at_a_time(found: Manifest, model: Model, samples: list[Sample], streams: int) -> dict[int, Told]:
    """What each stream gives where every sample is scored alone, each stream with a detector of its own."""
    singles = [Stream(found, model) for _ in range(streams)]
    told: dict[int, Told] = {number: [] for number in range(streams)}
    for sample in samples:
        for step in singles[sample.stream].push(sample.time, sample.values):
            told[sample.stream].append(
                (str(step),) if isinstance(step, DataError) else tell(step[0], step[1].score, step[2])
            )
    return told


def in_rounds(
    found: Manifest, model: Model, samples: list[Sample], streams: int, *, rounds: list[int], room: int
) -> dict[int, Told]:
    """The same where they are scored in rounds of these sizes, over and over."""
    group = StreamGroup(found, model, room=room)
    members = [Stream(found, model, group=group, owner=number) for number in range(streams)]
    told: dict[int, Told] = {number: [] for number in range(streams)}
    sizes, position = iter(rounds * len(samples)), 0
    while position < len(samples):
        size = next(sizes)
        for sample in samples[position : position + size]:
            members[sample.stream].offer(sample.time, sample.values)
        position += size
        result = group.score()
        # By row: a stream's rows are in order, and a rejection of a late sample has no row.
        alerts = {(step.stream.number, step.time): step.alert for step in result.alerts}
        entries: list[tuple[int, int, int, tuple[object, ...]]] = []
        for index, row in enumerate(result.readings.rows.tolist()):
            stream = members[result.numbers[row]]
            step = tell(
                result.times[row],
                float(result.readings.scores[index]),
                alerts.get((stream.number, result.times[row])),
            )
            entries.append((result.samples[row], row, stream.owner, step))
        for rejection in result.rejections:
            entries.append((rejection.sample, rejection.row, rejection.stream.owner, (str(rejection.error),)))
        for _, _, owner, step in sorted(entries, key=lambda entry: entry[:2]):
            told[owner].append(step)
    return told


@pytest.mark.slow
@given(
    seed=st.integers(0, 10_000),
    streams=st.integers(1, 12),
    rounds=st.lists(st.integers(1, 150), min_size=1, max_size=4),
    room=st.sampled_from([1, 3, 64, MAX_BATCH]),
    stride=st.integers(1, 3),
    missing=st.sampled_from(["hold", "drop", "fail"]),
    resampled=st.booleans(),
    smoothing=st.sampled_from([1.0, 0.2]),
    nearest=st.booleans(),
    model=st.sampled_from(sorted(MODELS)),
)
def test_a_batch_gives_the_bits_of_every_sample_alone(  # noqa: PLR0917
    seed: int,
    streams: int,
    rounds: list[int],
    room: int,
    stride: int,
    missing: str,
    resampled: bool,
    smoothing: float,
    nearest: bool,
    model: str,
) -> None:
    signal = replace(SIGNAL, stride=stride, missing=missing, resampled=resampled)  # type: ignore[arg-type]
    found = manifest(signal, smoothing=smoothing, nearest=nearest)
    samples = traffic(seed, streams=streams, count=200)
    alone = one_at_a_time(found, MODELS[model], samples, streams)
    assert in_rounds(found, MODELS[model], samples, streams, rounds=rounds, room=room) == alone


@pytest.mark.parametrize("name", sorted(MODELS))
@pytest.mark.parametrize("count", [0, 1, 2, 7, MAX_BATCH, MAX_BATCH + 1, 2 * MAX_BATCH + 3])
def test_a_model_runs_any_number_of_windows(name: str, count: int) -> None:
    model = MODELS[name]
    windows = inputs(np.random.default_rng(0), (count, WINDOW * WIDTH))
    alone = [model.run_many(window[None])[0].tolist() for window in windows]
    assert model.run_many(windows).tolist() == alone
    assert model.run_many(windows[:1]).tolist() == alone[:1]


def test_more_samples_than_a_batch_are_scored_in_several() -> None:
    rows = np.random.default_rng(5).normal(size=(3 * MAX_BATCH + 11, WIDTH))
    together = Detector(SIGNAL, SCORE, MODELS["dynamic"]).push_many(np.zeros(len(rows), np.int64), rows)
    single = Detector(SIGNAL, SCORE, MODELS["dynamic"])
    alone = [reading for row in rows if (reading := single.push(row)) is not None]
    assert together.rows.tolist() == list(range(WINDOW - 1, len(rows)))
    assert together.scores.tolist() == [reading.score for reading in alone]
    assert together.errors.tobytes() == np.array([reading.errors for reading in alone]).tobytes()
    assert together.expected.tobytes() == np.array([reading.expected for reading in alone]).tobytes()


def test_five_thousand_streams_take_what_is_said_and_score_as_one_does() -> None:
    streams = 5000
    found = manifest(replace(SIGNAL, sample_period_s=None), smoothing=0.2, nearest=False)
    group = StreamGroup(found, MODELS["dynamic"])
    members = [Stream(found, MODELS["dynamic"], group=group) for _ in range(streams)]
    single = Stream(found, MODELS["dynamic"])
    rows = np.random.default_rng(2).normal(size=(WINDOW + 2, WIDTH))
    for time, row in enumerate(rows):
        for member in members:
            member.offer(float(time), row)
        readings = group.score().readings
        single.push(float(time), row)
    assert len(readings.scores) == streams
    assert set(readings.scores.tolist()) == {single.score}
    # Rows (3 + 64) x 3 int8; last values and how long they are held, errors, two counters and the next row's place.
    assert group.detector.bytes_per_stream == (WINDOW - 1 + detectors.ROOM) * WIDTH + WIDTH * (8 + 4 + 4) + 3 * 8
