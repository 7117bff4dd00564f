"""Labels in a file of their own."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from vedette.errors import DataError
from vedette.train.evaluation.labels import read_labels

GOOD = {
    "a column label among others": "time,label,note\n1,0,a\n2,1,b\n3,1,c\n",
    "one column of another name": "is_anomaly\n0\n1\n1\n",
    "one column without a header": "0\n1\n1\n",
    "numbers with decimals": "label\n0.0\n1.0\n1.0\n",
    "words": "label\nfalse\ntrue\ntrue\n",
    "blank lines at the end": "label\n0\n1\n1\n\n\n",
}
BAD = {
    "several columns without label": ("a,b\n0,1\n1,1\n0,0\n", ['expected a column "label"', "found a, b"]),
    "another value": ("label\n0\n2\n1\n", ["expected 0 or 1, found 2.0 in row 2"]),
    "a missing value": ("index,label\n0,0\n1,\n2,1\n", ["expected 0 or 1, found None in row 2"]),
    "text": ("label\nno\nyes\nno\n", ["expected 0 or 1, found 'no' in row 1"]),
    "another value without a header": ("0\n1\n3\n", ["expected 0 or 1, found 3.0 in row 3"]),
    "too few": ("label\n0\n1\n", ["expected 3 labels, one for each row of data.csv, found 2"]),
    "too many": ("0\n0\n1\n1\n", ["expected 3 labels", "found 4"]),
    "nothing": ("", ["empty"]),
}


@pytest.mark.parametrize("what", GOOD)
def test_labels_are_read(what: str, tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(GOOD[what])
    assert read_labels(path, 3, data=Path("data.csv")).tolist() == [0, 1, 1]


def test_labels_are_read_from_parquet(tmp_path: Path) -> None:
    pl.DataFrame({"label": [False, True, True]}).write_parquet(tmp_path / "labels.parquet")
    assert read_labels(tmp_path / "labels.parquet", 3, data=Path("data.csv")).tolist() == [0, 1, 1]


@pytest.mark.parametrize("what", BAD)
def test_what_are_no_labels_of_the_data_is_refused(what: str, tmp_path: Path) -> None:
    text, messages = BAD[what]
    path = tmp_path / "labels.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=r"labels\.csv: ") as error:
        read_labels(path, 3, data=Path("data.csv"))
    for message in messages:
        assert message in str(error.value)
