"""CSV samples: columns by name, times, gaps, and errors that name line and column."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny import SIGNAL

from vedette.errors import DataError
from vedette.runtime.ingest.csv_samples import CsvLines, CsvRow, read_csv, read_rows
from vedette.runtime.ingest.samples import Sample


def rows(folder: Path, data: str | bytes) -> list[CsvRow]:
    path = folder / "data.csv"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return list(read_csv(path, SIGNAL))


def test_columns_are_found_by_name_and_others_are_left_out(tmp_path: Path) -> None:
    (row,) = rows(tmp_path, "label,z,x,comment,y\n1,3,1,normal,2\n")
    assert row.values.tolist() == [1.0, 2.0, 3.0]


def test_rows_without_times_are_one_period_apart(tmp_path: Path) -> None:
    found = rows(tmp_path, "x,y,z\n1,2,3\n4,5,6\n")
    assert [(row.label, row.time) for row in found] == [("0", 0.0), ("1", 1.0)]


def test_times_are_read_and_their_text_is_kept(tmp_path: Path) -> None:
    found = rows(tmp_path, "time,x,y,z\n1970-01-01T00:01:00,1,2,3\n1970-01-01T01:02:00+01:00,1,2,3\n180.5,1,2,3\n")
    assert [row.time for row in found] == [60.0, 120.0, 180.5]
    assert found[0].label == "1970-01-01T00:01:00"


def test_empty_na_and_nan_cells_become_nan(tmp_path: Path) -> None:
    (row,) = rows(tmp_path, "x,y,z\n,NA,nan\n")
    assert np.isnan(row.values).all()


def test_gzip_is_told_by_its_bytes(tmp_path: Path) -> None:
    (row,) = rows(tmp_path, gzip.compress(b"x,y,z\n1,2,3\n"))
    assert row.values.tolist() == [1.0, 2.0, 3.0]


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path: Path) -> None:
    assert len(rows(tmp_path, b"\xef\xbb\xbfx,y,z\r\n1,2,3\r\n")) == 1


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ("", "found an empty file"),
        ("x,y,z\n", "expected rows below the header"),
        ("x,Y2,z\n1,2,3\n", 'expected the column "y"'),
        ("vib_x,vib_y\n1,2\n", "3 of 3 channels are missing"),
        ("x,y,z,x\n1,2,3,4\n", 'column "x" appears 2 times'),
        ("x,y,z\n1,2,3\n1,two,3\n", "line 3, column \"y\": expected a number, found 'two'"),
        ("x,y,z\n1,2024_01,3\n", "found '2024_01'"),
        ("x,y,z\n1,2\n", "line 2: expected 3 columns, found 2"),
        ("time,x,y,z\nsoon,1,2,3\n", 'line 2, column "time": expected a time'),
        ('x,y,z\n1,2,"3\n', "not CSV"),
        (b"\x89PNG\r\n\x1a\n\xff\xfe", "other bytes"),
        (b"PK\0\0\0,x,y,z\n", "line 1: not CSV"),
        (gzip.compress(b"x,y,z\n" + b"1,2,3\n" * 500, mtime=0)[:-20], "cannot be read to its end"),
    ],
)
def test_what_is_no_such_csv_file_is_told(tmp_path: Path, data: str | bytes, told: str) -> None:
    with pytest.raises(DataError, match=re.escape(told)):
        rows(tmp_path, data)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        list(read_csv(tmp_path / "none.csv", SIGNAL))


def test_reading_can_go_on_after_a_bad_row(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("x,y,z\n1,2,3\n1,two,3\n4,5,6\n")
    first, bad, last = read_rows(path, SIGNAL)
    assert isinstance(first, CsvRow) and isinstance(last, CsvRow)
    assert isinstance(bad, DataError)
    assert last.time == 2.0


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=100), st.booleans())
def test_any_bytes_give_rows_or_a_data_error(tmp_path: Path, data: bytes, with_header: bool) -> None:
    try:
        rows(tmp_path, b"x,y,z\n" * with_header + data)
    except DataError:
        return


def test_a_line_that_fills_the_memory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="line 2: longer than 1,048,576 characters"):
        rows(tmp_path, gzip.compress(b"x,y,z\n" + b" " * 3_000_000))


def test_lines_of_a_pipe_are_read_one_by_one() -> None:
    lines = CsvLines("stdin", SIGNAL)
    assert lines.sample(b"\xef\xbb\xbfz,y,time,x,note\r") is None
    read = [
        lines.sample(line)
        for line in (b"3,2,60,1,a", b'3,2,60,1,"a', b"\xff,2,61,1,", b"1,2", b"3,,62,x,", b"3,,62,1,")
    ]
    first, *bad, last = read
    assert isinstance(first, Sample) and isinstance(last, Sample)
    assert (first.time, first.values.tolist()) == (60.0, [1.0, 2.0, 3.0])
    assert np.isnan(last.values[1])
    assert [str(error).split(": ", 1)[1] for error in bad] == [
        "line 3: not CSV: unexpected end of data",
        "line 4: expected UTF-8, found other bytes",
        "line 5: expected 5 columns, found 2",
        "line 6, column \"x\": expected a number, found 'x'",
    ]


def test_csv_without_times_on_a_pipe_leaves_them_to_the_arrival() -> None:
    lines = CsvLines("stdin", SIGNAL)
    lines.sample(b"x,y,z")
    sample = lines.sample(b"1,2,3")
    assert isinstance(sample, Sample) and sample.time is None


@pytest.mark.parametrize("header", [b"a,b,c", b"x,y", b"\xff", b'x,y,"z', b"x,x,y,z"])
def test_a_pipe_without_the_channels_in_its_header_is_refused(header: bytes) -> None:
    with pytest.raises(DataError):
        CsvLines("stdin", SIGNAL).sample(header)
