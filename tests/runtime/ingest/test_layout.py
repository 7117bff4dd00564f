"""Payloads of other people's devices: where their channels, times, batches and names are."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny import SIGNAL

from vedette.errors import ConfigError
from vedette.runtime.detection.detector import SampleRejectedError
from vedette.runtime.ingest.layout import Layout, sample_reader
from vedette.runtime.ingest.samples import Sample
from vedette.runtime.ingest.sources.mqtt import MqttSourceConfig
from vedette.runtime.ingest.stream_checks import check_units
from vedette.runtime.json_keys import Keys


def layout(**keys: object) -> Layout:
    found = Layout.from_keys(Keys(keys, "source", ConfigError))
    assert found is not None
    return found


def read(payload: object, **keys: object) -> list[Sample | SampleRejectedError]:
    return sample_reader(SIGNAL, layout(**keys)).read(json.dumps(payload).encode())


def one(payload: object, **keys: object) -> Sample:
    (sample,) = read(payload, **keys)
    assert isinstance(sample, Sample)
    return sample


def test_channels_are_found_at_their_paths_and_the_others_under_their_names() -> None:
    payload = {"data": {"accel": {"x": 1.0}, "values": [7, 8, 9]}, "z": 3}
    sample = one(payload, fields={"x": "data.accel.x", "y": "data.values[2]"})
    assert sample.values.tolist() == [1.0, 9.0, 3.0]
    assert (sample.time, sample.device) == (None, None)


def test_a_channel_that_is_not_there_has_no_value() -> None:
    values = one({"a": {"x": 1}, "y": None}, fields={"x": "a.x", "z": "a.z"}).values
    assert values[0] == 1.0
    assert np.isnan(values[1:]).all()


@pytest.mark.parametrize(
    ("unit", "written", "seconds"),
    [
        (None, "1970-01-01T00:01:00.5Z", 60.5),
        (None, 60.5, 60.5),
        ("iso", "1970-01-01T01:01:00.5+01:00", 60.5),
        ("s", 60.5, 60.5),
        ("s", "60.5", 60.5),
        ("ms", 60_500, 60.5),
        ("us", 60_500_000, 60.5),
        ("ns", 60_500_000_000, 60.5),
        ("ns", 1_794_000_000_000_000_000, 1_794_000_000.0),
    ],
)
def test_times_are_read_in_their_unit(unit: str | None, written: object, seconds: float) -> None:
    keys = {"time": "meta.ts", **({"time_unit": unit} if unit else {})}
    assert one({"meta": {"ts": written}, "x": 1}, **keys).time == seconds


def test_the_unit_holds_for_the_usual_time_keys_too() -> None:
    assert one({"timestamp": 1500, "x": 1}, time_unit="ms").time == 1.5


def test_a_batch_is_where_the_layout_says_and_a_bad_sample_costs_only_itself() -> None:
    payload = {"payload": {"readings": [{"x": 1, "t": 10}, {"x": "one", "t": 11}, [7, 8, 9], {"x": 2, "t": 12}]}}
    first, bad, array, last = read(payload, samples="payload.readings", time="t")
    assert isinstance(first, Sample) and isinstance(last, Sample) and isinstance(array, Sample)
    assert (first.time, last.time) == (10.0, 12.0)
    assert array.values.tolist() == [7.0, 8.0, 9.0]
    assert isinstance(bad, SampleRejectedError)


def test_the_time_around_a_batch_is_that_of_its_last_sample() -> None:
    samples = read({"ts": 100, "d": [[1, 1, 1], [2, 2, 2], [3, 3, 3]]}, samples="d", time="ts")
    assert [sample.time for sample in samples if isinstance(sample, Sample)] == [98.0, 99.0, 100.0]
    of_two = [{"id": "a", "x": 1}, {"id": "b", "x": 1}, {"id": "b", "x": 2}, {"id": "a", "x": 2}]
    samples = read({"ts": 100, "d": of_two}, samples="d", time="ts", device="id")
    assert [sample.time for sample in samples if isinstance(sample, Sample)] == [99.0, 99.0, 100.0, 100.0]


def test_the_device_is_in_the_sample_or_around_it() -> None:
    batch = {"id": "hall 3", "d": [{"id": "a", "x": 1}, {"x": 2}, {"id": 7, "x": 3}]}
    samples = read(batch, samples="d", device="id")
    assert [sample.device for sample in samples if isinstance(sample, Sample)] == ["a", "hall 3", "7"]


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        ({"a": 1}, "expected samples at d.readings, found nothing there"),
        ({"d": {"readings": []}}, "expected an object with channels"),
        ({"d": {"readings": 5}}, "none of the 3 channels is in the sample; expected a.x, y, z"),
        ({"d": {"readings": {"b": 1}}}, "none of the 3 channels"),
        ({"d": {"readings": {"y": 1}}, "ts": True, "id": "a"}, "time at ts: expected a time"),
        ({"d": {"readings": {"y": 1}}, "ts": "soon", "id": "a"}, 'expected a number of "ms"'),
        ({"d": {"readings": {"y": 1}}, "ts": 10**19, "id": "a"}, "within the years 1 to 9999"),
        ({"d": {"readings": {"y": 1}}, "id": ""}, "device: expected a text of 1 to 128"),
        ({"d": {"readings": {"y": 1}}, "id": True}, "device: expected"),
        ({"d": {"readings": {"y": 1}}}, "device: expected"),
        ({"d": {"readings": {"y": [1]}}, "id": "a"}, 'channel "y": expected a number or null'),
    ],
)
def test_what_does_not_fit_is_rejected_with_its_place(payload: object, told: str) -> None:
    keys = {"samples": "d.readings", "time": "ts", "time_unit": "ms", "device": "id", "fields": {"x": "a.x"}}
    if payload == {"d": {"readings": []}}:
        keys.pop("fields")
    with pytest.raises(SampleRejectedError, match=re.escape(told)):
        read(payload, **keys)


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"fields": {"x": "a..b"}}, "fields: x: expected a path"),
        ({"fields": {"x": 5}}, "fields: x: expected str"),
        ({"fields": "x"}, "fields: expected an object"),
        ({"samples": ""}, "samples: expected a path"),
        ({"time": "a["}, "time: expected a path"),
        ({"time_unit": "m"}, 'time_unit: unknown "m"; did you mean "ms"?'),
    ],
)
def test_a_layout_is_checked_with_the_configuration(keys: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(told)):
        layout(**keys)


def test_fields_are_checked_against_the_bundle() -> None:
    signal = replace(
        SIGNAL, channels=tuple(replace(channel, name=f"vib_{channel.name}") for channel in SIGNAL.channels)
    )
    with pytest.raises(ConfigError, match=re.escape('no channel "vib_xx"; did you mean "vib_x"')):
        layout(fields={"vib_xx": "a"}).check(signal, "pump1")


def test_a_device_comes_from_the_topic_or_from_the_payload() -> None:
    keys = Keys({"mqtt": "plant/+/raw", "device": "id"}, "source", ConfigError)
    with pytest.raises(ConfigError, match="use one of them"):
        MqttSourceConfig.from_keys(keys, Path())


def test_units_are_compared_with_the_bundles() -> None:
    x, y, z = SIGNAL.channels
    signal = replace(SIGNAL, channels=(replace(x, unit="mm/s"), replace(y, unit="degC"), z))
    assert check_units((("x", "mm/s"),), signal, "s1") == []
    assert check_units((("z", "bar"),), signal, "s1") == [
        'the bundle does not say the unit of "z", so "bar" cannot be compared'
    ]
    with pytest.raises(ConfigError, match=re.escape('"y" comes in "degF", but the bundle was made for "degC"')):
        check_units((("y", "degF"),), signal, "s1")
    with pytest.raises(ConfigError, match='no channel "temp"'):
        check_units((("temp", "degC"),), signal, "s1")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["x", "y", "d", "id", "t", "a"]), inner, max_size=5)
    ),
    max_leaves=15,
)
READERS = [
    sample_reader(SIGNAL, layout(**keys))
    for keys in (
        {"fields": {"x": "a.x", "y": "d[1]"}},
        {"samples": "d", "time": "t", "time_unit": "ms"},
        {"samples": "a.d", "device": "id", "fields": {"z": "[0]"}},
    )
]


@given(JSON, st.sampled_from(READERS))
def test_any_json_gives_samples_or_rejections(document: object, reader: object) -> None:
    try:
        samples = reader.read(json.dumps(document).encode())  # type: ignore[attr-defined]
    except SampleRejectedError:
        return
    assert samples
    for sample in samples:
        assert isinstance(sample, SampleRejectedError) or len(sample.values) == 3
