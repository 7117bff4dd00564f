"""What is fuzzed: each target takes any bytes, and checks that nothing is raised and that every rejection is counted.

A target is made once and fed many payloads, like a gateway. ``counts`` says what became of them.
"""

from __future__ import annotations

import atexit
import math
import re
import shutil
import sys
import tempfile
from abc import ABC, abstractmethod
from collections import Counter
from pathlib import Path

import numpy as np
import paho.mqtt.client as mqtt

sys.path.insert(0, str(Path(__file__).parent.parent))

from tiny import CHANNELS, POLICY, SIGNAL, tiny_bundle_bytes

from vedette.errors import ConfigError, DataError
from vedette.runtime.alerting.alerts import Alert
from vedette.runtime.bundles import bundle as bundles
from vedette.runtime.config.gateway import load_gateway
from vedette.runtime.delivery.acks import read_ack
from vedette.runtime.ingest.csv_samples import CsvLines
from vedette.runtime.ingest.fields import parse_path
from vedette.runtime.ingest.inbox import Inbox
from vedette.runtime.ingest.layout import Layout
from vedette.runtime.ingest.lines import LineSplitter
from vedette.runtime.ingest.samples import Sample
from vedette.runtime.ingest.sources.base import Arrival, SourceContext
from vedette.runtime.ingest.sources.mqtt import MqttSource, MqttSourceConfig
from vedette.runtime.ingest.timeline import TimePolicy
from vedette.runtime.streams import entry as streams
from vedette.runtime.streams.entry import Device, StreamEntry
from vedette.runtime.streams.stream import StreamGroup

_BUNDLE = bundles.unpack(tiny_bundle_bytes())
_MODEL = _BUNDLE.load_model()
START_S = 1.8e9
MAX_DEVICES, MAX_HELD = 20, 8
# What a device's part of a topic may look like: nothing that means something to a broker or to a terminal.
_SAFE_NAME = re.compile(r"fuzz(/[A-Za-z0-9%_.~-]{1,1600})?")
_SAMPLE = b'{"time": @NOW, "x": 1.5, "y": -2, "z": null}'
_BATCH = b'[{"timestamp": @NOW, "x": 1, "y": 2, "z": 3}, [1, 2.5e3, 3], {"x": 1e-300}]'


class Target(ABC):
    """One thing that is fuzzed; ``seeds`` are good inputs to begin with."""

    seeds: tuple[bytes, ...]

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    @abstractmethod
    def feed(self, payload: bytes) -> None:
        """Take any bytes. Raises only where there is a mistake in vedette."""


class _Streams(Target):
    """Scores what comes in, and keeps the account: every sample is scored, rejected or waits."""

    layout: Layout | None = None
    times = TimePolicy()

    def __init__(self) -> None:
        super().__init__()
        self.told = 0
        self.now = 0.0
        self.entry = StreamEntry(
            "fuzz",
            _BUNDLE,
            StreamGroup(_BUNDLE.manifest, _MODEL),
            policy=POLICY,
            max_devices=MAX_DEVICES,
            max_payload_bytes=4096,
            on_alert=self._alert,
            on_rejection=self._rejected,
            layout=self.layout,
            times=self.times,
        )

    def timely(self, payload: bytes) -> bytes:
        """The payload with the present time where a seed wants it, so that a stream's time goes on."""
        return payload.replace(b"@NOW", str(int(START_S + self.now)).encode())

    def take(self, content: bytes | Sample | DataError, device: str | None = None) -> None:
        streams.monotonic = lambda: self.now  # type: ignore[attr-defined]
        before = self.entry.samples + self.entry.rejected + self._held()
        self.now += 1.0
        self.entry.take(Arrival(0, device, content, START_S + self.now))
        streams.score(self.entry.group)
        after = self.entry.samples + self.entry.rejected + self._held()
        assert after > before, "a payload was neither scored nor counted as rejected"
        assert self.told == self.entry.rejected, "a rejection was not told"
        described = self.entry.describe()
        times = described["times"]
        assert all(notice.isprintable() for notice in described["notices"])
        assert sum(times.values()) - times["restarts"] <= self.entry.rejected
        self.counts.update(payloads=1)
        if self.counts["payloads"] % 16 == 0:
            self.entry.due(math.inf)
        self.counts["samples"], self.counts["rejected"] = self.entry.samples, self.entry.rejected
        self.counts["restarts"] = times["restarts"]

    def _held(self) -> int:
        held = [device.timeline.held for device in self.entry._devices.values()]
        assert len(held) <= MAX_DEVICES
        assert max(held, default=0) <= MAX_HELD
        return sum(held)

    def _alert(self, device: Device, time: float, alert: Alert) -> None:
        assert _SAFE_NAME.fullmatch(device.name), f"not safe in a topic: {device.name!r}"
        self.counts.update(alerts=1)

    def _rejected(self, name: str, error: DataError) -> None:
        text = str(error)
        assert 0 < len(text) < 600, f"a message of {len(text)} characters"
        assert text.isprintable(), f"a message that breaks a line of the log: {text!r}"
        self.told += 1


class JsonPayloads(_Streams):
    """Payloads as vedette writes them, into a stream with a reorder window."""

    times = TimePolicy(max_delay_s=2.0, max_samples=MAX_HELD, max_ahead_s=300.0)
    seeds = (_SAMPLE, _BATCH, b"[1, 2, 3]", b'{"time": @NOW, "x": 1, "nested": {"a": [true, "\\u00e9"]}}')

    def feed(self, payload: bytes) -> None:
        self.take(self.timely(payload))


class JsonLayouts(_Streams):
    """Payloads with field paths, a batch somewhere, times in milliseconds and devices' names."""

    layout = Layout(
        (("x", ("data", "accel", "x")), ("y", ("data", "values", 2))), ("p", "readings"), ("ts",), "ms", ("meta", "id")
    )
    times = TimePolicy(max_ahead_s=300.0)
    seeds = (
        b'{"meta": {"id": "a/b"}, "ts": @NOW000, "p": {"readings": [{"data": {"accel": {"x": 1}}, "z": 2}, '
        b'{"data": {"values": [1, 2, 3]}, "ts": @NOW000}]}}',
        b'{"meta": {"id": 7}, "p": {"readings": {"data": {"accel": {"x": 5}, "values": [5, 5, 5]}, "z": 5}}}',
    )

    def feed(self, payload: bytes) -> None:
        self.take(self.timely(payload))


class _NoLink:
    """Where a source subscribes; nothing is sent."""

    def subscribe(self, topic_filter: str, handler: object, *, qos: int) -> None: ...


class MqttMessages(_Streams):
    """Whole messages through the MQTT source: the device's level up to the first zero byte, then the payload."""

    seeds = (
        b"motor 1\0" + _SAMPLE,
        "Gerät/7\0[5, 5, 5]".encode(),
        b"$SYS\0" + _BATCH,
        b"%2F\0[5, 5, 5]",
        b"\0[1, 2, 3]",
    )

    def __init__(self) -> None:
        super().__init__()
        self.inbox = Inbox(max_items=10, max_bytes=10_000)
        context = SourceContext(0, SIGNAL, self.inbox, _NoLink(), 4096)  # type: ignore[arg-type]
        self.source = MqttSource(MqttSourceConfig("plant/+"), context)

    def feed(self, payload: bytes) -> None:
        level, _, rest = payload.partition(b"\0")
        # A broker sends only topics that match the filter, and paho only such in UTF-8 to a handler.
        text = level.decode("utf-8", errors="replace").replace("/", "")
        message = mqtt.MQTTMessage(topic=f"plant/{text}".encode())
        message.payload = self.timely(rest)
        assert self.source._receive(message)
        for arrival in self.inbox.take(0):
            self.take(arrival.content, arrival.device)


class CsvOnStdin(_Streams):
    """Lines of CSV, in portions of any size."""

    seeds = (b"@NOW,1,2,3\n@NOW,4,,6\n", b'2027-01-15T08:00:00Z,"1",2,3\r\n', b"\n,5,5,5\n" * 3)

    def __init__(self) -> None:
        super().__init__()
        self.splitter = LineSplitter(4096)
        self.lines = CsvLines("stdin", SIGNAL)
        self.lines.sample(",".join(("time", *CHANNELS)).encode())

    def feed(self, payload: bytes) -> None:
        self.counts.update(portions=1)
        for line in self.splitter.feed(self.timely(payload)):
            content = self.lines.sample(line)
            assert content is not None
            if isinstance(content, Sample):
                assert content.values.shape == (3,) and content.values.dtype == np.float64
            self.take(content)


class CsvHeaders(Target):
    """First lines of CSV."""

    seeds = (b"time,x,y,z", b'\xef\xbb\xbf z ,y,"x",label\r')

    def feed(self, payload: bytes) -> None:
        try:
            CsvLines("stdin", SIGNAL).sample(payload)
            self.counts.update(read=1)
        except DataError:
            self.counts.update(rejected=1)
        self.counts.update(payloads=1)


class Acknowledgements(Target):
    """What comes in on the acknowledgement topic."""

    seeds = (b'{"ids": ["6f0c0c6e-0000-4000-8000-000000000000", "b"]}', b'{"ids": []}')

    def feed(self, payload: bytes) -> None:
        try:
            ids = read_ack(payload)
            assert all(isinstance(item, str) and item.encode() is not None for item in ids)
            self.counts.update(read=1)
        except DataError:
            self.counts.update(rejected=1)
        self.counts.update(payloads=1)


class FieldPaths(Target):
    """Field paths of a configuration."""

    seeds = (b"data.accel.x", b"data.values[2]", b'[0]["a.b"].c')

    def feed(self, payload: bytes) -> None:
        try:
            parse_path(payload.decode("utf-8", errors="replace"))
            self.counts.update(read=1)
        except DataError:
            self.counts.update(rejected=1)
        self.counts.update(payloads=1)


class Configurations(Target):
    """Whole files ``gateway.toml``."""

    seeds = (
        b'gateway = "gw7"\n[mqtt]\nhost = "localhost"\ntls = false\nport = 1883\n[outbox]\npath = "o.db"\nmax_mb = 64\n'
        b'[[stream]]\nname = "pump1"\nbundle = "p.vdt"\nmax_devices = 7\nalert = { min_windows = 2 }\n'
        b'source = { mqtt = "plant/+/raw", fields = { x = "a.b[0]" }, time_unit = "ms", units = { x = "mm" } }\n'
        b"reorder = { max_delay_s = 2.0, max_samples = 64 }\nmax_ahead_s = 300\n",
        b'gateway = "g"\n[mqtt]\nhost = "h"\n[[stream]]\nname = "s"\nbundle = "b"\nsource = { stdin = true }\n',
    )

    def __init__(self) -> None:
        super().__init__()
        folder = Path(tempfile.mkdtemp(prefix="vedette-fuzz-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        self._path = folder / "gateway.toml"

    def feed(self, payload: bytes) -> None:
        self._path.write_bytes(payload)
        try:
            load_gateway(self._path, environ={})
            self.counts.update(read=1)
        except ConfigError:
            self.counts.update(rejected=1)
        self.counts.update(payloads=1)


TARGETS: dict[str, type[Target]] = {
    "json": JsonPayloads,
    "layout": JsonLayouts,
    "mqtt": MqttMessages,
    "csv": CsvOnStdin,
    "csv-header": CsvHeaders,
    "ack": Acknowledgements,
    "path": FieldPaths,
    "config": Configurations,
}
