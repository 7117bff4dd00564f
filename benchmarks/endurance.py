"""Whether a gateway that runs for days stays as it was: memory, threads, open files, writes to the flash.

Run it with ``python -m vedette.benchmarks.endurance``; it needs mosquitto. ``vedette run`` with one bundle and 100
streams gets the samples of a day, a second apart, in ten minutes: the load of 24 hours, with four incidents of each
stream, a payload each minute that is none, a broker that dies every six hours and a reload every eight. The clocks are
real, so what the gateway does by the clock it does for ten minutes, not for a day. Then samples come at their own pace,
without incidents, and nothing may be written. Promised: the memory grows by less than 1 MiB a day after the first
quarter and is never more than 64 MiB; as many threads and open files at the end of each hour; no write while nothing
happens.
"""

from __future__ import annotations

import json
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import click
import numpy as np

from vedette.benchmarks.delivery.parts import HOST, Part, broker, consumer, wait_for_port
from vedette.benchmarks.mqtt_flood import TOPIC, Flood, publish_packet
from vedette.benchmarks.processes import Child
from vedette.benchmarks.random_detector import random_bundle
from vedette.errors import VedetteError
from vedette.runtime.observe.status_command import places
from vedette.runtime.observe.status_socket import ask

WINDOW, CHANNELS = 64, 8
PROMISED_SLOPE, PROMISED_RSS = 1.0, 64.0
HOUR_S = 3600
# Samples of one message; a stream sends one every so many seconds.
BATCH = 10
INCIDENT_EVERY_S, INCIDENT_S, FAR_OUTSIDE = 6 * HOUR_S, 20, 1e6
BROKER_DIES_EVERY_S, RELOAD_EVERY_S, GARBAGE_EVERY_S = 6 * HOUR_S, 8 * HOUR_S, 60
# What is in memory for the first time, such as the last stream's first incident, is not a leak.
WARM_UP = 0.25
SETTLE_S = 3.0
PATIENCE_S = 30.0


@dataclass(frozen=True)
class Point:
    """The gateway's process at the end of an hour of samples."""

    hour: float
    rss_mib: float
    threads: int
    files: int
    written_kib: float


@dataclass
class Endurance:
    """A finished run."""

    hours: float
    streams: int
    seconds: float
    points: list[Point]
    peak_mib: float
    samples: int
    sent: int
    events: int
    acknowledged: int
    rejected: int
    overflow: int
    broker_deaths: int
    idle_s: float
    idle_written_kib: float
    faults: list[str] = field(default_factory=list)

    @property
    def settled(self) -> list[Point]:
        """The points after the warm-up."""
        return [point for point in self.points if point.hour > self.hours * WARM_UP]

    @property
    def slope_mib_per_day(self) -> float:
        """Growth of the memory after the warm-up, by least squares, for each day of samples."""
        hours = [point.hour for point in self.settled]
        return float(np.polyfit(hours, [point.rss_mib for point in self.settled], 1)[0] * 24.0)

    def judge(self) -> None:
        """Say what was promised and not kept."""
        for what, found in (
            ("threads", {point.threads for point in self.settled}),
            ("open files", {point.files for point in self.settled}),
        ):
            if len(found) > 1:
                self.faults.append(f"{what}: expected as many each hour, found {sorted(found)}")
        if self.slope_mib_per_day >= PROMISED_SLOPE:
            self.faults.append(f"memory grows by {self.slope_mib_per_day:.2f} MiB a day")
        if self.peak_mib > PROMISED_RSS:
            self.faults.append(f"memory: {self.peak_mib:.1f} MiB")
        if self.points[-1].written_kib == 0:
            self.faults.append("the kernel counts no writes in this folder, which may be in memory; use --folder")
        if self.idle_written_kib:
            self.faults.append(f"{self.idle_written_kib:g} KiB written in {self.idle_s:g} s without incidents")
        if self.acknowledged != self.events:
            self.faults.append(f"{self.events} events, of which {self.acknowledged} were acknowledged")
        if self.overflow:
            self.faults.append(f"{self.overflow} samples lost in the gateway's queue: too fast for this machine")


class Load:
    """What the streams send: a packet for each stream and each ten seconds of their time."""

    def __init__(self, streams: int, start: float) -> None:
        self.sent = 0
        self._streams, self._start = streams, start
        rng = np.random.default_rng(0)
        self._rows = [_values(row) for row in rng.normal(size=(997, CHANNELS)).round(4).tolist()]
        self._bad = _values([FAR_OUTSIDE] * CHANNELS)

    def packets(self, second: int, *, incidents: bool) -> Iterator[bytes]:
        """The packets of all streams for the ten seconds from ``second`` on."""
        apart = INCIDENT_EVERY_S // self._streams
        for stream in range(self._streams):
            samples = []
            for now in range(second, second + BATCH):
                bad = incidents and (now + stream * apart) % INCIDENT_EVERY_S < INCIDENT_S
                values = self._bad if bad else self._rows[(now + stream * 31) % len(self._rows)]
                samples.append(f'{{"time":{self._start + now:.1f},{values}}}')
            self.sent += BATCH
            yield publish_packet(TOPIC.format(f"d{stream}"), f"[{','.join(samples)}]".encode())
        if incidents and second % GARBAGE_EVERY_S == 0:  # each has a line in the log, which is a file here
            yield publish_packet(TOPIC.format("d0"), b'{"c0": NaN, "c1": [[[[')


def run_endurance(
    folder: Path,
    *,
    hours: float,
    speed: float,
    streams: int,
    idle_s: float,
    tell: Callable[[Point], None] = lambda point: None,
) -> Endurance:
    """Run it in ``folder``. ``speed`` is how much faster than their time samples are sent; ``tell`` hears of each hour.

    Raises :class:`VedetteError` where the gateway ends by itself.
    """
    began = time.monotonic()
    load = Load(streams, time.time() - hours * HOUR_S - idle_s)
    server, port = broker(folder)
    server.start()
    wait_for_port(port)
    listener = consumer(folder, port)
    listener.start()
    config = _configure(folder, port, streams)
    gateway = Child("vedette run", "vedette", "run", config, log=folder / "gateway.log", piped=False)
    try:
        _wait_connected(gateway, 1)
        time.sleep(SETTLE_S)  # for the subscription
        points, deaths = _day(gateway, server, port, load, hours=hours, speed=speed, tell=tell)
        time.sleep(SETTLE_S)  # for the acknowledgements of the last incidents
        before = _written_kib(gateway)
        _idle(port, load, first=int(hours * HOUR_S), seconds=idle_s)
        idle_written = _written_kib(gateway) - before
        peak = gateway.peak_rss_mib()
        counters: dict[str, int] = ask(places(config))["counters"]
    finally:
        gateway.end(signal.SIGTERM)
        listener.stop()
        server.stop()
    run = Endurance(
        hours=hours,
        streams=streams,
        seconds=time.monotonic() - began,
        points=points,
        peak_mib=peak or 0.0,
        samples=counters["samples"],
        sent=load.sent,
        events=counters["alerts_raised"] + counters["faults_raised"],
        acknowledged=counters["alerts_acknowledged"],
        rejected=counters["rejected"],
        overflow=counters["input_overflow"],
        broker_deaths=deaths,
        idle_s=idle_s,
        idle_written_kib=idle_written,
    )
    run.judge()
    return run


def _day(
    gateway: Child, server: Part, port: int, load: Load, *, hours: float, speed: float, tell: Callable[[Point], None]
) -> tuple[list[Point], int]:
    """All hours but the idle one: the points, and how often the broker died."""
    flood = Flood(port)
    points: list[Point] = []
    deaths = 0
    began = time.monotonic()
    for second in range(0, int(hours * HOUR_S), BATCH):
        flood.send(load.packets(second, incidents=True))
        end = second + BATCH
        if end % BROKER_DIES_EVERY_S == BROKER_DIES_EVERY_S // 2:
            deaths += 1
            flood.close()
            server.kill()
            server.start()
            wait_for_port(port)
            _wait_connected(gateway, deaths + 1)
            time.sleep(SETTLE_S)
            flood = Flood(port)
            began = time.monotonic() - end / speed
        if end % RELOAD_EVERY_S == RELOAD_EVERY_S // 2:
            gateway.process.send_signal(signal.SIGHUP)
        time.sleep(max(0.0, began + end / speed - time.monotonic()))
        if end % HOUR_S == 0:
            gateway.check()
            points.append(_point(gateway, end / HOUR_S))
            tell(points[-1])
    flood.close()
    return points, deaths


def _idle(port: int, load: Load, *, first: int, seconds: float) -> None:
    """Samples at their own pace, and nothing else."""
    flood = Flood(port)
    for second in range(first, first + int(seconds), BATCH):
        flood.send(load.packets(second, incidents=False))
        time.sleep(BATCH)
    flood.close()


def _configure(folder: Path, port: int, streams: int) -> Path:
    (folder / "random.vdt").write_bytes(random_bundle(window=WINDOW, channels=CHANNELS))
    path = folder / "gateway.toml"
    path.write_text(
        f'gateway = "day"\n[mqtt]\nhost = "{HOST}"\nport = {port}\ntls = false\nkeepalive_s = 5\n'
        '[outbox]\npath = "outbox.db"\n[alerts]\nmax_per_hour = 100000\n'
        f'[[stream]]\nname = "s"\nbundle = "random.vdt"\nsource = {{ mqtt = "{TOPIC.format("+")}" }}\n'
        f"max_devices = {streams}\n"
    )
    return path


def _point(gateway: Child, hour: float) -> Point:
    process = Path(f"/proc/{gateway.process.pid}")
    status = dict(line.split(":", 1) for line in (process / "status").read_text(encoding="ascii").splitlines())
    return Point(
        hour=hour,
        rss_mib=int(status["VmRSS"].split()[0]) / 1024,
        threads=int(status["Threads"]),
        files=len(list((process / "fd").iterdir())),
        written_kib=_written_kib(gateway),
    )


def _written_kib(gateway: Child) -> float:
    """What the process has caused to be written to storage so far (proc(5), ``write_bytes``)."""
    text = Path(f"/proc/{gateway.process.pid}/io").read_text(encoding="ascii")
    return int(dict(line.split(": ") for line in text.splitlines())["write_bytes"]) / 1024


def _values(row: list[float]) -> str:
    return ",".join(f'"c{i}":{value}' for i, value in enumerate(row))


def _wait_connected(gateway: Child, times: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while gateway.log.read_text(encoding="utf-8").count("connected to") < times:
        gateway.check()
        if time.monotonic() > deadline:
            raise VedetteError(f"waited {PATIENCE_S:g} s for the gateway; its log says:\n{gateway.tail()}")
        time.sleep(0.05)


@click.command()
@click.option("--hours", default=24.0, show_default=True, type=click.FloatRange(4.0), help="Hours of samples.")
@click.option("--minutes", default=10.0, show_default=True, type=click.FloatRange(0.1), help="Send them in.")
@click.option("--streams", default=100, show_default=True, type=click.IntRange(1), help="Streams of one bundle.")
@click.option(
    "--idle-s", default=180.0, show_default=True, type=click.FloatRange(10.0), help="Seconds without incidents."
)
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False), help="Work here, on a real disk.")
def main(*, hours: float, minutes: float, streams: int, idle_s: float, folder: Path | None) -> None:
    """Run a gateway for a day; prints JSON, exit code 1 where a promise is not kept."""

    def tell(point: Point) -> None:
        click.echo(f"hour {point.hour:g}: {point.rss_mib:.1f} MiB, {point.files} files", err=True)

    with tempfile.TemporaryDirectory() as temporary:
        place = folder or Path(temporary)
        place.mkdir(parents=True, exist_ok=True)
        speed = hours * 60.0 / minutes
        run = run_endurance(place, hours=hours, speed=speed, streams=streams, idle_s=idle_s, tell=tell)
    click.echo(json.dumps({**asdict(run), "slope_mib_per_day": run.slope_mib_per_day}, indent=1))
    sys.exit(bool(run.faults))


if __name__ == "__main__":
    try:
        main()
    except VedetteError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
