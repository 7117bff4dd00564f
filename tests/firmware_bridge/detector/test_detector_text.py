"""What the C of a detector says, and which detectors have none."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from detector_probe import STRICT, compile_probe, probe_bundle, run_probe, write_sources
from required import missing
from test_detector_c import LATE, SCORED, random_manifest

from vedette.errors import BundleError
from vedette.firmware_bridge.detector.numbers import numbers_of
from vedette.runtime.bundles.manifest import Manifest
from vedette.runtime.detection.signal import Channel, SignalSpec

CORES = {
    "cortex-m0plus": ("-mfloat-abi=soft",),
    "cortex-m4": ("-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"),
    "cortex-m7": ("-mfloat-abi=hard", "-mfpu=fpv5-d16"),
    "cortex-m55": ("-mfloat-abi=hard",),
}


def manifest_with(seed: int = 0, **signal: object) -> Manifest:
    manifest = random_manifest(np.random.default_rng(seed), channels=3, window=4, prototypes=True)
    return replace(manifest, signal=replace(manifest.signal, **signal))


def sources(folder: Path, manifest: Manifest) -> None:
    signal = manifest.signal
    golden = np.zeros((2, signal.window, len(signal.channels))) + signal.mean
    write_sources(folder, *probe_bundle(manifest, golden))


@pytest.mark.parametrize(
    ("period", "longest"), [(0.1, 300), (0.7, 2100), (1.0, 3000), (0.0333, 99), (0.001, 3), (0.0001, 1)]
)
def test_a_gap_is_more_than_three_periods_in_decimal(period: float, longest: int) -> None:
    assert numbers_of(manifest_with(sample_period_s=period)).times.longest_step == longest


def test_samples_of_a_fast_signal_may_share_a_millisecond(tmp_path: Path) -> None:
    times = np.arange(20, dtype=np.uint32) // 3
    for period, flag in ((0.0004, SCORED), (0.01, LATE)):
        sources(tmp_path, manifest_with(sample_period_s=period, stride=1, missing="drop"))
        program = compile_probe(tmp_path, "-O1")
        found = run_probe(program, times, np.zeros((20, 3), np.float32))
        assert found.results["flags"][-1] & (SCORED | LATE) == flag


def test_a_clock_that_went_back_far_has_wrapped(tmp_path: Path) -> None:
    sources(tmp_path, manifest_with(sample_period_s=1.0, stride=1, missing="drop"))
    program = compile_probe(tmp_path, "-O1")
    times = np.array([2**32 - 1000, 0, 2**32 - 1000, 1000, 2000, 3000, 3000 + 30 * 86_400_000], np.int64)
    found = run_probe(program, times.astype(np.uint32), np.zeros((7, 3), np.float32))
    assert (found.results["flags"] & ~np.int32(0x70)).tolist() == [0, 0, LATE, 0, SCORED, SCORED, 8]


def test_names_from_a_bundle_stay_text(tmp_path: Path) -> None:
    names = ('*/ int x; /*"', '\\" ??/', "t\n#error °C")
    channels = tuple(Channel(name, mean=0.0, scale=1.0, low=0.0, high=1.0, unit="*/") for name in names)
    sources(tmp_path, manifest_with(channels=channels))
    compile_probe(tmp_path, "-O1")
    compiler = shutil.which("gcc") or missing("no gcc", "apt-get install gcc")
    (tmp_path / "names.c").write_text(
        '#include "probe.h"\n#include <stdio.h>\nint main(void) {\n'
        "    for (uint16_t i = 0; i < 4; i++) {\n        puts(probe_channel_name(i));\n    }\n    return 0;\n}\n",
        encoding="ascii",
    )
    program = tmp_path / "names"
    subprocess.run([compiler, tmp_path / "names.c", tmp_path / "probe.o", "-o", program], check=True)
    assert subprocess.run([program], capture_output=True, check=True).stdout.decode() == "\n".join([*names, "", ""])


def test_a_bundle_may_be_called_detector(tmp_path: Path) -> None:
    compiler = shutil.which("gcc") or missing("no gcc", "apt-get install gcc")
    sources(tmp_path, manifest_with())
    text = "".join((tmp_path / name).read_text(encoding="utf-8") for name in ("probe.h", "probe.c"))
    renamed = text.replace('#include "probe.h"\n', "").replace("probe", "detector").replace("PROBE", "DETECTOR")
    (tmp_path / "renamed.c").write_text(renamed, encoding="utf-8")
    subprocess.run([compiler, *STRICT, "-fsyntax-only", tmp_path / "renamed.c"], check=True)


def test_the_header_can_be_read_by_c_plus_plus(tmp_path: Path) -> None:
    compiler = shutil.which("g++") or missing("no g++", "apt-get install g++")
    sources(tmp_path, manifest_with())
    strict = ["-std=c++11", "-Wall", "-Wextra", "-Werror", "-pedantic", "-x", "c++", "-fsyntax-only"]
    subprocess.run([compiler, *strict, tmp_path / "probe.h"], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("core", CORES)
def test_it_compiles_for_a_cortex_and_fuses_nothing(tmp_path: Path, core: str) -> None:
    compiler = shutil.which("arm-none-eabi-gcc") or missing(
        "no arm-none-eabi-gcc", "apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi"
    )
    sources(tmp_path, manifest_with())
    flags = [f"-mcpu={core}", "-mthumb", *CORES[core], "-O3", "-ffp-contract=fast", "-S", "-o", "-"]
    done = subprocess.run([compiler, *STRICT, *flags, tmp_path / "probe.c"], capture_output=True, text=True, check=True)
    assert not [line for line in done.stdout.splitlines() if line.split()[:1] and line.split()[0].startswith("vf")]


def test_a_machine_that_computes_with_more_bits_is_refused(tmp_path: Path) -> None:
    compiler = shutil.which("gcc") or missing("no gcc", "apt-get install gcc")
    sources(tmp_path, manifest_with())
    refused = subprocess.run(
        [compiler, "-m64", "-mfpmath=387", "-std=c99", "-fsyntax-only", tmp_path / "probe.c"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "it changes the results" in refused.stderr


def unusable(manifest: Manifest) -> str:
    with pytest.raises(BundleError) as refused:
        numbers_of(manifest)
    return str(refused.value)


def test_what_has_no_c_form_is_refused() -> None:
    manifest = manifest_with(sample_period_s=1.0)
    score, policy = manifest.score, manifest.alert
    assert "int8 model" in unusable(replace(manifest, quantization={"input": None, "output": None}))
    assert "4096 windows" in unusable(replace(manifest, alert=replace(policy, of_windows=5000)))
    assert "wraps" in unusable(manifest_with(sample_period_s=1e6))
    assert "infinite" in unusable(replace(manifest, score=replace(score, residual_clip=1e30)))
    tiny = replace(score.prediction, residual_scale=(1e-300, 1.0, 1.0))
    assert "infinite" in unusable(replace(manifest, score=replace(score, prediction=tiny)))


def test_a_resampled_signal_says_what_its_samples_are(tmp_path: Path) -> None:
    manifest = manifest_with(sample_period_s=1.0)
    assert isinstance(manifest.signal, SignalSpec)
    sources(tmp_path, replace(manifest, signal=replace(manifest.signal, resampled=True)))
    assert "rows of that grid" in (tmp_path / "probe.h").read_text(encoding="utf-8")
