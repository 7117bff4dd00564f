"""Lines out of portions."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vedette.runtime.ingest.lines import LineSplitter


@given(st.lists(st.text("ab\n", max_size=12).map(str.encode), max_size=20), st.integers(1, 8))
def test_any_portions_give_the_lines_of_the_whole(portions: list[bytes], limit: int) -> None:
    splitter = LineSplitter(limit)
    lines = [line for portion in portions for line in splitter.feed(portion)] + splitter.end()
    whole = b"".join(portions).split(b"\n")
    if not whole[-1]:
        whole.pop()
    assert lines == [line[: limit + 1] for line in whole]


def test_a_line_without_an_end_is_not_kept() -> None:
    splitter = LineSplitter(10)
    assert sum(len(line) for _ in range(1000) for line in splitter.feed(b"x" * 1000)) == 11
    assert splitter.end() == []
