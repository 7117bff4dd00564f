"""Paths into JSON documents."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.errors import DataError
from vedette.runtime.ingest.fields import ABSENT, Path, follow, parse_path
from vedette.runtime.ingest.layout import show


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("temp", ("temp",)),
        ("data.accel.x", ("data", "accel", "x")),
        ("data.values[2]", ("data", "values", 2)),
        ("[0].x", (0, "x")),
        ("a[0][1].b", ("a", 0, 1, "b")),
        ('opc["ns=2;s=Motor.Speed"].value', ("opc", "ns=2;s=Motor.Speed", "value")),
        ("Temp °C", ("Temp °C",)),
        ("7", ("7",)),
    ],
)
def test_a_path_is_keys_and_indices(text: str, path: Path) -> None:
    assert parse_path(text) == path
    assert parse_path(show(path)) == path


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "1 to 256 characters, found 0"),
        ("a" * 300, "found 300"),
        (".a", "from character 1 on"),
        ("a.", "from character 2 on"),
        ("a..b", "from character 2 on"),
        ("a[b]", "from character 2 on"),
        ("a[-1]", "from character 2 on"),
        ("a[1", "from character 2 on"),
        ("a[9999999]", "from character 2 on"),
        ("a[0]b", "from character 5 on"),
        ("a.[0]", "from character 2 on"),
        ('a["', "from character 2 on"),
        (".".join("a" * 17), "at most 16 steps, found 17"),
    ],
)
def test_what_is_no_path_is_told(text: str, told: str) -> None:
    with pytest.raises(DataError, match=re.escape(told)):
        parse_path(text)


@pytest.mark.slow
@given(st.text(max_size=40) | st.text('ab.[]"01', max_size=20))
def test_any_text_is_a_path_or_told(text: str) -> None:
    try:
        path = parse_path(text)
    except DataError:
        return
    assert parse_path(show(path)) == path


LEAVES = st.none() | st.integers() | st.text(max_size=3)
DOCUMENTS = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
)


@given(st.lists(st.sampled_from("abc") | st.integers(0, 3), max_size=5).map(tuple), DOCUMENTS)
def test_following_a_path_finds_what_indexing_finds(path: Path, document: object) -> None:
    found = follow(path, document)
    expected: object = document
    try:
        for step in path:
            assert not isinstance(expected, str)
            expected = expected[step]  # type: ignore[index]
    except (KeyError, IndexError, TypeError, AssertionError):
        expected = ABSENT
    assert found is expected or found == expected
