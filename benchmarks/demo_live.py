"""The live part of the demo: a broker, ``vedette run`` and ``vedette listen``, each a process, and a sensor."""

from __future__ import annotations

import json
import logging
import secrets
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from vedette.benchmarks import broker as embedded_broker
from vedette.benchmarks.processes import Child
from vedette.benchmarks.replay import SAMPLES_PER_S, Sensor, batches, check_broker, visit
from vedette.errors import VedetteError
from vedette.runtime.bundles import bundle as bundles
from vedette.runtime.config.gateway import broker_config
from vedette.runtime.delivery.cloudevents import FAULT_PREFIX, TYPE_PREFIX
from vedette.runtime.delivery.listen import read_event
from vedette.runtime.mqtt.connection import MqttConfig

STREAM = "pump1"
# What the gateway still has to do after the last sample was sent, and the consumer after the last alert.
SCORED_S, RECEIVED_S = 30.0, 10.0

Event = dict[str, Any]


@dataclass(frozen=True)
class Live:
    """What happened. ``events`` are those that the consumer got, ``counters`` the gateway's own at its end."""

    broker: str
    mqtt_version: str
    samples: int
    messages: int
    replay_s: float
    events: list[Event]
    counters: dict[str, int]
    gateway_rss_mib: float | None

    @property
    def alerts(self) -> list[Event]:
        """The events of alerts."""
        return [event for event in self.events if event["type"].startswith(TYPE_PREFIX)]

    @property
    def data_faults(self) -> list[Event]:
        """The events of faults of the data itself."""
        return [event for event in self.events if event["type"].startswith(FAULT_PREFIX)]


@dataclass(frozen=True)
class Watcher:
    """Who looks on.

    ``ready`` is called with the broker's address when all processes are connected, ``event`` for each alert as it
    arrives, ``progress`` with the part of the data that was sent.
    """

    ready: Callable[[str], None]
    event: Callable[[Event], None]
    progress: Callable[[float], None]


def broker_settings(address: str) -> MqttConfig:
    """The broker that the user named, which must be there. Raises :class:`VedetteError`."""
    config = broker_config(address, client_id=f"vedette-demo-{secrets.token_hex(4)}")
    with _logged(logging.NullHandler()):
        check_broker(config)
    return config


def run_live(bundle: Path, data: Path, folder: Path, *, broker: MqttConfig | None, watcher: Watcher) -> Live:
    """Send ``data`` through a gateway that runs ``bundle``, and collect the alerts; configuration, state and logs stay
    in ``folder``.

    ``broker`` None starts one. Raises :class:`VedetteError` where a process fails or something gets lost on the way.
    """
    with ExitStack() as stack:
        stack.enter_context(_logged(logging.FileHandler(folder / "sensor.log", encoding="utf-8")))
        name, config = "amqtt, started by the demo", broker
        if config is None:
            config = _start_broker(stack, folder / "broker.log")
            gateway = "demo"
        else:
            name, gateway = config.address, f"demo-{secrets.token_hex(2)}"  # others may use this broker too
        sensor = Sensor(config, topic=f"plant/{gateway}/{STREAM}", status_topic=f"vedette/{gateway}/status")
        stack.callback(sensor.close)
        version = sensor.connect()
        settings = folder / "gateway.toml"
        settings.write_text(_gateway_toml(gateway, config, version, bundle.resolve()), encoding="utf-8")
        consumer = _Consumer(stack, settings, gateway, folder)
        daemon = Child("vedette run", "vedette", "run", settings, log=folder / "gateway.log", piped=False)
        stack.callback(daemon.end, signal.SIGTERM)
        run = _Run(sensor, daemon, consumer, watcher)
        run.wait(lambda: consumer.child.logged("connected to"), "vedette listen to connect")
        run.wait(lambda: sensor.status.get("state") == "online", "vedette run to connect")
        watcher.ready(f"broker {config.address}")
        live = Live(name, version, *run.replay(bundle, data), *run.finish())
        if broker is not None:
            consumer.child.end(signal.SIGINT)
            sensor.forget(f"vedette/{gateway}/status")
            visit(broker, consumer.client_id, f"vedette-{gateway}")
        return live


class _Consumer:
    """``vedette listen --json``, its events in a queue."""

    def __init__(self, stack: ExitStack, settings: Path, gateway: str, folder: Path) -> None:
        self.client_id = f"vedette-listen-{gateway}"
        self.events: SimpleQueue[Event] = SimpleQueue()
        command = ("vedette", "listen", "-c", settings, "--client-id", self.client_id, "--json")
        self.child = Child("vedette listen", *command, log=folder / "listen.log", piped=True)
        stack.callback(self.child.end, signal.SIGINT)
        self._prefix = f"/{gateway}/"
        threading.Thread(target=self._read, name="listen", daemon=True).start()

    def _read(self) -> None:
        for line in self.child.output:
            event = read_event(line.encode())
            if event["source"].startswith(self._prefix):
                self.events.put(event)


class _Run:
    """The parts together."""

    def __init__(self, sensor: Sensor, daemon: Child, consumer: _Consumer, watcher: Watcher) -> None:
        self._sensor, self._daemon, self._consumer, self._watcher = sensor, daemon, consumer, watcher
        self._events: list[Event] = []

    def wait(self, condition: Callable[[], object], what: str, *, patience_s: float = RECEIVED_S) -> None:
        """Wait, showing alerts meanwhile. Raises :class:`VedetteError` where it does not happen."""
        deadline = time.monotonic() + patience_s
        while not condition():
            self._check()
            if time.monotonic() > deadline:
                raise VedetteError(
                    f"waited {patience_s:g} s for {what}; {self._daemon.log} says:\n{self._daemon.tail()}"
                )
            self._sensor.step(0.02)
            self._show_events()

    def replay(self, bundle: Path, data: Path) -> tuple[int, int, float]:
        """Send all data and wait until it is scored; how many samples and messages, and the seconds it took."""
        began = time.monotonic()
        payloads = list(batches(data, bundles.read(bundle).manifest.signal))
        total, sent = sum(samples for samples, _ in payloads), 0
        for samples, payload in payloads:
            self._sensor.send(payload)
            sent += samples
            self._watcher.progress(sent / total)
            self._pace(began + sent / SAMPLES_PER_S)
        self._sensor.flush()
        self.wait(lambda: self._scored() >= total, f"{total:,} samples to be scored", patience_s=SCORED_S)
        return total, len(payloads), time.monotonic() - began

    def finish(self) -> tuple[list[Event], dict[str, int], float | None]:
        """Stop the gateway, and wait until its events have all arrived: these, its last counters, its memory."""
        memory = self._daemon.peak_rss_mib()
        code = self._daemon.end(signal.SIGTERM)
        if code != 0:
            raise VedetteError(f"vedette run ended with code {code}; {self._daemon.log} says:\n{self._daemon.tail()}")
        deadline = time.monotonic() + RECEIVED_S
        while time.monotonic() < deadline and not self._complete():
            self._sensor.step(0.02)
            self._show_events()
        counters = self._counters()
        if not self._complete():
            raise VedetteError(
                f"the gateway raised {_raised(counters)} events, and vedette listen received {len(self._events)}; "
                f"{self._daemon.log} says:\n{self._daemon.tail()}"
            )
        return self._events, counters, memory

    def _check(self) -> None:
        for child in (self._daemon, self._consumer.child):
            child.check()

    def _pace(self, due: float) -> None:
        """Show alerts until it is time for the next message."""
        self._check()
        self._show_events()
        while (left := due - time.monotonic()) > 0:
            self._sensor.step(min(left, 0.02))
            self._show_events()

    def _complete(self) -> bool:
        stopped = self._sensor.status.get("state") == "offline"
        return stopped and _raised(self._counters()) == len(self._events)

    def _counters(self) -> dict[str, int]:
        """The gateway's newest ones; a last will has none."""
        counters: dict[str, int] = self._sensor.status.get("counters", {})
        return counters

    def _scored(self) -> int:
        """Samples that the gateway has taken, or rejected; it says so every few seconds."""
        counters = self._counters()
        return counters.get("samples", 0) + counters.get("rejected", 0)

    def _show_events(self) -> None:
        try:
            while True:
                event = self._consumer.events.get_nowait()
                self._events.append(event)
                self._watcher.event(event)
        except Empty:
            return


def _start_broker(stack: ExitStack, log: Path) -> MqttConfig:
    child = Child("the demo's broker", embedded_broker.__name__, log=log, piped=True)
    stack.callback(child.end, signal.SIGTERM)
    port = child.output.readline().strip()
    if not port:
        child.process.wait()
        child.check()
    return MqttConfig(embedded_broker.HOST, int(port), None, "vedette-demo-sensor", version="3.1.1")


def _gateway_toml(gateway: str, broker: MqttConfig, version: str, bundle: Path) -> str:
    """The configuration as a user would write it."""
    return f"""\
# Written by vedette demo. To run it again, enter a broker that is running: vedette run gateway.toml
gateway = {json.dumps(gateway)}

[mqtt]
host = {json.dumps(broker.host)}
port = {broker.port}
tls = {"false  # this machine" if broker.tls is None else "true"}
version = {json.dumps(version)}

[outbox]
path = "outbox.db"

[[stream]]
name = "{STREAM}"
bundle = {json.dumps(str(bundle))}
source = {{ mqtt = "plant/{gateway}/{STREAM}" }}
"""


@contextmanager
def _logged(handler: logging.Handler) -> Iterator[None]:
    """Send what the link to the broker tells there, and not to the terminal."""
    logger = logging.getLogger("vedette")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    propagated, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()
        logger.propagate = propagated


def _raised(counters: dict[str, int]) -> int | None:
    """Events that the gateway has raised; None where it did not say."""
    return counters["alerts_raised"] + counters["faults_raised"] if counters else None
