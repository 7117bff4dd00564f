"""Which files are read: names, folders, patterns, and what is said where there are none."""

from __future__ import annotations

from pathlib import Path

import pytest

from vedette.errors import DataError
from vedette.train.data.sources import find_files


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    for name in ("log10.csv", "log9.csv", "log1.csv.gz", "B.PARQUET", "notes.txt", ".hidden.csv"):
        (tmp_path / name).write_text("x")
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "log2.csv").write_text("x")
    return tmp_path


def names(*data: Path) -> list[str]:
    return [path.name for path in find_files(data).files]


def test_a_file_is_itself_whatever_its_name(logs: Path) -> None:
    assert names(logs / "notes.txt") == ["notes.txt"]
    assert names(logs / "none.csv") == ["none.csv"], "that it is not there is told where it is opened"


def test_a_folder_is_its_data_files_in_the_order_of_their_names_and_numbers(logs: Path) -> None:
    assert names(logs) == ["B.PARQUET", "log1.csv.gz", "log9.csv", "log10.csv"]
    assert find_files(logs).notes == (f"{logs}: notes.txt left out; data files end in .csv, .csv.gz, .parquet, .pq",)


def test_a_pattern_is_what_matches(logs: Path) -> None:
    assert names(logs / "log*.csv") == ["log9.csv", "log10.csv"]
    assert names(logs / "**" / "*.csv") == ["log9.csv", "log10.csv", "log2.csv"]
    assert find_files(logs / "log*.csv").notes == ()


def test_items_come_in_the_order_given_and_each_file_once(logs: Path) -> None:
    assert names(logs / "log9.csv", logs / "log1*", logs / "log9.csv") == ["log9.csv", "log1.csv.gz", "log10.csv"]


def test_a_name_that_looks_like_a_pattern_is_a_file_where_it_exists(tmp_path: Path) -> None:
    path = tmp_path / "data[1].csv"
    path.write_text("x")
    assert names(path) == ["data[1].csv"]


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([], "found an empty folder"),
        (["a.txt", "b.json"], r"files that end in \.csv, .* found a\.txt, b\.json"),
        ([f"{i}.txt" for i in range(9)], r"found 0\.txt, .*4\.txt and 4 more"),
        (["jan/"], r'found folders only; give one of them, or all with ".*/\*/\*\.csv"'),
    ],
)
def test_a_folder_without_data_is_an_error_that_says_what_is_there(
    entries: list[str], message: str, tmp_path: Path
) -> None:
    for entry in entries:
        if entry.endswith("/"):
            (tmp_path / entry).mkdir()
        else:
            (tmp_path / entry).write_text("x")
    with pytest.raises(DataError, match=message):
        find_files(tmp_path)


def test_a_pattern_that_matches_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none-\*\.csv: no file matches"):
        find_files(tmp_path / "none-*.csv")


def test_a_name_that_no_file_can_have_is_an_error() -> None:
    with pytest.raises(DataError, match="cannot be read"):
        find_files(Path("o" * 5000))
