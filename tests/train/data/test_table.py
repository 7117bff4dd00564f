"""Tables: what is input, what never is, and what is said about what was left out."""

from __future__ import annotations

import datetime
import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tiny import SIGNAL

from vedette.errors import ConfigError, DataError
from vedette.train.data.table import read_signal, read_table

FRAME = pl.DataFrame(
    {
        "index": range(100),
        "time": [f"2026-01-01T00:{i // 60:02d}:{i % 60:02d}Z" for i in range(100)],
        "a": np.linspace(0.1, 0.9, 100),
        "b": [None if i == 7 else i for i in range(100)],
        "on": [i % 3 == 0 for i in range(100)],
        "fault": ["none"] * 95 + ["wear"] * 5,
        "label": [0] * 100,
    }
)


def csv(folder: Path, text: str) -> Path:
    path = folder / "data.csv"
    path.write_text(text)
    return path


def test_csv_packed_csv_and_parquet_give_the_same_table(tmp_path: Path) -> None:
    plain, packed, columns = tmp_path / "data.csv", tmp_path / "data.bin", tmp_path / "data.dat"
    FRAME.write_csv(plain)
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    FRAME.write_parquet(columns)
    tables = [read_table(path) for path in (plain, packed, columns)]
    for table in tables:
        assert table.channels == ("a", "b", "on")
        assert table.timestamp == "time"
        assert table.notes == ('column "fault" is not numeric and is left out',)
        assert table.times is not None
        assert np.diff(table.times).tolist() == [1.0] * 99
        assert table.label is not None
        assert not table.label.any()
        np.testing.assert_array_equal(table.values, tables[0].values)
    assert np.isnan(tables[0].values[7, 1])
    assert tables[0].values[:3, 2].tolist() == [1.0, 0.0, 0.0]
    assert len({table.sha256 for table in tables}) == 3


@pytest.mark.parametrize("name", ["label", "index", "time", "timestamp"])
def test_the_columns_of_the_contract_are_never_input(name: str, tmp_path: Path) -> None:
    path = csv(tmp_path, f"{name},a\n0,5\n1,6\n")
    assert read_table(path).channels == ("a",)
    with pytest.raises(ConfigError, match=f'"{name}" is never a channel'):
        read_table(path, channels=[name, "a"])


def test_the_timestamp_column_that_the_project_names_is_no_channel(tmp_path: Path) -> None:
    path = csv(tmp_path, "t,a\n1,5\n2,6\n")
    assert read_table(path, timestamp="t").channels == ("a",)
    assert read_table(path, timestamp="t").times is not None
    with pytest.raises(ConfigError, match='"t" is never a channel'):
        read_table(path, channels=["t"], timestamp="t")


def test_an_index_without_a_name_is_left_out_with_a_note(tmp_path: Path) -> None:
    table = read_table(csv(tmp_path, ",a\n0,5\n1,6\n"))
    assert table.channels == ("a",)
    assert table.notes == ("a column without a name is left out",)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1.5\n2\n3e0", [1.5, 2, 3]),
        ("2026-01-01T00:00:00Z\n2026-01-01T00:00:01.5Z\n2026-01-01 00:00:02", [0, 1.5, 2]),
        ("2026-01-01T01:00:00+01:00\n2026-01-01T02:00:03+02:00\n2026-01-01T00:00:04+00:00", [0, 3, 4]),
        ("2026-01-01\n2026-01-02\n2026-01-03", [0, 86400, 172800]),
    ],
    ids=["seconds", "with and without a fraction", "offsets", "days"],
)
def test_times_are_seconds_or_iso_8601(text: str, seconds: list[float], tmp_path: Path) -> None:
    rows = "\n".join(f"{time},1" for time in text.split("\n"))
    times = read_table(csv(tmp_path, f"time,a\n{rows}\n")).times
    assert times is not None
    start = 0.0 if times[0] < 1000 else datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC).timestamp()
    assert (times - start).tolist() == seconds


@pytest.mark.parametrize("kind", [pl.Datetime("ms"), pl.Datetime("ns"), pl.Datetime("us", "Europe/Berlin"), pl.Date])
def test_parquet_times_keep_their_zone(kind: pl.DataType, tmp_path: Path) -> None:
    times = [datetime.datetime(2026, 1, day, tzinfo=datetime.UTC) for day in (1, 2, 3)]
    column = pl.Series(times).dt.replace_time_zone(None) if kind == pl.Date else pl.Series(times)
    path = tmp_path / "data.parquet"
    pl.DataFrame({"time": column.cast(kind), "a": [1, 2, 3]}).write_parquet(path)
    found = read_table(path).times
    assert found is not None
    assert found.tolist() == [time.timestamp() for time in times]


def test_missing_words_and_infinities_are_missing_values(tmp_path: Path) -> None:
    words = ["", "NaN", "nan", "NA", "n/a", "null", "None", " ", "inf", "-Infinity", "1e999", "1e300", "NONE"]
    table = read_table(csv(tmp_path, "a,b\n1,1\n" + "".join(f"{word},2\n" for word in words)))
    assert np.isnan(table.values[1:, 0]).all()
    assert table.values[0].tolist() == [1.0, 1.0]


def test_a_mostly_numeric_column_with_text_is_an_error_that_names_the_row(tmp_path: Path) -> None:
    path = csv(tmp_path, "a,b\n1,1\n2,2\n3,3\noops,4\n5,5\n")
    with pytest.raises(DataError, match=r'data\.csv: a: expected numbers, found "oops" in row 4 \(1 such cells\)'):
        read_table(path)
    with pytest.raises(DataError, match="oops"):
        read_table(path, channels=["a"])


def test_a_text_column_is_left_out_with_a_note_but_is_an_error_where_it_was_asked_for(tmp_path: Path) -> None:
    path = csv(tmp_path, "a,mode\n1,run\n2,idle\n3,7\n")
    assert read_table(path).notes == ('column "mode" is not numeric and is left out',)
    with pytest.raises(DataError, match=r'mode: expected numbers, found "run" in row 1'):
        read_table(path, channels=["a", "mode"])


def test_a_column_without_values_is_left_out_with_a_note_but_is_an_error_where_it_was_asked_for(tmp_path: Path) -> None:
    path = csv(tmp_path, "a,b\n1,\n2,NaN\n")
    assert read_table(path).notes == ('column "b" has no value at all and is left out',)
    with pytest.raises(DataError, match=r'channel "b" has no value at all; take it out'):
        read_table(path, channels=["a", "b"])


def test_columns_of_other_kinds_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    odd = {
        "list": [[1], [2]],
        "struct": [{"x": 1}, {"x": 2}],
        "bytes": [b"\xff", b"a"],
        "duration": [datetime.timedelta(1), datetime.timedelta(2)],
        "date": [datetime.date(2026, 1, 1), datetime.date(2026, 1, 2)],
    }
    pl.DataFrame({"a": [1, 2], **odd}).write_parquet(path)
    table = read_table(path)
    assert table.channels == ("a",)
    assert len(table.notes) == len(odd)
    with pytest.raises(DataError, match="duration: expected numbers, found a column of Duration"):
        read_table(path, channels=["duration"])


def test_an_unknown_channel_suggests_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r'no channel "presure"; did you mean "pressure"'):
        read_table(csv(tmp_path, "pressure,flow\n1,2\n"), channels=["presure"])


def test_blank_lines_are_no_rows(tmp_path: Path) -> None:
    table = read_table(csv(tmp_path, "time,a\n1,5\n\n2,6\n\n\n3,7\n\n"))
    assert table.values.ravel().tolist() == [5.0, 6.0, 7.0]


def test_spaces_around_names_and_numbers_do_not_matter(tmp_path: Path) -> None:
    table = read_table(csv(tmp_path, " time , a\n1, 5\n2 , 6 \n"))
    assert table.channels == ("a",)
    assert table.times is not None
    assert table.values.ravel().tolist() == [5.0, 6.0]


def test_a_few_repeated_timestamps_are_read_and_many_are_an_error(tmp_path: Path) -> None:
    times = list(range(300))
    times[100] = times[99]
    table = read_table(csv(tmp_path, "time,a\n" + "".join(f"{time},1\n" for time in times)))
    assert len(table) == 300
    times = [time // 2 for time in range(300)]
    with pytest.raises(DataError, match=r'150 of 300 rows are not newer.* first row 2 \("0"\); sort the rows by time'):
        read_table(csv(tmp_path, "time,a\n" + "".join(f"{time},1\n" for time in times)))


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("", "no timestamp in row 2; fill it in or leave the row out"),
        ("1700000000000", "row 2: expected seconds since 1970 .* that looks like milliseconds"),
        ("yesterday", "row 2: expected a time as ISO 8601 text or seconds since 1970, found 'yesterday'"),
        ("03/04/2026", "row 2: expected a time as ISO 8601"),
    ],
)
def test_a_timestamp_that_cannot_be_used_is_an_error_that_names_its_row(
    cell: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=f"data.csv: time: {message}"):
        read_table(csv(tmp_path, f"time,a\n1,5\n{cell},6\n3,7\n"))


@pytest.mark.parametrize("cells", ["0,2", "0,-1", "0,0.5", "yes,no", "0,", "0,NaN"])
def test_a_label_that_is_not_0_or_1_is_an_error_that_names_the_row(cells: str, tmp_path: Path) -> None:
    first, second = cells.split(",")
    with pytest.raises(DataError, match=r"label: expected 0 or 1, found .* in row [12]"):
        read_table(csv(tmp_path, f"label,a\n{first},5\n{second},6\n"))


@pytest.mark.parametrize("cells", ["0,1", "0.0,1.0", "false,true"])
def test_labels_may_be_numbers_or_booleans(cells: str, tmp_path: Path) -> None:
    first, second = cells.split(",")
    label = read_table(csv(tmp_path, f"label,a\n{first},5\n{second},6\n")).label
    assert label is not None
    assert label.tolist() == [0, 1]


def test_a_label_of_an_odd_kind_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    pl.DataFrame({"label": [[0], [1]], "a": [1, 2]}).write_parquet(path)
    with pytest.raises(DataError, match="label: expected 0 or 1"):
        read_table(path)


def test_the_channels_of_a_signal_are_read_by_name_in_its_order(tmp_path: Path) -> None:
    path = csv(tmp_path, "z,other,y,time,x\n3,9,2,1,1\n6,9,,2,4\n")
    table = read_signal(path, SIGNAL)
    assert table.channels == ("x", "y", "z")
    np.testing.assert_array_equal(table.values, [[1, 2, 3], [4, np.nan, 6]])
    assert read_signal(path, replace(SIGNAL, timestamp=None)).times is None
    with pytest.raises(DataError, match=r'no channel "x"; .*valid: y, z'):
        read_signal(csv(tmp_path, "y,z\n1,2\n"), SIGNAL)


def test_scoring_does_not_look_at_the_label(tmp_path: Path) -> None:
    path = csv(tmp_path, "x,y,z,label\n1,2,3,unknown\n")
    assert read_signal(path, SIGNAL, labelled=False).label is None
    with pytest.raises(DataError, match="label"):
        read_signal(path, SIGNAL)


@pytest.mark.parametrize("damage", ["truncated", "footer", "only its magic"])
def test_a_damaged_parquet_file_is_a_data_error(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    FRAME.write_parquet(path)
    data = path.read_bytes()
    broken = {
        "truncated": data[: len(data) // 2],
        "footer": data[:-8] + b"\xff" * 4 + b"PAR1",
        "only its magic": b"PAR1",
    }
    path.write_bytes(broken[damage])
    with pytest.raises(DataError, match="not a readable table"):
        read_table(path)


def parts(folder: Path, *texts: str) -> list[Path]:
    paths = [folder / f"part{number}.csv" for number, _ in enumerate(texts, 1)]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text)
    return paths


def test_files_are_one_table_in_the_order_of_their_names(tmp_path: Path) -> None:
    paths = parts(tmp_path, "time,a,b\n1,5,0\n2,6,0\n", "b,a,time\n1,7,3\n")
    tables = [read_table(tmp_path), read_table(tmp_path / "*.csv"), read_table(paths)]
    for table in tables:
        assert table.values.tolist() == [[5, 0], [6, 0], [7, 1]]
        assert table.times is not None
        assert table.times.tolist() == [1, 2, 3]
        assert [(recording.name, recording.start) for recording in table.recordings] == [
            (str(paths[0]), 0),
            (str(paths[1]), 2),
        ]
    assert len({table.sha256 for table in tables}) == 1
    assert tables[0].where(2) == f"{paths[1]}: row 1"


def test_files_with_different_columns_are_an_error_that_names_both_and_the_columns(tmp_path: Path) -> None:
    first, second = parts(tmp_path, "time,a,b\n1,5,6\n", "time,a,c,d\n2,5,6,7\n")
    message = f"{first} and {second} have different columns: {second} has no b; {first} has no c, d; give files of one"
    with pytest.raises(DataError) as error:
        read_table(tmp_path)
    assert message in str(error.value)
    assert read_table(tmp_path, channels=["a"]).values.tolist() == [[5], [5]], "only what was asked for must be there"


def test_a_file_of_labels_among_the_data_is_an_error(tmp_path: Path) -> None:
    parts(tmp_path, "time,a\n1,5\n", "label\n0\n1\n")
    with pytest.raises(DataError, match=r"part2\.csv has no time, a; .*part1\.csv has no label"):
        read_table(tmp_path)
    with pytest.raises(DataError, match="different columns"):
        read_table(tmp_path, channels=["a"])


def test_text_that_appears_late_is_found_and_its_file_and_row_are_named(tmp_path: Path) -> None:
    parts(tmp_path, "a,b\n1,5\n2,6\n", "a,b\n3,7\n4,oops\n")
    with pytest.raises(DataError, match=r'part2\.csv: b: expected numbers, found "oops" in row 2 \(1 such cells\)'):
        read_table(tmp_path)
    parts(tmp_path, "a,b\n1,\n2,\n", "a,b\n3,run\n4,idle\n")
    table = read_table(tmp_path)
    assert table.channels == ("a",)
    assert table.notes == ('column "b" is not numeric and is left out',)


def test_a_file_without_rows_among_others_is_an_error(tmp_path: Path) -> None:
    parts(tmp_path, "a\n1\n", "a\n")
    with pytest.raises(DataError, match=r"part2\.csv: a header but no rows"):
        read_table(tmp_path)


@pytest.mark.slow
def test_what_is_read_does_not_depend_on_the_size_of_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    frame = pl.DataFrame(
        {
            "time": [f"2026-01-01 00:{i // 60:02d}:{i % 60:02d}.5" for i in range(500)],
            "a": rng.normal(size=500),
            "b": [None if i % 50 == 7 else "NA" if i == 3 else str(i) for i in range(500)],
            "on": [i % 3 == 0 for i in range(500)],
            "mode": ["run, fast"] * 250 + ['stop "now"'] * 250,
            "label": [i // 400 for i in range(500)],
        }
    )
    frame.write_csv(tmp_path / "data.csv")
    (tmp_path / "data.csv.gz").write_bytes(gzip.compress((tmp_path / "data.csv").read_bytes()))
    frame.write_parquet(tmp_path / "data.parquet")
    whole = read_table(tmp_path / "data.csv")
    assert whole.channels == ("a", "b", "on")
    for portion, cells in ((50, 4), (333, 50), (10**6, 10**6)):
        monkeypatch.setattr("vedette.train.data.csv_rows.PORTION", portion)
        monkeypatch.setattr("vedette.train.data.frame.CELLS", cells)
        monkeypatch.setattr("vedette.train.data.table_store.IN_MEMORY", portion)
        monkeypatch.setattr("vedette.train.data.table_store.BLOCK_BYTES", portion)
        for name in ("data.csv", "data.csv.gz", "data.parquet"):
            table = read_table(tmp_path / name)
            assert table.channels == whole.channels
            assert table.notes == whole.notes
            for found, expected in ((table.values, whole.values), (table.times, whole.times)):
                np.testing.assert_array_equal(found, expected)  # type: ignore[arg-type]
            assert table.label is not None
            assert table.label.tolist() == [i // 400 for i in range(500)]


@pytest.mark.parametrize("cells", ["1,0", "true,false", "True,FALSE", "1,false"])
def test_switches_are_channels(cells: str, tmp_path: Path) -> None:
    first, second = cells.split(",")
    assert read_table(csv(tmp_path, f"a,on\n1,{first}\n2,{second}\n")).values[:, 1].tolist() == [1.0, 0.0]


def test_progress_is_told_up_to_the_end(tmp_path: Path) -> None:
    parts(tmp_path, "a\n1\n2\n", "a\n3\n")
    told: list[float] = []
    read_table(tmp_path, on_progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 1.0
