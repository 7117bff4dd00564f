"""The serial link: damaged frames, and how much the gateway's half takes from a port.

    python -m vedette.benchmarks.link

Noise: frames of which three in ten are damaged in one of seven ways go through the decoder in Python, and some through
the one in C, compiled here with sanitizers. Throughput: another process writes frames of samples as fast as a
pseudo-terminal takes them, and this one reads them as the gateway does, up to rows of float64 in the bundle's order.
Exits with 1 where a promise is broken.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tty
from pathlib import Path
from typing import Any

import click

from vedette.benchmarks import link_device
from vedette.benchmarks.link_device import CHANNELS, channels
from vedette.benchmarks.link_noise import Damage, NoiseResult, run_noise
from vedette.errors import DependencyError
from vedette.firmware_bridge.link import c_side
from vedette.firmware_bridge.link.columns import Columns
from vedette.firmware_bridge.link.frames import Frame, FrameDecoder
from vedette.firmware_bridge.link.port import PortLostError, SerialPort
from vedette.firmware_bridge.link.session import Rows, Session
from vedette.runtime.detection.signal import Channel, SignalSpec

PROMISED_LOSS, PROMISED_BITS = 2, 3_000_000
FLAGS = ("-std=c99", "-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
HARNESS = Path(__file__).with_name("link_harness.c")


def compile_harness(folder: Path) -> Path:
    """The C half between pipes. Raises :class:`DependencyError` without a compiler."""
    compiler = shutil.which("gcc")
    if compiler is None:
        raise DependencyError("expected gcc on PATH, found none; try: apt install gcc")
    program = folder / "link_harness"
    files = [HARNESS, c_side.SOURCE]
    subprocess.run([compiler, *FLAGS, "-I", c_side.HEADER.parent, *files, "-o", program], check=True)
    return program


def noise_in_c(frames: int, folder: Path) -> NoiseResult:
    """The noise through the decoder in C; what it gives back is encoded in C and decoded in Python."""
    program = compile_harness(folder)

    def decode(wire: bytes) -> list[Frame]:
        run = subprocess.run([program, "echo"], input=wire, capture_output=True, check=True)
        return FrameDecoder().feed(run.stdout)

    return run_noise(frames, seed=2, decode=decode)


def describe(result: NoiseResult) -> dict[str, Any]:
    """For machines."""
    return {
        "frames": result.sent,
        "damaged": {damage.value: result.damaged[damage] for damage in Damage},
        "bad_accepted": result.bad,
        "longest_loss": result.longest_loss,
        "undamaged_lost": 1 - result.accepted / result.untouched,
    }  # fmt: skip


def measure_port(seconds: float) -> dict[str, Any]:
    """Bits per second over a pseudo-terminal, and the processor time of the reading side."""
    master, slave = os.openpty()
    tty.setraw(slave)
    command = [sys.executable, "-m", link_device.__name__, str(master), str(seconds)]
    writer = subprocess.Popen(command, pass_fds=[master])
    os.close(master)
    port = SerialPort(os.ttyname(slave), 3_000_000)
    if not port.open():
        raise RuntimeError("the port is open already")
    os.close(slave)
    session, columns = Session(time.monotonic()), Columns(channels(), _signal())
    sizes, rows, last = 0, 0, -1.0
    cpu, began, ended = time.process_time(), time.monotonic(), 0.0
    while port.is_open:
        try:
            data = port.read()
        except PortLostError:  # the writer has ended
            break
        now = time.monotonic()
        sizes, ended = sizes + len(data), now if data else ended
        for event in session.receive(data, now):
            if isinstance(event, Rows):
                rows += len(columns.arrange(event.values))
                if event.times[0] <= last:
                    raise AssertionError("the times of the rows go back")
                last = event.times[-1]
        port.write(session.to_send(now))
    spent, took = time.process_time() - cpu, ended - began
    port.close()
    if writer.wait() != 0:
        raise RuntimeError("the writing process has failed")
    counts = session.decoder.counts
    return {
        "bits_per_s": sizes * 8 / took,
        "rows_per_s": rows / took,
        "values_per_s": rows * CHANNELS / took,
        "seconds": took,
        "cpu_per_s": spent / took,
        "bits_per_cpu_s": sizes * 8 / spent,
        "frames": counts.frames,
        "lost": counts.lost,
        "damaged": counts.damaged + counts.oversized,
    }


def _signal() -> SignalSpec:
    reversed_channels = tuple(
        Channel(name, mean=0.0, scale=1.0, low=-3.0, high=3.0) for name, _ in reversed(channels())
    )
    return SignalSpec(
        reversed_channels,
        window=4,
        stride=1,
        sample_period_s=0.001,
        timestamp=None,
        missing="hold",
        max_hold=3,
        input_clip=6.0,
    )


@click.command()
@click.option("--frames", default=1_000_000, show_default=True, help="Frames through the decoder in Python.")
@click.option("--frames-c", default=100_000, show_default=True, help="Frames through the decoder in C.")
@click.option("--seconds", default=10.0, show_default=True, help="How long the port is written to.")
@click.option("--json", "as_json", is_flag=True, help="As JSON on standard output.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Also as JSON into this file.")
def main(*, frames: int, frames_c: int, seconds: float, as_json: bool, output: Path | None) -> None:
    """Measure the serial link."""
    began = time.perf_counter()
    python = run_noise(frames, seed=1)
    noise_s = time.perf_counter() - began
    with tempfile.TemporaryDirectory() as folder:
        compiled = noise_in_c(frames_c, Path(folder))
    port = measure_port(seconds)
    result = {
        "noise": describe(python),
        "noise_s": noise_s,
        "noise_c": describe(compiled),
        "port": port,
        "obtained": "measured",
        "cores": os.cpu_count(),
    }
    text = json.dumps(result, indent=1)
    if output:
        output.write_text(text + "\n")
    if as_json:
        click.echo(text)
    else:
        for name, found in (("Python", python), ("C", compiled)):
            click.echo(
                f"{name}: {found.sent:,} frames, {sum(found.damaged.values()):,} damaged: {found.bad} bad accepted, at "
                f"most {found.longest_loss} undamaged lost in a row, {1 - found.accepted / found.untouched:.2%} in all"
            )
        click.echo(
            f"port: {port['bits_per_s'] / 1e6:.1f} Mbit/s, {port['values_per_s']:,.0f} readings/s, {port['lost']} "
            f"frames lost, {port['cpu_per_s']:.0%} of a core, so {port['bits_per_cpu_s'] / 1e6:.1f} Mbit per second "
            "of processor time"
        )
    kept = all(found.bad == 0 and found.longest_loss <= PROMISED_LOSS for found in (python, compiled))
    sys.exit(not (kept and port["bits_per_s"] >= PROMISED_BITS and port["lost"] == port["damaged"] == 0))


if __name__ == "__main__":
    main()
