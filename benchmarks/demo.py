"""``vedette demo``: from simulated sensor data to alerts of a running gateway, in one go."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import replace
from pathlib import Path
from typing import Any

from vedette import __version__
from vedette.benchmarks import latency, page
from vedette.benchmarks.demo_live import Live, Watcher, broker_settings, run_live
from vedette.benchmarks.demo_output import DemoFiles
from vedette.benchmarks.demo_results import (
    Agreement,
    DemoResult,
    compare_with_score,
    find_data_faults,
    find_faults,
    find_incidents,
)
from vedette.benchmarks.demo_view import Screen, found_after, headline
from vedette.compress.boards import load_boards
from vedette.compress.export import Exported, export
from vedette.compress.this_machine import is_this_machine
from vedette.errors import BoardError, VedetteError
from vedette.runtime.bundles import bundle as bundles
from vedette.runtime.bundles.bundle import Bundle
from vedette.runtime.ingest.csv_samples import read_csv
from vedette.train.config import AlertConfig, ModelConfig, ProjectConfig, SignalConfig, ThresholdConfig
from vedette.train.evaluation.evaluate import Evaluation, evaluate
from vedette.train.evaluation.plots import ScoredSeries, Span, plot_scores
from vedette.train.pipeline import train
from vedette.train.score_file import score_file, to_csv
from vedette.train.simulators import SIMULATORS
from vedette.train.simulators.recording import Recording
from vedette.train.tensorflow import import_tensorflow

UNITS = dict.fromkeys(("vib_x", "vib_y", "vib_z"), "mm/s") | {"current": "A", "temperature": "°C", "pressure": "bar"}
PROJECT = ProjectConfig(
    name="pump",
    signal=SignalConfig(units=UNITS),
    model=ModelConfig(kind="vae"),
    # What a day of data can nearly show: a rarer budget would be a guess about the tail.
    threshold=ThresholdConfig(false_alarms_per_day=1.0),
    # A fault that flickers around the threshold is one incident, not a dozen.
    alert=AlertConfig(clear_after_s=300.0),
)
_ARCHITECTURES = {"x86_64": "x86-64", "amd64": "x86-64", "arm64": "aarch64"}


def run_demo(
    output: Path,
    *,
    broker: str | None = None,
    seed: int = 7,
    train_hours: float = 24.0,
    test_hours: float = 24.0,
    screen: Screen | None = None,
) -> DemoResult:
    """Simulate, train, export, run the gateway, listen, and measure; everything is written below ``output``.

    ``broker`` is ``host:port`` of a running one, None starts one. Raises :class:`VedetteError` where a part fails,
    and at the end where the gateway's alerts are not those of ``vedette score``.
    """
    screen = screen or Screen()
    settings = broker_settings(broker) if broker else None
    board = board_of_this_machine()
    files = DemoFiles(output)
    files.claim()
    truth = _simulate(screen, files, seed, train_hours, test_hours)
    assert truth.label is not None and truth.fault is not None
    exported = _make_bundle(screen, files, board)
    bundle = bundles.read(files.bundle)
    test = files.data / "test.csv"

    with screen.phase("gateway", "through MQTT, faster than real time") as phase:
        watcher = Watcher(
            ready=lambda where: screen.say(f"  {'gateway':<10} runs ({where}); vedette listen prints its alerts"),
            event=screen.event,
            progress=phase.update,
        )
        live = run_live(files.bundle, test, files.gateway, broker=settings, watcher=watcher)
        phase.told = f"{live.samples:,} samples sent, {len(live.events)} events received"
    files.alerts.write_text("".join(json.dumps(item) + "\n" for item in live.events), encoding="utf-8")

    with screen.phase("evaluate", "detector, baselines, speed") as phase:
        model = bundle.load_model()
        evaluation = evaluate(bundle, model, test, normal=files.data / "train.csv")
        scored = score_file(bundle, model, test)
        files.scores.write_text(to_csv(scored, window_scores=False), encoding="utf-8")
        agreement = compare_with_score(live.alerts, scored)
        rows = ((row.time, row.values) for row in read_csv(test, bundle.manifest.signal))
        timing = latency.measure(bundle, rows)
        told = "agrees" if agreement.complete else "does NOT agree"
        phase.told = f"vedette score {told} with the gateway; {timing.step_us:.0f} µs per window"

    result = DemoResult(
        vedette=__version__,
        seed=seed,
        board=board,
        machine=machine(),
        detector=_detector(bundle),
        hours=(train_hours, test_hours),
        sample_period_s=bundle.manifest.signal.period_s,
        normal_hours=int((truth.label == 0).sum()) * bundle.manifest.signal.period_s / 3600,
        metrics=evaluation.metrics,
        accuracy=exported.comparison.to_dict(),
        calibration=bundle.manifest.calibration,
        model_bytes=exported.model_bytes,
        float_bytes=exported.float_bytes,
        bundle_bytes=files.bundle.stat().st_size,
        latency=timing,
        delivery=_delivery(live, bundle),
        agreement=agreement,
        faults=find_faults(truth.fault, scored, bundle.manifest, live.alerts),
        incidents=find_incidents(live.alerts),
        data_faults=find_data_faults(live.data_faults),
        phases=screen.phases,
    )
    _write_page(screen, files, result, bundle, evaluation)
    _require(agreement, files)
    return result


def board_of_this_machine() -> str:
    """The board of ``boards.yaml`` that is most like this machine. Raises :class:`BoardError` where none is."""
    arch = _ARCHITECTURES.get(platform.machine().lower(), platform.machine())
    boards = [
        board
        for board in load_boards().values()
        if board.arch == arch and board.accelerator is None and board.emulator is None and not board.is_mcu
    ]
    if not boards:
        raise BoardError(f"the demo runs on x86-64 and aarch64, and this machine is {arch}; see: vedette boards")
    return next((board.name for board in boards if is_this_machine(board)), boards[0].name)


def machine() -> str:
    """This machine, as it stands beside what was measured on it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        cpu = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        cpu = platform.machine()
    return f"{cpu}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"


def _simulate(screen: Screen, files: DemoFiles, seed: int, train_hours: float, test_hours: float) -> Recording:
    """Write both files; returns the one with faults."""
    with screen.phase("simulate", "a pump") as phase:
        recordings = SIMULATORS["pump"](seed, train_hours, test_hours, phase.update)
        for recording, name in zip(recordings, ("train", "test"), strict=True):
            recording.write_csv(files.data / f"{name}.csv")
        phase.told = f"a pump: {train_hours:g} h of normal operation, then {test_hours:g} h with faults"
    return recordings[1]


def _make_bundle(screen: Screen, files: DemoFiles, board: str) -> Exported:
    with screen.phase("train", "a variational autoencoder") as phase:
        phase.update(note="starting TensorFlow")
        import_tensorflow()
        model, _ = train(
            files.data / "train.csv",
            PROJECT,
            files.model,
            on_progress=lambda done, total, loss: phase.update(done / total, f"held-out loss {loss:.3f}"),
        )
        phase.told = f"a variational autoencoder on {model.provenance['train_windows']:,} windows"
    with screen.phase("export", f"int8 for {board}") as phase:
        exported = export(files.model, board, files.bundle, on_step=lambda step: phase.update(note=step))
        phase.told = f"int8 for {board}: {exported.model_bytes:,} bytes (float32 {exported.float_bytes:,})"
    return exported


def _delivery(live: Live, bundle: Bundle) -> dict[str, Any]:
    return {
        "broker": live.broker,
        "mqtt_version": live.mqtt_version,
        "samples": live.samples,
        "samples_lost": live.samples - live.counters["samples"],
        "messages": live.messages,
        "times_real_time": live.samples * bundle.manifest.signal.period_s / live.replay_s,
        "alerts_raised": live.counters["alerts_raised"],
        "alerts_received": len({event["id"] for event in live.alerts}),
        "gateway_counters": live.counters,
        "gateway_rss_mib": live.gateway_rss_mib,
    }


def _detector(bundle: Bundle) -> str:
    signal = bundle.manifest.signal
    return f"VAE on {len(signal.channels)} channels, windows of {signal.window} samples, int8"


def _write_page(screen: Screen, files: DemoFiles, result: DemoResult, bundle: Bundle, evaluation: Evaluation) -> None:
    with screen.phase("picture", "and page") as phase:
        series = ScoredSeries(
            times=evaluation.table.times,
            channels=bundle.manifest.signal.channels,
            values=evaluation.table.values,
            score=evaluation.scores.score,
            alert=evaluation.scores.alert,
            threshold=bundle.manifest.threshold,
        )
        named, numbered = [], []
        for fault in result.faults:
            mark = "✗" if fault.delay_s is None else "✓"
            name = fault.name.replace(" ", "\n")
            named.append(Span(fault.first, fault.stop, f"{name}\n{mark} {found_after(fault)}"))
            numbered.append(Span(fault.first, fault.stop, str(fault.number)))
        wide = plot_scores(
            series,
            named,
            title=f"A simulated pump: {headline(result)}",
            note="Shaded: simulated faults, and the time from their start to the alert. Red: an alert is active.",
        )
        narrow = plot_scores(
            series,
            numbered,
            title="Score, alerts and channels",
            note="Shaded: faults, numbered as in the table.\nRed: an alert is active.",
            width_in=3.8,
            dpi=200,
        )
        files.picture.write_bytes(wide)
        files.page.write_text(page.render(result, wide=wide, narrow=narrow), encoding="utf-8")
        phase.told = f"{files.picture} and {files.page}"
    result = replace(result, phases=dict(screen.phases))
    files.figures.write_text(json.dumps(result.to_dict(), indent=1) + "\n", encoding="utf-8")


def _require(agreement: Agreement, files: DemoFiles) -> None:
    if not agreement.complete:
        raise VedetteError(
            f"expected the gateway's alerts to be those of vedette score, found {agreement.differing_rows} of "
            f"{agreement.rows:,} rows and {agreement.differing_scores} of {agreement.steps} scores that differ; "
            f"compare {files.alerts} with {files.scores}"
        )
