"""JSON samples: what is read, and that nothing but a rejection comes of anything else."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny import SIGNAL

from vedette.runtime.detection.detector import SampleRejectedError
from vedette.runtime.ingest.samples import Sample, SampleReader

READER = SampleReader(SIGNAL)


def one(payload: str | bytes) -> Sample:
    (sample,) = READER.read(payload.encode() if isinstance(payload, str) else payload)
    assert isinstance(sample, Sample)
    return sample


def test_channels_are_found_by_name_in_any_order_among_other_keys() -> None:
    sample = one('{"unit": "mm", "z": 3, "x": 1, "nested": {"a": [1]}, "y": 2.5}')
    assert sample.time is None
    assert sample.values.tolist() == [1.0, 2.5, 3.0]


def test_an_array_of_numbers_is_one_sample_in_the_bundles_order() -> None:
    assert one("[1, 2, 3]").values.tolist() == [1.0, 2.0, 3.0]


def test_missing_and_null_channels_become_nan() -> None:
    values = one('{"x": 1, "y": null}').values
    assert values[0] == 1.0
    assert np.isnan(values[1:]).all()


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("60.5", 60.5),
        ("60", 60.0),
        ('"1970-01-01T00:01:00Z"', 60.0),
        ('"1970-01-01T01:01:00+01:00"', 60.0),
        ('"1970-01-01 00:01:00"', 60.0),
        ('"1970-01-01T00:01:00.5Z"', 60.5),
        ('"1970-01-01T00:01:00.123456789Z"', 60.123456),
        ("null", None),
    ],
)
@pytest.mark.parametrize("key", ["time", "timestamp"])
def test_the_time_is_read(key: str, time: str, expected: float | None) -> None:
    assert one(f'{{"{key}": {time}, "x": 1}}').time == expected


def test_a_batch_gives_its_samples_in_order_and_its_bad_ones_as_errors() -> None:
    first, bad, last = READER.read(b'[{"x": 1}, {"x": "one"}, [7, 8, 9]]')
    assert isinstance(first, Sample) and first.values[0] == 1.0
    assert isinstance(bad, SampleRejectedError)
    assert isinstance(last, Sample) and last.values.tolist() == [7.0, 8.0, 9.0]


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        ('{"x": "1.5"}', "channel \"x\": expected a number or null, found the text '1.5'"),
        ('{"x": 1, "y": true}', 'channel "y": expected a number or null, found true or false'),
        ('{"x": [1]}', "found an array"),
        ('{"x": {"v": 1}}', "found an object"),
        ("[1, 2]", "array of 3 numbers (x, y, z), found an array of 2"),
        ("[]", "found an array of 0"),
        ("{}", "found an empty object"),
        ('{"pressure": 1}', 'none of the 3 channels is in the object; found "pressure"'),
        ("7", "found a number"),
        ("null", "found null"),
        ('{"x": NaN}', "NaN is not JSON"),
        ('{"x": 1e999}', "too large"),
        ('{"x": 1, "x": 2}', "appears twice"),
        ('{"x": 1, "time": "yesterday"}', 'key "time": expected a time'),
        ('{"x": 1, "time": 1700000000000}', "milliseconds"),
        ('{"x": 1, "time": [1]}', 'key "time"'),
        ("[" * 10_000 + "]" * 10_000, "nested too deeply"),
        ('{"x":' * 10_000 + "1" + "}" * 10_000, "nested too deeply"),
        ('{"x": ' + "9" * 5000 + "}", "too large"),
        ("", "not valid JSON"),
        ("[" + "1," * 5_000_000 + "1]", "10,000,003 bytes; at most 1,048,576 are read"),
    ],
)
def test_anything_else_is_rejected_with_what_was_expected_and_found(payload: str, told: str) -> None:
    with pytest.raises(SampleRejectedError, match=re.escape(told)) as caught:
        READER.read(payload.encode())
    assert len(str(caught.value)) < 300


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["x", "y", "z", "time", "timestamp", "w"]), inner, max_size=5)
    ),
    max_leaves=12,
)


@given(JSON)
def test_any_json_gives_samples_or_a_rejection(document: object) -> None:
    try:
        samples = READER.read(json.dumps(document).encode())
    except SampleRejectedError:
        return
    for sample in samples:
        assert isinstance(sample, SampleRejectedError) or len(sample.values) == 3
        assert isinstance(sample, SampleRejectedError) or sample.values.typecode == "d"


@given(st.binary(max_size=200))
def test_any_bytes_give_samples_or_a_rejection(payload: bytes) -> None:
    try:
        READER.read(payload)
    except SampleRejectedError:
        return


@given(
    st.lists(st.none() | st.floats(allow_nan=False, allow_infinity=False), min_size=3, max_size=3).filter(
        lambda row: any(value is not None for value in row)
    ),
    st.floats(min_value=0, max_value=2e9),
)
def test_what_was_written_is_read(row: list[float | None], time: float) -> None:
    sample = one(json.dumps({"time": time, **dict(zip("xyz", row, strict=True))}))
    assert sample.time == time
    assert [None if np.isnan(value) else value for value in sample.values.tolist()] == row
