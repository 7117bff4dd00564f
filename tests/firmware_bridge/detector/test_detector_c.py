"""The detector in C against the gateway's own: the same flags, and the same bits of every score."""

from __future__ import annotations

import math
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from detector_probe import SANITIZED, compile_probe, probe_bundle, run_probe, write_sources
from echo_network import EchoNetwork
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vedette.errors import DataError
from vedette.runtime.alerting.alerts import Alert, AlertPolicy
from vedette.runtime.bundles.manifest import Manifest, RuntimeSpec
from vedette.runtime.detection.prototypes import Prototypes
from vedette.runtime.detection.reading import Reading
from vedette.runtime.detection.score_spec import PrototypeSpec, ScoreSpec, TermSpec
from vedette.runtime.detection.signal import Channel, SignalSpec
from vedette.runtime.inference.interpreter import Quantization
from vedette.runtime.streams.stream import Stream

SCORED, LATE, MISSING, GAP, NEW, UPDATE, END = (1 << bit for bit in range(7))
PHASES = {"new": NEW, "update": UPDATE, "end": END}
# All times are multiples of this, which seconds hold exactly: the gateway's limits are then as sharp as the firmware's.
TICK_MS = 125


def random_manifest(rng: np.random.Generator, **fixed: Any) -> Manifest:
    """A manifest with every number chosen at random; ``fixed`` are fields of the signal."""
    channels = int(fixed.pop("channels", rng.integers(1, 41)))
    window, stride = int(fixed.pop("window", rng.integers(1, 25))), int(rng.choice([1, 1, 1, 2, 3, 7]))
    prototypes = fixed.pop("prototypes", rng.random() < 0.5)
    signal = {
        "channels": tuple(
            Channel(f"c{i}*/", mean=float(rng.normal(0, 10.0 ** rng.integers(-3, 4))),
                    scale=float(10.0 ** rng.uniform(-3, 3)), low=-1.0, high=1.0, unit="m/s²")
            for i in range(channels)
        ),
        "window": window,
        "stride": stride,
        "sample_period_s": rng.choice([None, 0.125, 0.25, 1.0]),
        "timestamp": None,
        "missing": str(rng.choice(["hold", "hold", "drop", "fail"])),
        "max_hold": int(rng.choice([0, 1, 3, 300])),
        "input_clip": float(rng.uniform(1, 8)),
        **fixed,
    }  # fmt: skip
    steps = Quantization(float(np.float32(rng.uniform(0.01, 0.1))), int(rng.integers(-128, 128)))
    nearest = None
    if prototypes:
        count = int(rng.integers(1, 20))
        windows = rng.normal(0, 1, (count, window * channels)).astype(np.float32)
        nearest = PrototypeSpec(Prototypes.from_windows(windows).quantized(steps), random_term(rng, channels))
    low = int(rng.integers(1, 5))
    return Manifest(
        name="probe",
        version="1",
        sequence=1,
        signal=SignalSpec(**signal),
        score=ScoreSpec(random_term(rng, channels), nearest, residual_clip=float(rng.uniform(2, 30))),
        threshold=float(rng.uniform(0.5, 4)),
        alert=AlertPolicy(
            min_windows=low,
            clear_after_s=float(rng.choice([0.0, 0.125, 2.0, 10.0])),
            cooldown_s=float(rng.choice([0.0, 1.0, 20.0])),
            of_windows=None if rng.random() < 0.5 else low + int(rng.integers(0, 6)),
            clear_ratio=float(rng.uniform(0.4, 1.0)),
        ),
        runtime=RuntimeSpec("firmware", "1", "D", 1),
        quantization={"input": steps, "output": Quantization(steps.scale * float(rng.uniform(0.8, 1.2)), 3)},
        members={},
    )


def random_term(rng: np.random.Generator, channels: int) -> TermSpec:
    smoothing = 1.0 if rng.random() < 0.2 else float(rng.uniform(0.02, 1.0))
    scales = tuple(float(value) for value in rng.uniform(0.05, 2.0, channels))
    return TermSpec(scales, smoothing, level=float(rng.uniform(0.5, 2)))


def random_samples(
    rng: np.random.Generator, manifest: Manifest, count: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Times in ticks and values: calm and wild stretches, missing and broken values, gaps and late samples."""
    signal, channels = manifest.signal, len(manifest.signal.channels)
    period = int(signal.period_s * 1000) // TICK_MS
    wild = 1.0 + 8.0 * (np.sin(np.arange(count) / rng.uniform(4, 20)) > rng.uniform(0.2, 1.0))
    values = rng.normal(0, 1, (count, channels)) * wild[:, None]
    values = (values * signal.scale + signal.mean).astype(np.float32)
    holes = rng.random(values.shape) < rng.choice([0.0, 0.0, 0.002, 0.05])
    values[holes] = rng.choice([np.nan, np.inf, -np.inf, 2e36, np.float32(1e36)], int(holes.sum()))
    if rng.random() < 0.3:  # a channel that is gone for a while
        begin = int(rng.integers(0, count))
        values[begin : begin + int(rng.integers(1, 20)), rng.integers(channels)] = np.nan
    far = rng.random(values.shape) < 0.003
    values[far] = rng.choice([1e30, -1e35, 3e9, 0.0], int(far.sum()))
    steps = np.full(count, period)
    odd = rng.random(count) < rng.choice([0.0, 0.05])
    choices = [0, -1, -3 * period, 1, 3 * period, 3 * period + 1, 40 * period, 10_000_000]
    steps[odd] = rng.choice(choices, int(odd.sum()))
    steps[0] = 0
    return np.cumsum(steps), values


def with_threshold(
    rng: np.random.Generator, manifest: Manifest, ticks: npt.NDArray[np.int64], values: npt.NDArray[np.float32]
) -> Manifest:
    """The same with a threshold amid the scores of these samples, so that there are many incidents."""
    found = gateway(manifest, EchoNetwork(manifest.signal, manifest.quantization), ticks, values)
    scores = [steps[0][1].score for steps, _ in found if steps and not isinstance(steps[0], DataError)]
    return replace(manifest, threshold=float(np.quantile(scores, rng.uniform(0.3, 0.95)))) if scores else manifest


def gateway(
    manifest: Manifest, network: Any, ticks: npt.NDArray[np.int64], values: npt.NDArray[np.float32]
) -> list[Any]:
    """For every sample what the gateway's stream made of it, and its alert."""
    stream = Stream(manifest, network)
    return [
        (stream.push(int(tick) * TICK_MS / 1000, row), stream.alerts.active)
        for tick, row in zip(ticks, values.astype(np.float64), strict=True)
    ]


def compare(manifest: Manifest, ticks: npt.NDArray[np.int64], values: npt.NDArray[np.float32], *flags: str) -> int:
    """Assert that C and gateway agree about the samples; return how many windows were scored."""
    signal = manifest.signal
    golden = (
        np.random.default_rng(1).normal(0, 1, (3, signal.window, len(signal.channels))) * signal.scale + signal.mean
    )
    bundle, network = probe_bundle(manifest, golden)
    with tempfile.TemporaryDirectory() as folder:
        write_sources(Path(folder), bundle, network)
        program = compile_probe(Path(folder), *flags)
        found = run_probe(program, (ticks * TICK_MS % 2**32).astype(np.uint32), values)
    assert found.selftest == 0
    scored, newest, last = 0, -math.inf, None
    for result, shares, tick, (steps, _) in zip(
        found.results, found.shares, ticks.tolist(), gateway(manifest, network, ticks, values), strict=True
    ):  # fmt: skip
        late = tick <= newest
        gap = not late and newest > -math.inf and (tick - newest) * TICK_MS / 1000 > signal.longest_step_s
        newest = max(newest, tick)
        wanted = (LATE if late else 0) | (GAP if gap else 0)
        if steps and isinstance(steps[0], DataError):
            wanted |= 0 if late else MISSING
        elif steps:
            _, reading, alert = steps[0]
            wanted |= SCORED | (PHASES[alert.phase] if alert else 0)
            scored += 1
            assert result["score"].tobytes() == np.float64(reading.score).tobytes()
            compare_shares(manifest, reading, shares, result["outputs"])
            last = alert or last
        assert result["flags"] == wanted
        compare_alert(result, last)
    return scored


def compare_alert(result: np.void, alert: Alert | None) -> None:
    assert (result["incident"] > 0) == (alert is not None)
    if alert is None:
        return
    assert (result["seq"], result["alert_score"]) == (alert.seq, alert.score)
    assert result["start_ms"] == int(alert.start * 1000) % 2**32
    if alert.phase == "end":
        assert alert.end is not None
        assert result["end_ms"] == int(alert.end * 1000) % 2**32
        assert result["peak"] == alert.peak
        assert result["severity"] == alert.severity
    else:
        assert result["severity"] == result["score"] / alert.threshold


def compare_shares(
    manifest: Manifest, reading: Reading, shares: npt.NDArray[np.void], outputs: npt.NDArray[np.int8]
) -> None:
    signal, channels = manifest.signal, shares["channel"]
    assert np.allclose(shares["share"], reading.shares[channels], rtol=3e-6, atol=1e-7)
    assert np.allclose(shares["share"], np.sort(reading.shares)[::-1][: len(shares)], rtol=3e-6, atol=1e-7)
    assert len(set(channels.tolist())) == len(shares)
    for field, row in (("observed", reading.observed), ("expected", reading.expected)):
        in_units = (row * signal.scale + signal.mean).astype(np.float32)
        assert shares[field].tolist() == in_units[channels].tolist()
    output = manifest.quantization["output"]
    assert output is not None
    expected = (outputs.astype(np.float32) - np.float32(output.zero_point)) * np.float32(output.scale)
    assert expected.tobytes() == reading.expected.tobytes()


@pytest.mark.slow
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**32 - 1))
def test_any_detector_gives_the_bits_of_the_gateway(seed: int) -> None:
    rng = np.random.default_rng(seed)
    manifest = random_manifest(rng)
    ticks, values = random_samples(rng, manifest, 300)
    ticks += int(rng.integers(0, 2**33)) // TICK_MS  # 32 bits of milliseconds may wrap in between
    compare(with_threshold(rng, manifest, ticks, values), ticks, values, "-O2", "-ffp-contract=off")


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 7, 8, 9, 127, 128, 129, 200, 300])
@pytest.mark.parametrize("prototypes", [False, True])
def test_sums_over_any_number_of_channels_have_the_order_of_the_gateway(channels: int, prototypes: bool) -> None:
    rng = np.random.default_rng(channels)
    manifest = random_manifest(rng, channels=channels, window=3, prototypes=prototypes, missing="hold")
    ticks, values = random_samples(rng, manifest, 60)
    assert compare(manifest, ticks, np.nan_to_num(values), "-O2", "-ffp-contract=off") > 5


@pytest.mark.slow
def test_it_has_no_undefined_behaviour() -> None:
    for seed in range(6):
        rng = np.random.default_rng(seed)
        manifest = random_manifest(rng)
        ticks, values = random_samples(rng, manifest, 200)
        compare(with_threshold(rng, manifest, ticks, values), ticks, values, "-O1", *SANITIZED)


@pytest.mark.slow
def test_a_compiler_that_may_fuse_products_and_sums_gives_the_same_bits() -> None:
    if " fma " not in Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace"):
        pytest.skip("this processor does not fuse")
    for seed in range(6):
        rng = np.random.default_rng(seed)
        manifest = random_manifest(rng, missing="hold")
        ticks, values = random_samples(rng, manifest, 200)
        compare(manifest, ticks, values, "-O3", "-mfma", "-ffp-contract=fast")


@pytest.mark.slow
def test_prototypes_at_the_far_end_of_the_range_tie_where_they_do_on_the_gateway() -> None:
    rng = np.random.default_rng(3)
    window, channels = 32, 32
    manifest = random_manifest(rng, window=window, channels=channels, prototypes=False, missing="hold")
    steps = Quantization(0.0625, 0)
    # The same values in another order: the products with a window differ by little, and float32 counts in fours here.
    windows = np.repeat(rng.integers(118, 128, (1, window * channels)), 128, axis=0) * 0.0625
    windows[:, -64:] = rng.permuted(windows[:, -64:], axis=1)
    nearest = PrototypeSpec(
        Prototypes.from_windows(windows.astype(np.float32)).quantized(steps), random_term(rng, channels)
    )
    signal = replace(manifest.signal, input_clip=8.0, stride=1, sample_period_s=None)
    manifest = replace(manifest, signal=signal, score=replace(manifest.score, nearest=nearest),
                       quantization={"input": steps, "output": steps})  # fmt: skip
    low = rng.integers(-128, -117, (200, channels)) * 0.0625
    values = (low * signal.scale + signal.mean).astype(np.float32)
    ticks = np.arange(200) * 8
    assert compare(manifest, ticks, values, "-O2", "-ffp-contract=off") == 200 - window + 1
