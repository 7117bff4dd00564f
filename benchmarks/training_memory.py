"""How much memory ``vedette train`` takes for a small and for a large file, and how fast the file is read.

Run it with ``python -m vedette.benchmarks.training_memory``. The promise: what a training run takes for itself
(anonymous memory, which cannot be given back as the cached pages of a file can) hardly depends on the size of the data.
Each run is a process of its own, looked at from outside through ``/proc``, so this needs Linux.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import polars as pl

from vedette.errors import VedetteError

# The large run may take this many times the small one's anonymous memory.
PROMISED_RATIO = 1.5
CHANNELS = 8
BLOCK_ROWS = 100_000
LOOK_EVERY_S = 0.01
# The network is as small as can be: its size does not depend on the data's.
CONFIG = '[model]\nkind = "ae"\nhidden = 8\n'
READ = """
import json, sys, time
from pathlib import Path
import polars
from vedette.train.data.table import read_table
began = time.perf_counter()
rows = len(read_table(Path(sys.argv[1])))
print(json.dumps({"rows": rows, "seconds": time.perf_counter() - began}))
"""


@dataclass
class Peaks:
    """The most memory that a process had, in MiB: resident in all, of its own (anonymous), and mapped from files."""

    resident: float = 0.0
    anonymous: float = 0.0
    mapped: float = 0.0

    def look(self, process_id: int) -> None:
        """Take in what the process has now."""
        try:
            lines = Path(f"/proc/{process_id}/status").read_text(encoding="ascii").splitlines()
        except OSError:
            return
        sizes = {line.split(":")[0]: float(line.split()[1]) / 1024 for line in lines if line.endswith(" kB")}
        self.resident = max(self.resident, sizes.get("VmHWM", 0.0))
        self.anonymous = max(self.anonymous, sizes.get("RssAnon", 0.0))
        self.mapped = max(self.mapped, sizes.get("RssFile", 0.0))


@dataclass(frozen=True)
class Run:
    """What reading and training took for one file."""

    megabytes: float
    rows: int
    read_seconds: float
    train_seconds: float
    reading: Peaks
    training: Peaks


def generate(path: Path, megabytes: float) -> None:
    """Write normal operation of a machine as CSV: a time each second and 8 channels of tones and noise."""
    rng, row, start = np.random.default_rng(1), 0, np.datetime64("2020-01-01T00:00:00", "ms")
    with path.open("wb") as file:
        while file.tell() < megabytes * 1e6:
            number = np.arange(row, row + BLOCK_ROWS)
            columns: dict[str, object] = {"time": pl.Series(start + (1000 * number).astype("timedelta64[ms]"))}
            for channel in range(CHANNELS):
                tone = np.sin(2 * np.pi * number / (60 + 17 * channel))
                columns[f"c{channel}"] = np.round(20 + 5 * tone + rng.normal(0, 0.5, BLOCK_ROWS), 3)
            frame = pl.DataFrame(columns)
            frame.write_csv(file, include_header=row == 0, datetime_format="%Y-%m-%dT%H:%M:%SZ")
            row += BLOCK_ROWS


def watched(command: list[str]) -> tuple[str, float, Peaks]:
    """Run a command to its end: its standard output, its seconds, and its memory."""
    peaks, began = Peaks(), time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        stop = threading.Event()

        def watch() -> None:
            while not stop.wait(LOOK_EVERY_S):
                peaks.look(process.pid)

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            output, errors = process.communicate()
        finally:
            stop.set()
            watcher.join()
    if process.returncode:
        raise VedetteError(f"{' '.join(command)}: ended with code {process.returncode}:\n{errors}")
    return output, time.perf_counter() - began, peaks


def measure(folder: Path, megabytes: float) -> Run:
    """Generate a file in ``folder``, read it, train on it, and delete it."""
    data, config = folder / f"{megabytes:g}.csv", folder / "vedette.toml"
    generate(data, megabytes)
    config.write_text(CONFIG, encoding="utf-8")
    try:
        size = data.stat().st_size / 1e6
        output, _, reading = watched([sys.executable, "-c", READ, str(data)])
        read = json.loads(output)
        model = folder / f"model-{megabytes:g}"
        train = [sys.executable, "-m", "vedette", "train", str(data), "-c", str(config), "-o", str(model)]
        _, seconds, training = watched(train)
    finally:
        data.unlink()
    return Run(size, read["rows"], read["seconds"], seconds, reading, training)


@click.command()
@click.option("--small", default=50.0, show_default=True, type=click.FloatRange(min=1), help="Megabytes of one file.")
@click.option("--large", default=1000.0, show_default=True, type=click.FloatRange(min=1), help="... and of the other.")
def main(small: float, large: float) -> None:
    """Measure memory and speed on generated CSV files; exit 1 where memory misses the promise."""
    if not Path(f"/proc/{os.getpid()}/status").exists():
        raise click.ClickException("memory is read from /proc, which only Linux has")
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR", "/var/tmp")) as folder:
        runs = [measure(Path(folder), megabytes) for megabytes in (small, large)]
    click.echo("peak memory in MiB, as anonymous / mapped from files / resident in all (measured)")
    for run in runs:
        click.echo(
            f"{run.megabytes:8.0f} MB, {run.rows:,} rows: read in {run.read_seconds:.1f} s "
            f"({run.megabytes / run.read_seconds:.0f} MB/s, {run.rows / run.read_seconds:,.0f} rows/s) with "
            f"{_peaks(run.reading)}; trained in {run.train_seconds:.1f} s with {_peaks(run.training)}"
        )
    ratio = runs[1].training.anonymous / runs[0].training.anonymous
    click.echo(
        f"{runs[1].megabytes / runs[0].megabytes:.0f} times the data: {ratio:.2f} times the anonymous memory "
        f"(promised at most {PROMISED_RATIO:g})"
    )
    sys.exit(ratio > PROMISED_RATIO)


def _peaks(peaks: Peaks) -> str:
    return f"{peaks.anonymous:.0f} / {peaks.mapped:.0f} / {peaks.resident:.0f}"


if __name__ == "__main__":
    main()
