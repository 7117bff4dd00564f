"""A detector's C, compiled for this machine around a simple network, and fed with samples."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
from echo_network import HEADER, SOURCE, EchoNetwork
from required import missing

from vedette.firmware_bridge.detector.text import detector_text
from vedette.runtime.alerting.alerts import TOP_CHANNELS
from vedette.runtime.bundles.bundle import Bundle, Golden
from vedette.runtime.bundles.manifest import Manifest
from vedette.runtime.inference.interpreter import Model

STRICT = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-Wconversion", "-Wshadow", "-pedantic"]
SANITIZED = ["-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
DRIVER = Path(__file__).with_name("probe.c")


@dataclass(frozen=True)
class Probed:
    """What the program said: of the self-test, and of each sample."""

    selftest: int
    results: npt.NDArray[np.void]
    shares: npt.NDArray[np.void]


def probe_bundle(manifest: Manifest, golden: npt.NDArray[np.float64]) -> tuple[Bundle, EchoNetwork]:
    """A bundle for the simple network, with golden windows ``(n, window, channels)``."""
    network = EchoNetwork(manifest.signal, manifest.quantization)
    count, channels = len(golden), golden.shape[2]
    kept = Golden(golden, np.zeros((count, channels), np.int8), np.zeros(count, np.float32))
    return Bundle(manifest, b"", kept, ""), network


def write_sources(folder: Path, bundle: Bundle, network: EchoNetwork) -> None:
    """``probe.h`` and ``probe.c`` with the simple network."""
    text = detector_text(bundle, "probe", model=cast(Model, network))
    (folder / "probe.h").write_text(
        f"#ifndef PROBE_H\n#define PROBE_H\n{HEADER}\n{text.header}\n#endif\n", encoding="utf-8"
    )
    (folder / "probe.c").write_text(f'#include "probe.h"\n\n{SOURCE}\n{text.source}', encoding="utf-8")


def compile_probe(folder: Path, *flags: str) -> Path:
    """Compile what :func:`write_sources` wrote with the driver; any warning is an error."""
    compiler = shutil.which("gcc") or missing("no gcc", "apt-get install gcc")
    program = folder / "probe"
    strict = [compiler, *STRICT, *flags, "-I", str(folder), "-c"]
    subprocess.run([*strict, folder / "probe.c", "-o", folder / "probe.o"], check=True)
    subprocess.run([*strict, DRIVER, "-o", folder / "main.o"], check=True)
    subprocess.run([compiler, *flags, folder / "probe.o", folder / "main.o", "-o", program], check=True)
    return program


def run_probe(program: Path, times_ms: npt.NDArray[np.uint32], values: npt.NDArray[np.float32]) -> Probed:
    """Feed samples, times ``(n,)`` and values ``(n, channels)``."""
    count, channels = values.shape
    samples = np.empty(count, [("time", "<u4"), ("values", "<f4", (channels,))])
    samples["time"], samples["values"] = times_ms, values
    done = subprocess.run([program], input=samples.tobytes(), stdout=subprocess.PIPE, check=True)
    result = np.dtype(
        [
            ("flags", "<i4"),
            *((field, "<f8") for field in ("score", "severity", "alert_score", "peak")),
            *((field, "<u4") for field in ("incident", "seq", "start_ms", "end_ms")),
            ("outputs", "i1", (channels,)),
        ]
    )
    share = np.dtype([("channel", "<u4"), *((field, "<f4") for field in ("share", "observed", "expected"))])
    row = np.dtype([("result", result), ("shares", share, (min(TOP_CHANNELS, channels),))])
    rows = np.frombuffer(done.stdout, row, offset=4)
    assert len(rows) == count
    return Probed(int.from_bytes(done.stdout[:4], "little"), rows["result"], rows["shares"])
