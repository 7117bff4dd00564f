"""``vedette firmware test``: the generated C against the references, on this host and on the board's core, emulated."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vedette.errors import SelfTestError
from vedette.firmware_bridge.export import parts
from vedette.firmware_bridge.machine.host import Host
from vedette.firmware_bridge.machine.machines import Machine
from vedette.firmware_bridge.machine.program import DetectorProgram, NetworkProgram, Program
from vedette.firmware_bridge.machine.proof import Outcome, compare, machines_for, outcomes, results, samples
from vedette.firmware_bridge.machine.sizes import Footprint, footprint
from vedette.firmware_bridge.plan import make_plan
from vedette.firmware_bridge.source import Source
from vedette.firmware_bridge.writer.literals import c_type
from vedette.firmware_bridge.writer.pair import check_name, pair
from vedette.runtime.alerting.alerts import TOP_CHANNELS
from vedette.runtime.bundles.bundle import Bundle
from vedette.runtime.detection.detector import Detector
from vedette.runtime.inference.interpreter import Model, Quantization, quantize

# What is compared beside flags, severity and shares: fields of the detector with their types.
FIELDS = (("score", "<f8"), ("alert.peak", "<f8"), ("alert.incident", "<u4"), ("alert.seq", "<u4"))
# The flag of a sample that completed a window.
SCORED = 1
PATIENCE_S = 600.0


@dataclass(frozen=True)
class Tested:
    """What one machine gave: of the ``network`` or the whole ``detector``."""

    part: str
    outcome: Outcome


def prove(source: Source, *, windows: int, seed: int = 0) -> Iterator[Tested]:
    """Run the network on ``windows`` windows, golden ones first, and of a bundle the detector on as many samples.

    Every byte must be that of the NumPy reference, which has the bits of the interpreters in its rounding family; the
    detector's scores must be the gateway's. Raises :class:`DependencyError` where a tool is missing.
    """
    rng = np.random.default_rng(seed)
    machines = machines_for(source.board)
    with written(source) as program:
        inputs = _windows(source, windows, rng)
        expected = np.array([source.model.run(window[None])[0] for window in inputs])
        flat = expected.reshape(len(expected), -1)
        for outcome in outcomes(program, inputs.reshape(len(inputs), -1), flat, machines, PATIENCE_S):
            yield Tested("network", outcome)
        if source.bundle is not None:
            detector = DetectorProgram(program.name, program.sources, program.include_dir, tuple(f for f, _ in FIELDS))
            for outcome in _detector(detector, source.bundle, windows, machines, rng):
                yield Tested("detector", outcome)


def measure(source: Source) -> Footprint:
    """Bytes of flash and RAM of a source's C on its board, without running it."""
    with written(source) as program:
        whole: Program = program
        if source.bundle is not None:
            whole = DetectorProgram(program.name, program.sources, program.include_dir)
        return footprint(whole, source.board)


@contextmanager
def written(source: Source) -> Iterator[NetworkProgram]:
    """The generated pair in a folder that goes away."""
    name, plan = check_name(source.name), make_plan(source.model)
    with tempfile.TemporaryDirectory(prefix="vedette-") as temporary:
        folder = Path(temporary)
        for path, text in pair(name, source.title, parts(source, plan)).items():
            (folder / path).write_text(text, encoding="utf-8")
        taken, given = (c_type(value.tensor.dtype) for value in (plan.input, plan.output))
        yield NetworkProgram(name, (folder / f"{name}.c",), folder, taken, given)


def _windows(source: Source, count: int, rng: np.random.Generator) -> npt.NDArray[Any]:
    """Inputs ``(count, ...)`` of the network: of a bundle the golden windows first, then any bytes."""
    tensor = source.model.graph.inputs[0]
    if tensor.dtype == np.float32:
        return rng.normal(size=(count, *tensor.shape[1:])).astype(np.float32)
    found = rng.integers(-128, 128, (count, *tensor.shape[1:])).astype(np.int8)
    if source.bundle is not None:
        signal = source.bundle.manifest.signal
        rows = np.clip(signal.standardise(source.bundle.golden.windows), -signal.input_clip, signal.input_clip)
        golden = quantize(rows, Quantization(float(tensor.scale), tensor.zero_point)).reshape(-1, *tensor.shape[1:])
        found[: len(golden)] = golden[:count]
    return found


def _detector(
    program: DetectorProgram, bundle: Bundle, count: int, machines: list[Machine], rng: np.random.Generator
) -> Iterator[Outcome]:
    """Scores against the gateway's own, on the host; all that is told against the host's, on every machine."""
    signal, model = bundle.manifest.signal, bundle.load_model()
    period_ms = max(1, round(signal.period_s * 1000))
    given = samples((np.arange(count) * period_ms).astype(np.uint32), _values(bundle, count, rng))
    with tempfile.TemporaryDirectory(prefix="vedette-") as temporary:
        host = Host()
        run = host.run(host.build(program, Path(temporary)), given.tobytes(), PATIENCE_S)
    record = results(FIELDS, min(TOP_CHANNELS, len(signal.channels)))
    if run.failure is not None or len(run.outputs) != count * record.itemsize:
        raise SelfTestError(f"detector on {host.name}: {run.failure or 'ended early'}")
    told = np.frombuffer(run.outputs, record)
    scores = _scores(bundle, model, given["values"])
    scored = (told["flags"] & SCORED) != 0
    differing, first = compare(np.where(scored, told["score"], np.nan).tobytes(), scores)
    yield Outcome(f"{host.name}, against the gateway", differing, scores.nbytes, first, run, None)
    yield from outcomes(program, given, told, machines[1:], PATIENCE_S)


def _values(bundle: Bundle, count: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Samples ``(count, channels)`` in the channels' units: the golden windows, then noise with incidents in it."""
    signal = bundle.manifest.signal
    golden = bundle.golden.windows.reshape(-1, len(signal.channels))
    loud = np.repeat(rng.choice([1.0, 1.0, 8.0], size=-(-count // signal.window)), signal.window)[:count, None]
    noise = signal.mean + signal.scale * loud * rng.normal(size=(count, len(signal.channels)))
    return np.concatenate([golden, noise])[:count].astype(np.float32)


def _scores(bundle: Bundle, model: Model, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """The gateway's score after each sample, NaN where no window was complete."""
    detector = Detector(bundle.manifest.signal, bundle.manifest.score, model)
    readings = (detector.push(row.astype(np.float64)) for row in values)
    return np.array([np.nan if reading is None else reading.score for reading in readings])
