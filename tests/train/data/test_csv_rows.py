"""CSV in portions: the same rows whatever their size, and every row that is not whole is found."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vedette.errors import DataError
from vedette.train.data import csv_rows
from vedette.train.data.csv_rows import CsvRows

# Portions so small that every boundary falls somewhere inside a row, a cell or a line end.
PORTIONS = [1, 2, 3, 7, 16, 64, 4096]


def rows(path: Path, portion: int, *, packed: bool = False) -> list[list[str]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_rows, "PORTION", portion)
        file = CsvRows(path, packed=packed)
        text = b"".join(part if part.endswith(b"\n") else part + b"\n" for part in file.portions()).decode()
    return [file.names, *csv.reader(io.StringIO(text, newline=""))]


CELL = st.one_of(
    st.text("0123456789.-e ", max_size=6), st.text('a",\n;é', max_size=5), st.sampled_from(["", "NaN", "true"])
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    table=st.integers(1, 4).flatmap(lambda width: st.lists(st.lists(CELL, min_size=width, max_size=width), max_size=8)),
    ends=st.sampled_from(["\n", "\r\n"]),
    blank=st.lists(st.integers(0, 8), max_size=3),
    last_end=st.booleans(),
    mark=st.booleans(),
    portion=st.sampled_from(PORTIONS),
)
def test_rows_are_what_the_csv_module_reads_without_blank_lines(
    *, table: list[list[str]], ends: str, blank: list[int], last_end: bool, mark: bool, portion: int, tmp_path: Path
) -> None:
    width = len(table[0]) if table else 2
    header = [f"c{i}" for i in range(width)]
    lines = []
    for cells in [header, *table]:
        text = io.StringIO()
        quoting = csv.QUOTE_ALL if cells == [""] else csv.QUOTE_MINIMAL
        csv.writer(text, lineterminator="\n", quoting=quoting).writerow(cells)
        lines.append(text.getvalue()[:-1])
    for place in blank:
        lines.insert(min(place, len(lines)), "")
    path = tmp_path / "data.csv"
    content = ends.join(lines) + (ends if last_end else "")
    path.write_bytes((b"\xef\xbb\xbf" if mark else b"") + content.encode())
    assert rows(path, portion) == [header, *table]


@pytest.mark.parametrize("portion", PORTIONS)
def test_packed_rows_are_the_same(portion: int, tmp_path: Path) -> None:
    path = tmp_path / "data.csv.gz"
    path.write_bytes(gzip.compress(b"a,b\n1,2\n\n3,4"))
    assert rows(path, portion, packed=True) == [["a", "b"], ["1", "2"], ["3", "4"]]


@pytest.mark.parametrize("portion", [1, 5, 4096])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a,b\n1,2\n3\n4,5\n", "line 3: expected 2 columns, found 1; complete the row"),
        (b"a,b\n\n1,2\n3,4,5\n", "line 4: expected 2 columns, found 3"),
        (b"a,b\n1,2,3\n4\n", "line 2: expected 2 columns, found 3"),
        (b'a,b\n"x\ny",2\n3\n', "line 4: expected 2 columns, found 1"),
        (b"a,b\n1,2\n  \n", "line 3: expected 2 columns, found 1"),
        (b'a,b\n1,2\n3,"open\n5,6\n', "line 3: not CSV"),
        (b'a,b,c\n1,5" pipe,2\n3,4,5\n', "line 2: (a quotation mark inside a cell|not CSV)"),
        (b"a,b\n1,2\n\xff,4\n", "expected CSV in UTF-8, found other bytes"),
        (b"a,b\n1,2\n3,\0\n", "not CSV: binary data"),
        (b"a,b\r1,2\r3,4\r", "a carriage return that ends no line"),
        (b"\n\n \n", "expected a header with column names, found none"),
        (b"", "expected a header with column names, found none"),
        (b"a;b\n1;2\n", "separated by commas, found semicolons"),
        (b"0.5,1.5\n1,2\n", r"found numbers \(0\.5, 1\.5\)"),
    ],
)
def test_what_is_no_row_is_an_error_with_its_line(content: bytes, message: str, portion: int, tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        rows(path, portion)


def test_a_row_that_never_ends_is_an_error_before_it_fills_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_rows, "LONGEST_ROW", 2**20)
    path = tmp_path / "data.csv"
    path.write_bytes(b'a,b\n1,2\n3,"' + b"4,5\n" * 10**6)
    with pytest.raises(DataError, match="line 3: a row of more than 1 MiB; is a quotation mark not closed"):
        rows(path, 2**18)


def test_half_a_packed_file_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "data.csv.gz"
    path.write_bytes(gzip.compress(b"a,b\n" + b"1,2\n3,4\n" * 5000)[:-20])
    with pytest.raises(DataError, match="cannot be unpacked to its end"):
        rows(path, 4096, packed=True)
