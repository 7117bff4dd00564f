"""The quick way to read JSON: what it reads is what the strict way reads, and it never reads more."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vedette.errors import DataError
from vedette.runtime import strict_json
from vedette.runtime.ingest import flat_json

numbers = st.one_of(st.integers(), st.floats(), st.integers(10**18, 10**21), st.just(-(10**19)), st.just(1e308))
texts = st.text(st.sampled_from('ab:"\\\u00e9\n\ud7ff,{}'), max_size=6)
leaves = st.one_of(numbers, st.none(), st.booleans(), texts)
objects = st.dictionaries(texts, leaves, max_size=5)
documents = st.one_of(objects, st.lists(leaves, max_size=5), st.lists(objects, max_size=4), leaves)
# Written by hand, so that keys may stand twice and numbers be anything.
pairs = st.lists(
    st.tuples(
        st.sampled_from(['"a"', '"b"', '"a:b"', '"\\u0061"']),
        st.sampled_from(
            [
                *(
                    "1",
                    "-0",
                    "1.5",
                    "1e999",
                    "-1e999",
                    "1e308",
                    "NaN",
                    "-Infinity",
                    "null",
                    "true",
                    '"x:y"',
                    '"\\u003a"',
                ),
                *("9" * 19, "9" * 20, "9" * 21, "-" + "9" * 20, "9" * 5000, "01"),
                *("[1]", '{"a": 1}', '{"a": 1, "a": 2}'),
            ]
        ),
    ),
    max_size=4,
)


def strictly(data: bytes) -> Any:
    """What the strict way reads, or the error."""
    try:
        return strict_json.loads(data, max_bytes=1 << 20, what="test")
    except DataError as error:
        return error


def same(found: Any, wanted: Any) -> bool:
    return repr(found) == repr(wanted)  # 1 is not 1.0, and -0.0 is not 0.0


def written(items: list[tuple[str, str]], *, wrapped: bool, gap: str) -> bytes:
    text = "{" + ",".join(f"{key}:{gap}{value}" for key, value in items) + "}"
    return (f"[{text},{gap}{text}]" if wrapped else text).encode()


@given(document=documents, ascii_only=st.booleans(), indent=st.sampled_from([None, 1]))
def test_documents_are_read_as_the_strict_way_reads_them(document: Any, ascii_only: bool, indent: int | None) -> None:
    data = json.dumps(document, ensure_ascii=ascii_only, indent=indent).encode(errors="surrogatepass")
    found = flat_json.loads(data)
    assert found is None or same(found, strictly(data))


@given(items=pairs, wrapped=st.booleans(), gap=st.sampled_from(["", " ", "\n"]))
@example(items=[('"a"', "1"), ('"a"', '"x:y"')], wrapped=False, gap="")
@example(items=[('"a"', "1"), ('"a"', '"\\u003a"')], wrapped=True, gap="")
@example(items=[('"a"', "1e308"), ('"b"', "1e308")], wrapped=False, gap="")
def test_hostile_objects_are_read_as_the_strict_way_reads_them(
    items: list[tuple[str, str]], wrapped: bool, gap: str
) -> None:
    data = written(items, wrapped=wrapped, gap=gap)
    found = flat_json.loads(data)
    assert found is None or same(found, strictly(data))


@given(
    data=st.one_of(st.binary(max_size=40), st.text('{}[]":,0123456789eE.+-truefalsnN \\', max_size=40).map(str.encode))
)
def test_any_bytes_are_read_as_the_strict_way_reads_them(data: bytes) -> None:
    found = flat_json.loads(data)
    assert found is None or same(found, strictly(data))


@given(
    sample=st.dictionaries(
        st.text("abcdefgh_", min_size=1),
        st.one_of(st.floats(-1e18, 1e18), st.integers(-(2**40), 2**40), st.none()),
        min_size=1,
        max_size=12,
    ),
    time=st.sampled_from([None, 1767225600, 1767225600.25, "2026-11-02T08:14:05Z"]),
    batch=st.integers(0, 3),
)
def test_samples_go_the_quick_way(sample: dict[str, Any], time: object, batch: int) -> None:
    document: Any = {**sample, "time": time}
    document = [document] * batch if batch else document
    assert same(flat_json.loads(json.dumps(document).encode()), document)


@pytest.mark.parametrize(
    "data", [b"", b" ", b"[" * 100_000, b"\xff", b"\xef\xbb\xbf{}", b"{} {}", b'{"a": 1} ', b"nul"]
)
def test_what_is_not_plain_goes_the_strict_way(data: bytes) -> None:
    assert flat_json.loads(data) is None


def test_numbers_whose_sum_is_too_large_are_still_read() -> None:
    payload = b'{"a": 1e308, "b": 1e308}'
    assert flat_json.loads(payload) is None
    assert math.isfinite(strictly(payload)["a"])
