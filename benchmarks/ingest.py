"""How fast a gateway takes in and scores samples, as ratios to the least that any gateway in Python does.

Run it with ``python -m vedette.benchmarks.ingest``; it needs mosquitto. Three figures, each with its promise:

- messages over MQTT (8 floats as a JSON object, window 64 x 8, int8, every sample scored) that one core takes with
  ``vedette run``, to those with a paho-mqtt subscriber that only decodes the JSON: at least 0.6 for 1, 100 and 1,000
  streams. Both run on one and the same core, the broker and the publisher on the others. The ratio is that of the CPU
  times, which does not depend on what else the machine does; where it does nothing else, the rates have the same;
- time per window of a batch, from samples in sensor units to scores, to the bare interpreter's ``set + invoke + get``
  on the same batch: at most 2.0 for 256 streams, with an autoencoder 512-64-16-64-512, which gives the whole window.
  The networks of ``vedette train`` give its last row only and take half the time, so that with them the ratio is
  higher, though the step is faster: both are told;
- time from the start of ``vedette run`` to its first score: under 2 s.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import click
import numpy as np
import numpy.typing as npt
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from vedette.benchmarks import mqtt_flood
from vedette.benchmarks.mqtt_flood import BARE_DONE, DONE, HOST, TOPIC, Flood, publish_packet
from vedette.benchmarks.processes import Child
from vedette.benchmarks.random_detector import dense_model, random_bundle, random_detector
from vedette.errors import VedetteError
from vedette.runtime.detection.detector import Detector
from vedette.runtime.inference.interpreter import Model

WINDOW, CHANNELS = 64, 8
STREAMS, BATCHES = (1, 100, 1000), (1, 16, 64, 256, 512)
PROMISED_RATE, PROMISED_COST, PROMISED_START_S = 0.6, 2.0, 2.0
PATIENCE_S = 120.0
FAR_OUTSIDE = 1e6
GATEWAY = "bench"
# The last one is for what is measured.
CORES = sorted(os.sched_getaffinity(0))


class LastRows(Model):
    """A model that gives whole windows, of which the last rows are scored."""

    def run_many(self, windows: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The last rows of the outputs."""
        return super().run_many(windows)[:, -CHANNELS:]


def measure_cost(streams: int, *, whole: bool, rounds: int = 300) -> dict[str, float]:
    """Median microseconds per window of a batch with one window of each stream; the two take turns.

    ``whole`` is with the autoencoder that gives the whole window.
    """
    bundle = random_detector(window=WINDOW, channels=CHANNELS)
    manifest = bundle.manifest
    size = WINDOW * CHANNELS
    data = dense_model((size, 64, 16, 64, size), seed=0) if whole else bundle.model_bytes
    model = Model(data)
    detector = Detector(manifest.signal, manifest.score, LastRows(data) if whole else Model(data))
    for _ in range(streams - 1):
        detector.add()
    rng = np.random.default_rng(0)
    samples = rng.normal(size=(97, streams, CHANNELS))
    numbers = np.arange(streams)
    windows = rng.integers(-128, 128, (streams, WINDOW * CHANNELS)).astype(np.int8)
    for sample in range(WINDOW):
        detector.push_many(numbers, samples[sample])
    bare, ours = [], []
    for number in range(rounds):
        bare.append(_seconds(lambda: model.run_many(windows)))
        ours.append(_seconds(lambda n=number: detector.push_many(numbers, samples[n % 97])))  # type: ignore[misc]
    each = [1e6 * statistics.median(times) / streams for times in (bare, ours)]
    return {
        "whole_window": whole,
        "streams": streams,
        "bare_us": each[0],
        "step_us": each[1],
        "ratio": each[1] / each[0],
    }


def measure_rate(streams: int, messages: int, *, turns: int = 3) -> dict[str, float]:
    """Messages per second of the bare subscriber and of the gateway, in turns; medians."""
    with tempfile.TemporaryDirectory() as folder, _broker(Path(folder)) as port:
        found: dict[str, list[tuple[float, float]]] = {"bare": [], "gateway": []}
        for _ in range(turns):
            found["bare"].append(_bare_rate(port, Path(folder), streams, messages))
            found["gateway"].append(_gateway_rate(port, Path(folder), streams, messages))
    rate = {name: statistics.median(rate for rate, _ in runs) for name, runs in found.items()}
    cpu = {name: statistics.median(cpu for _, cpu in runs) for name, runs in found.items()}
    return {
        "streams": streams,
        "messages": messages,
        "bare_per_s": rate["bare"],
        "gateway_per_s": rate["gateway"],
        "rate_ratio": rate["gateway"] / rate["bare"],
        "bare_cpu_us": cpu["bare"],
        "gateway_cpu_us": cpu["gateway"],
        "ratio": cpu["bare"] / cpu["gateway"],
    }


def measure_start(*, turns: int = 5) -> float:
    """Median seconds from the start of ``vedette run`` to the first alert of a file that begins with one, as logged."""
    times = []
    for _ in range(turns):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            rows = [",".join([str(FAR_OUTSIDE)] * CHANNELS)] * WINDOW
            header = ",".join(f"c{i}" for i in range(CHANNELS))
            (folder / "rows.csv").write_text("\n".join([header, *rows, ""]))
            config = _configure(folder, 1, '{ file = "rows.csv" }')
            log = folder / "gateway.log"
            began = time.perf_counter()
            child = Child("vedette run", "vedette", "run", config, log=log, piped=False)
            while not child.logged("alert new"):
                child.check()
                time.sleep(0.005)
            times.append(time.perf_counter() - began)
            child.process.kill()
            child.process.wait()
    return statistics.median(times)


def _bare_rate(port: int, folder: Path, streams: int, messages: int) -> tuple[float, float]:
    with _listener(port, BARE_DONE) as heard:
        child = Child("subscriber", mqtt_flood.__name__, str(port), log=folder / "bare.log", piped=False)
        _pin(child)
        try:
            _wait(heard, child)
            last = publish_packet(DONE, b"1")
            return _flood(port, child, streams=streams, messages=messages, last=last, over=lambda: _wait(heard, child))
        finally:
            child.end(signal.SIGTERM)


def _gateway_rate(port: int, folder: Path, streams: int, messages: int) -> tuple[float, float]:
    config = _configure(folder, port, f'{{ mqtt = "{TOPIC.format("+")}" }}')
    (folder / "outbox.db").unlink(missing_ok=True)
    with _listener(port, f"vedette/{GATEWAY}/#") as heard:
        child = Child("vedette run", "vedette", "run", config, log=folder / "gateway.log", piped=False)
        _pin(child)
        try:
            while not child.logged("connected to"):
                child.check()
                time.sleep(0.05)
            time.sleep(0.5)  # for the subscription
            last = publish_packet(TOPIC.format("d0"), _payload(np.full(CHANNELS, FAR_OUTSIDE)))
            result = _flood(
                port,
                child,
                streams=streams,
                messages=messages,
                last=last,
                over=lambda: _wait(heard, child, '"io.vedette.alert.new"'),
            )
        finally:
            child.end(signal.SIGTERM)
        counters: dict[str, Any] = {}
        while counters.get("samples", 0) < streams * WINDOW + messages:
            counters = json.loads(_wait(heard, None, '"counters"'))["counters"]
            if counters.get("input_overflow"):
                raise VedetteError(f"the gateway lost {counters['input_overflow']} samples")
    return result


def _flood(
    port: int, child: Child, *, streams: int, messages: int, last: bytes, over: Callable[[], object]
) -> tuple[float, float]:
    """Messages per second, and CPU microseconds of the child for each; ``over`` waits for the answer to ``last``."""
    rng = np.random.default_rng(0)
    payloads = [_payload(row) for row in rng.normal(size=(997, CHANNELS)).round(4)]
    warm_up = streams * WINDOW
    packets = [publish_packet(TOPIC.format(f"d{i % streams}"), payloads[i % 997]) for i in range(warm_up + messages)]
    flood = Flood(port)
    flood.send([*packets[:warm_up], last])
    over()
    began, cpu = time.perf_counter(), _cpu_seconds(child)
    flood.send([*packets[warm_up:], last])
    over()
    seconds, cpu = time.perf_counter() - began, _cpu_seconds(child) - cpu
    flood.close()
    return messages / seconds, cpu / messages * 1e6


def _payload(row: Any) -> bytes:
    return json.dumps({f"c{i}": value for i, value in enumerate(row.tolist())}).encode()


def _configure(folder: Path, port: int, source: str) -> Path:
    (folder / "random.vdt").write_bytes(random_bundle(window=WINDOW, channels=CHANNELS))
    path = folder / "gateway.toml"
    path.write_text(
        f'gateway = "{GATEWAY}"\n[mqtt]\nhost = "{HOST}"\nport = {port}\ntls = false\n'
        '[outbox]\npath = "outbox.db"\n[input]\nmax_queued = 1000000\n'
        f'[[stream]]\nname = "s"\nbundle = "random.vdt"\nsource = {source}\nmax_devices = 10000\n'
    )
    return path


@contextmanager
def _broker(folder: Path) -> Iterator[int]:
    """mosquitto on a free loopback port, which keeps whatever a subscriber has not taken yet."""
    program = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
    if not Path(program).exists():
        raise VedetteError("this benchmark needs mosquitto; try: apt-get install mosquitto")
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    config = folder / "mosquitto.conf"
    config.write_text(f"listener {port} {HOST}\nallow_anonymous true\npersistence false\nmax_queued_messages 0\n")
    process = subprocess.Popen([program, "-c", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.sched_setaffinity(process.pid, CORES[:-1] or CORES)
    try:
        deadline = time.monotonic() + 10.0
        while True:
            with socket.socket() as probe:
                if probe.connect_ex((HOST, port)) == 0:
                    break
            if time.monotonic() > deadline:
                raise VedetteError("mosquitto does not start")
            time.sleep(0.02)
        yield port
    finally:
        process.terminate()
        process.wait()


@contextmanager
def _listener(port: int, topic: str) -> Iterator[SimpleQueue[bytes]]:
    """What is published on a topic from now on."""
    heard: SimpleQueue[bytes] = SimpleQueue()
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    client.on_message = lambda _c, _u, message: heard.put(bytes(message.payload))
    client.on_subscribe = lambda *_: heard.put(b"")
    client.connect(HOST, port)
    client.loop_start()
    client.subscribe(topic, qos=1)
    heard.get(timeout=10.0)
    while not heard.empty():  # retained
        heard.get()
    try:
        yield heard
    finally:
        client.disconnect()
        client.loop_stop()


def _wait(heard: SimpleQueue[bytes], child: Child | None, text: str = "") -> bytes:
    """The next message (that has that text)."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        try:
            payload = heard.get(timeout=0.5)
        except Empty:
            if child is not None:
                child.check()
            continue
        if text.encode() in payload:
            return payload
    raise VedetteError(f"waited {PATIENCE_S:g} s for {text or 'an answer'}")


def _pin(child: Child) -> None:
    """Keep a child, and the threads that it will start, on the last core."""
    os.sched_setaffinity(child.process.pid, CORES[-1:])


def _cpu_seconds(child: Child) -> float:
    fields = Path(f"/proc/{child.process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _seconds(function: Callable[[], object]) -> float:
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


@click.command()
@click.option("--messages", default=60_000, show_default=True, type=click.IntRange(1000), help="Messages per run.")
@click.option("--turns", default=3, show_default=True, type=click.IntRange(1), help="Runs of each, medians are told.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the JSON to this file too.")
def main(messages: int, turns: int, as_json: bool, output: Path | None) -> None:
    """Measure the gateway's hot path; exit 1 where it misses a promise."""
    costs = [measure_cost(streams, whole=whole) for whole in (True, False) for streams in BATCHES]
    start_s = measure_start(turns=turns)
    rates = [measure_rate(streams, messages, turns=turns) for streams in STREAMS]
    result = {"cost": costs, "start_s": start_s, "rate": rates, "obtained": "measured", "cores": os.cpu_count()}
    text = json.dumps(result, indent=1)
    if output:
        output.write_text(text + "\n")
    if as_json:
        click.echo(text)
    else:
        for cost in costs:
            click.echo(
                f"{cost['streams']:>5} streams: {cost['step_us']:6.2f} us per window, bare interpreter "
                f"{cost['bare_us']:5.2f} us, ratio {cost['ratio']:.2f}"
                f" ({'whole window' if cost['whole_window'] else 'last row'})"
            )
        for rate in rates:
            click.echo(
                f"{rate['streams']:>5} streams: {rate['gateway_cpu_us']:5.1f} us of CPU per message, bare subscriber "
                f"{rate['bare_cpu_us']:5.1f} us, ratio {rate['ratio']:.2f} ({rate['gateway_per_s']:,.0f} against "
                f"{rate['bare_per_s']:,.0f} messages/s, {rate['rate_ratio']:.2f})"
            )
        click.echo(f"first score {start_s:.2f} s after the start")
    at_256 = next(cost for cost in costs if cost["streams"] == 256 and cost["whole_window"])
    kept = at_256["ratio"] <= PROMISED_COST and start_s < PROMISED_START_S
    sys.exit(not (kept and all(rate["ratio"] >= PROMISED_RATE for rate in rates)))


if __name__ == "__main__":
    main()
