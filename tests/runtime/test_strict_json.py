"""JSON from outside: whatever arrives is a value or a DataError, never anything else."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.errors import DataError
from vedette.runtime import strict_json

LIMIT = 1_000_000

HOSTILE = {
    "NaN": b'{"x": NaN}',
    "Infinity": b"[Infinity]",
    "negative infinity": b"[-Infinity]",
    "a float that is too large": b"[1e999]",
    "a negative float that is too large": b"[-1e999]",
    "digits that make an infinite float": b"[" + b"9" * 5000 + b".0]",
    "an integer of 5,000 digits": b"[" + b"9" * 5000 + b"]",
    "an integer of 22 digits": b"[1234567890123456789012]",
    "a key twice": b'{"a": 1, "b": 2, "a": 3}',
    "a key twice further in": b'[{"a": {"b": 1, "b": 1}}]',
    "lists nested 10,000 deep": b"[" * 10_000 + b"]" * 10_000,
    "objects nested 10,000 deep": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "brackets that never close": b"[" * 100_000,
    "not UTF-8": b'"\xff\xfe"',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf{}",
    "half a character": b'"\\ud800"',
    "half a character in a key": b'{"\\uDFFF": 1}',
    "nothing": b"",
    "space": b"  \n",
    "two documents": b"{} {}",
    "a truncated document": b'{"a": [1, 2',
    "single quotes": b"{'a': 1}",
    "a comment": b"{} // yes",
    "a trailing comma": b"[1,]",
    "a control character": b'"\x00"',
    "a leading zero": b"[01]",
    "a binary file": bytes(range(256)),
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_input_is_a_data_error_that_names_the_input(data: bytes) -> None:
    with pytest.raises(DataError, match=r"^the payload: "):
        strict_json.loads(data, max_bytes=LIMIT, what="the payload")


def test_errors_do_not_show_all_of_a_hostile_value() -> None:
    with pytest.raises(DataError) as caught:
        strict_json.loads(HOSTILE["an integer of 5,000 digits"], max_bytes=LIMIT, what="x")
    assert len(str(caught.value)) < 200


def test_more_bytes_than_allowed_are_not_parsed() -> None:
    with pytest.raises(DataError, match=r"x: 11 bytes; at most 10 are read"):
        strict_json.loads(b"[" * 11, max_bytes=10, what="x")


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_a_value_or_a_data_error(data: bytes) -> None:
    try:
        document = strict_json.loads(data, max_bytes=LIMIT, what="x")
    except DataError:
        return
    json.dumps(document, allow_nan=False).encode()


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(document=VALUES, ascii_only=st.booleans())
def test_valid_json_is_read_as_it_was_written(document: object, ascii_only: bool) -> None:
    data = json.dumps(document, ensure_ascii=ascii_only).encode()
    assert strict_json.loads(data, max_bytes=LIMIT, what="x") == document
