"""What the ``source`` and time keys of a stream may say."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

from vedette.errors import ConfigError
from vedette.runtime.config.gateway import StreamConfig, load_gateway
from vedette.runtime.ingest.layout import Layout
from vedette.runtime.ingest.sources.file import Pace


def streams(folder: Path, *tables: str) -> tuple[StreamConfig, ...]:
    (folder / "test.csv").write_text("x,y,z\n1,2,3\n")
    text = 'gateway = "gw7"\n[mqtt]\nhost = "localhost"\ntls = false\n'
    for number, table in enumerate(tables):
        text += f'[[stream]]\nname = "s{number}"\nbundle = "b.vdt"\n{table}\n'
    path = folder / "gateway.toml"
    path.write_text(text)
    return load_gateway(path, environ={}).streams


def test_a_layout_units_and_time_keys_are_read(tmp_path: Path) -> None:
    (stream,) = streams(
        tmp_path,
        'source = { mqtt = "plant/+/raw", samples = "d", fields = { x = "a.x" }, time = "t", time_unit = "ms", '
        'units = { x = "mm/s" } }\nreorder = { max_delay_s = 2, max_samples = 9 }\nmax_ahead_s = 60',
    )
    assert stream.source.layout == Layout((("x", ("a", "x")),), ("d",), ("t",), "ms")
    assert stream.source.units == (("x", "mm/s"),)
    assert (stream.times.max_delay_s, stream.times.max_samples, stream.times.max_ahead_s) == (2.0, 9, 60.0)


def test_the_time_keys_have_defaults_that_fit_the_source(tmp_path: Path) -> None:
    mqtt, fast, realtime, stdin = streams(
        tmp_path,
        'source = { mqtt = "plant/+/raw" }',
        'source = { file = "test.csv" }',
        'source = { file = "test.csv", realtime = true }',
        'source = { stdin = true, format = "csv" }',
    )
    assert (mqtt.times.max_delay_s, mqtt.times.max_ahead_s, mqtt.times.restarts) == (0.0, 300.0, True)
    assert (fast.times.max_ahead_s, fast.times.restarts) == (math.inf, False)
    assert (realtime.times.max_ahead_s, realtime.times.restarts) == (math.inf, True)
    assert (stdin.times.max_ahead_s, stdin.times.restarts) == (math.inf, True)


def test_a_serial_port_is_read_with_its_defaults_and_by_one_stream_alone(tmp_path: Path) -> None:
    plain, relay = streams(
        tmp_path,
        'source = { serial = "/dev/ttyACM0" }',
        'source = { serial = "/dev/ttyACM1", baud = 9600, relay = true }',
    )
    found = [[vars(stream.source)[key] for key in ("path", "baud", "relay")] for stream in (plain, relay)]
    assert found == [["/dev/ttyACM0", 115_200, False], ["/dev/ttyACM1", 9600, True]]
    assert plain.source.live
    assert plain.times.max_ahead_s == 300.0
    with pytest.raises(ConfigError, match="only one stream can read /dev/ttyACM0"):
        streams(tmp_path, *['source = { serial = "/dev/ttyACM0" }'] * 2)


def test_one_topic_may_feed_two_streams_with_different_layouts(tmp_path: Path) -> None:
    one, other = streams(
        tmp_path, 'source = { mqtt = "a/b", samples = "c" }', 'source = { mqtt = "a/b", samples = "d" }'
    )
    assert one.source != other.source


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ('source = { serial = "" }', 'serial: expected a port such as "/dev/ttyACM0"'),
        ('source = { serial = "/dev/ttyUSB0", baud = 110 }', "baud: expected 300 to 12000000"),
        ('source = { serial = "/dev/ttyUSB0", relais = true }', 'unknown key "relais"; did you mean "relay"'),
        ('source = { serail = "/dev/ttyUSB0" }', 'found "serail"; did you mean "serial"'),
        ('source = { mqtt = "a", field = { x = "a" } }', 'unknown key "field"; did you mean "fields"'),
        ('source = { mqtt = "a", fields = { x = "a[" } }', "fields: x: expected a path"),
        ('source = { mqtt = "a", fields = { a.x = "b" } }', "fields: a: expected str"),
        ('source = { mqtt = "a", time_unit = "sec" }', 'time_unit: unknown "sec"'),
        ('source = { mqtt = "a", units = "mm" }', "units: expected an object"),
        ('source = { stdin = true, format = "jsonl" }', 'format: unknown "jsonl"; did you mean "json"'),
        ('source = { stdin = true, format = "csv", samples = "a" }', "samples: of JSON only"),
        ('source = { file = "test.csv" }\nmax_ahead_s = 5', "may be any"),
        ('source = { mqtt = "a" }\nreorder = { max_delay = 5 }', 'unknown key "max_delay"; did you mean "max_delay_s"'),
        ('source = { mqtt = "a" }\nreorder = { max_samples = 5 }', "max_delay_s: expected the seconds"),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, table: str, told: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(told)):
        streams(tmp_path, table)


def test_the_pauses_of_a_replay_are_bounded_whatever_the_times_are() -> None:
    pace = Pace(60.0)
    assert [pace.due(moment, 5.0) for moment in (0.0, 1.0, 1e300, 2.0, 3.0, float(-(10**300)))] == [
        5.0, 6.0, 66.0, 66.0, 67.0, 67.0,
    ]  # fmt: skip
