"""Bad input at the command line: the right exit code, a message that names the problem, and nothing half-written."""

from __future__ import annotations

import gzip
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from command import Refused, vedette
from tiny import tiny_bundle_bytes
from trained import machine, write_csv

from vedette.errors import (
    BoardError,
    BundleError,
    ConfigError,
    DataError,
    DependencyError,
    OutputError,
)
from vedette.runtime.bundles import bundle as bundles

ROWS = 400
GOOD = machine(ROWS, 1)
CSV = "time,x,y,z\n" + "".join(f"{row},{row % 7},{row % 5},{row % 3}\n" for row in range(ROWS))
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x10" + bytes(range(256))
HTML = b"<!DOCTYPE html>\n<html><head><title>404, not found</title></head>\n<body>No, sorry, nothing</body></html>\n"


def rows(*lines: str) -> bytes:
    return "\n".join(lines).encode() + b"\n"


def long(header: str, line: Callable[[int], str], count: int = ROWS) -> bytes:
    return rows(header, *(line(row) for row in range(count)))


# What is wrong -> the file's bytes, and words of the message. The same holds for training, scoring and evaluating.
NO_TABLE: dict[str, tuple[bytes, list[str]]] = {
    "an empty file": (b"", ["empty file", "the file is empty"]),
    "a header only": (b"time,x,y,z\n", ["a header but no rows", "expected rows below the header"]),
    "binary data": (bytes(range(256)) * 4, ["binary data", "other bytes"]),
    "a picture": (PNG, ["binary data", "other bytes"]),
    "a web page": (HTML, ["columns, found", 'expected the column "x"', 'no channel "x"']),
    "UTF-16": (CSV.encode("utf-16"), ["UTF-16", "UTF-8"]),
    "Latin-1": ("time,x,y,z,Überdruck\n1,2,3,4,5\n".encode("latin-1"), ["in UTF-8"]),
    "a short row": (rows("time,x,y,z", "1,1,2,3", "2,1,2", "3,1,2,3"), ["line 3: expected 4 columns, found 3"]),
    "a long row": (rows("time,x,y,z", "1,1,2,3", "2,1,2,3,4"), ["line 3: expected 4 columns, found 5"]),
    "a name twice": (rows("time,x,y,x,z", "1,1,2,3,4"), ['"x" appears']),
    "half a packed file": (gzip.compress(CSV.encode())[:200], ["end"]),
    "half a Parquet file": (b"PAR1" + bytes(200), ["not a readable table", "Parquet"]),
}


@pytest.mark.parametrize("command", ["train", "score", "evaluate"])
@pytest.mark.parametrize("what", NO_TABLE)
def test_what_is_no_table_is_refused(
    what: str, command: str, refused: Refused, tmp_path: Path, tiny_bundle: Path
) -> None:
    content, messages = NO_TABLE[what]
    data = tmp_path / "data.csv"
    data.write_bytes(content)
    output = {"train": ["-o", tmp_path / "out"], "score": ["-o", tmp_path / "out"], "evaluate": []}[command]
    outcome = refused(DataError, ["data.csv"], command, *([] if command == "train" else [tiny_bundle]), data, *output)
    assert any(message in outcome.stderr for message in messages), outcome.stderr


@pytest.mark.parametrize("command", ["train", "score", "evaluate"])
@pytest.mark.parametrize(
    ("path", "message"), [("none.csv", "No such file or directory"), ("folder", "a folder|directory")]
)
def test_a_path_that_is_no_file_is_refused(
    command: str, path: str, message: str, refused: Refused, tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "tiny.vdt").write_bytes(tiny_bundle_bytes())
    bundle = [] if command == "train" else [tmp_path / "tiny.vdt"]
    outcome = refused(DataError, [path], command, *bundle, tmp_path / path)
    assert any(words in outcome.stderr for words in message.split("|"))


# What is wrong -> the file's bytes, and words of the message.
NOT_TO_TRAIN_ON: dict[str, tuple[bytes, list[str]]] = {
    "no numeric column": (
        long("time,mode,state", lambda row: f"{row},run,{'on' if row % 2 else 'off'}"),
        ["at least one numeric column", "mode, state"],
    ),
    "only a label and a time": (long("time,label", lambda row: f"{row},0"), ["at least one numeric column"]),
    "only constant columns": (long("x,y", lambda row: "5,0"), ["every channel is constant (x, y)", "nothing to learn"]),
    "only missing values": (long("x,y", lambda row: "NaN,"), ["at least one numeric column with values"]),
    "text in a channel": (
        long("x", lambda row: "broken" if row == 9 else str(row % 7)),
        ['x: expected numbers, found "broken" in row 10'],
    ),
    "every timestamp twice": (
        long("time,x", lambda row: f"{row // 2},{row % 7}"),
        ["200 of 400 rows are not newer", 'first row 2 ("0")', "sort the rows by time and keep one of each"],
    ),
    "timestamps backwards": (long("time,x", lambda row: f"{ROWS - row},{row % 7}"), ["399 of 400 rows", "sort"]),
    "unsorted timestamps": (long("time,x", lambda row: f"{row * 37 % ROWS},{row % 7}"), ["not newer", "sort"]),
    "a missing timestamp": (
        long("time,x", lambda row: f"{'' if row == 5 else row},{row % 7}"),
        ["time: no timestamp in row 6; fill it in or leave the row out"],
    ),
    "a timestamp that is none": (
        long("time,x", lambda row: f"{'noon' if row == 5 else row},{row % 7}"),
        ["time: row 6: expected a time as ISO 8601 text or seconds since 1970, found 'noon'"],
    ),
    "milliseconds": (
        long("time,x", lambda row: f"{1_700_000_000_000 + row},{row % 7}"),
        ["looks like milliseconds"],
    ),
    "fewer rows than one window": (
        long("time,x", lambda row: f"{row},{row % 7}", 10),
        ["one window of 16 samples, found 10 usable rows of 10", "record more normal data or set a shorter signal"],
    ),
    "a few windows only": (
        long("time,x", lambda row: f"{row},{row % 7}", 60),
        ["at least 50 complete windows", "found 33 and 0 in 60 rows", "record more normal data"],
    ),
    "one row": (b"x\n1\n", ["at least one window of 16 samples, found 1 usable rows of 1", "record more normal data"]),
    "a label that is a word": (
        long("x,label", lambda row: f"{row % 7},{'bad' if row == 3 else 0}"),
        ["label: expected 0 or 1, found 'bad' in row 4"],
    ),
    "a label of 2": (long("x,label", lambda row: f"{row % 7},{row % 3}"), ["label: expected 0 or 1", "row 3"]),
    "only labelled rows": (long("x,label", lambda row: f"{row % 7},1"), ["found 0 usable rows of 400"]),
    "semicolons": (long("time;x", lambda row: f"{row};{row % 7}"), ["separated by commas, found semicolons"]),
    "no header": (long("0.5,1.5", lambda row: f"{row / 7},{row % 5}"), ["expected a header", "0.5, 1.5"]),
    "no column name": (long(",", lambda row: f"{row},{row}"), ["expected a header with column names"]),
}


@pytest.mark.parametrize("what", NOT_TO_TRAIN_ON)
def test_data_that_teaches_nothing_is_refused(what: str, refused: Refused, tmp_path: Path) -> None:
    content, messages = NOT_TO_TRAIN_ON[what]
    data = tmp_path / "data.csv"
    data.write_bytes(content)
    refused(DataError, messages, "train", data, "-o", tmp_path / "model")


# What is wrong -> the files, and words of the message.
NOT_ONE_TABLE: dict[str, tuple[dict[str, bytes], list[str]]] = {
    "an empty folder": ({}, ["expected a folder with files that end in .csv", "found an empty folder"]),
    "a folder of other things": ({"a.txt": b"x", "b.json": b"{}"}, ["found a.txt, b.json"]),
    "different columns": (
        {
            "a.csv": long("time,x,y", lambda row: f"{row},{row % 7},1"),
            "b.csv": long("time,x,z", lambda row: f"{row},1,{row % 5}"),
        },
        ["a.csv and ", "b.csv have different columns", "b.csv has no y", "a.csv has no z"],
    ),
    "different sampling rates": (
        {
            "a.csv": long("time,x", lambda row: f"{row},{row % 7}"),
            "b.csv": long("time,x", lambda row: f"{row * 5},{row % 7}"),
        },
        ["files of different sampling rates", "a.csv has a sample every 1 s", "b.csv every 5 s", "signal.resample"],
    ),
    "a file of labels": (
        {"a.csv": long("time,x", lambda row: f"{row},{row % 7}"), "labels.csv": long("label", lambda row: "0", 30)},
        ["labels.csv have different columns", "labels.csv has no time, x", "a.csv has no label"],
    ),
    "a picture among the files": ({"a.csv": CSV.encode(), "b.csv": PNG}, ["b.csv", "found binary data"]),
    "half a packed file among the files": (
        {"a.csv": CSV.encode(), "b.csv.gz": gzip.compress(CSV.encode())[:200]},
        ["b.csv.gz: cannot be unpacked to its end"],
    ),
    "a bad cell in the second file": (
        {"a.csv": CSV.encode(), "b.csv": CSV.replace("9,2,4,0", "9,2,oops,0", 1).encode()},
        ['b.csv: y: expected numbers, found "oops" in row 10'],
    ),
    "local time with a repeated hour": (
        {
            "a.csv": long(
                "time,x",
                lambda row: f"2026-10-25T0{(row // 60) if row < 180 else (row // 60) - 1}:{row % 60:02d}:00,{row % 7}",
            )
        },
        ["60 of 400 rows", 'first row 181 ("2026-10-25T02:00:00")', "daylight saving", "UTC or with their offset"],
    ),
}


@pytest.mark.parametrize("how", ["folder", "pattern"])
@pytest.mark.parametrize("what", NOT_ONE_TABLE)
def test_files_that_are_not_one_table_are_refused(what: str, how: str, refused: Refused, tmp_path: Path) -> None:
    contents, messages = NOT_ONE_TABLE[what]
    data = tmp_path / "data"
    data.mkdir()
    for name, content in contents.items():
        (data / name).write_bytes(content)
    if how == "pattern":
        messages = messages if any(".csv" in name for name in contents) else ["no file matches"]
    refused(DataError, messages, "train", data if how == "folder" else data / "*.csv*", "-o", tmp_path / "model")


@pytest.fixture
def good_csv(tmp_path: Path) -> Path:
    path = tmp_path / "good.csv"
    path.write_text(CSV)
    return path


# Folders without write permission stop nobody who is root, so: a file where a folder should be, and the kernel's own.
UNWRITABLE = ["good.csv/out", "good.csv/more/out", "/proc/vedette/out", "/dev/null/out", "o" * 300]


@pytest.mark.parametrize("command", ["train", "score", pytest.param("evaluate", marks=pytest.mark.slow), "simulate"])
def test_an_output_that_cannot_be_written_is_refused(
    command: str, refused: Refused, good_csv: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    labelled = tmp_path / "labelled.csv"
    labelled.write_bytes(long("x,y,z,label", lambda row: f"{row % 7},{row % 5},{row % 3},{int(row > 300)}"))
    arguments: dict[str, list[str | Path]] = {
        "train": [good_csv, "-o"],
        "score": [tiny_bundle, good_csv, "-o"],
        "evaluate": [tiny_bundle, labelled, "--json"],
        "simulate": ["pump", "--train-hours", "0.1", "--test-hours", "0.5", "-o"],
    }
    for place in UNWRITABLE:
        refused(OutputError, [], command, *arguments[command], tmp_path / place)


@pytest.mark.parametrize("command", ["train", "score", "simulate"])
def test_an_output_that_exists_is_not_touched(
    command: str, refused: Refused, good_csv: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    output.mkdir()
    (output / "train.csv").write_text("precious")
    arguments: dict[str, list[str | Path]] = {
        "train": [good_csv, "-o", output],
        "score": [tiny_bundle, good_csv, "-o", output],
        "simulate": ["pump", "-o", output],
    }
    refused(OutputError, ["exists already"], command, *arguments[command])


@pytest.mark.parametrize("command", ["score", "evaluate", "inspect", "selftest"])
@pytest.mark.parametrize("damage", ["missing", "empty", "truncated", "edited", "longer", "a table", "a folder"])
def test_a_bundle_that_is_not_whole_is_refused(
    damage: str, command: str, refused: Refused, good_csv: Path, tmp_path: Path
) -> None:
    data = tiny_bundle_bytes()
    path = tmp_path / "x.vdt"
    contents = {
        "empty": b"",
        "truncated": data[:-1],
        "edited": data[:700] + bytes([data[700] ^ 1]) + data[701:],
        "longer": data + b"\n",
        "a table": CSV.encode(),
    }
    if damage == "a folder":
        path.mkdir()
    elif damage != "missing":
        path.write_bytes(contents[damage])
    refused(BundleError, ["x.vdt"], command, path, *([good_csv] if command in {"score", "evaluate"} else []))


def test_an_unknown_board_suggests_the_nearest(refused: Refused, tmp_path: Path) -> None:
    says = ['board "rpi44" is not known; did you mean "rpi4"?']
    refused(BoardError, says, "export", tmp_path / "model", "--board", "rpi44")
    refused(BoardError, says, "boards", "show", "rpi44")


def test_an_unknown_simulator_suggests_the_nearest(refused: Refused) -> None:
    refused(ConfigError, ['no simulator is called "pmup"', 'did you mean "pump"'], "simulate", "pmup")


def test_an_unknown_interpreter_is_refused(refused: Refused, tiny_bundle: Path) -> None:
    says = ['interpreter "tensorflow" is not known', "ai-edge-litert, tflite-runtime"]
    refused(DependencyError, says, "selftest", tiny_bundle, "--interpreter", "tensorflow")


def test_a_command_or_option_that_is_not_known_is_a_usage_error() -> None:
    for arguments in (["trian"], ["train"], ["train", "x.csv", "--seeds", "3"], ["export", "m"]):
        outcome = vedette(*arguments)
        assert outcome.code == 2
        assert "Usage:" in outcome.stderr or "No such command" in outcome.stderr


# What is wrong -> the file's bytes, and words of the message. The bundle's channels are x, y, z, its window is 4.
NOT_TO_SCORE: dict[str, tuple[bytes, list[str]]] = {
    "a channel less": (
        long("time,x,z", lambda row: f"{row},1,1"),
        ['the column "y"', "1 of 3 channels"],
    ),
    "a channel misspelt": (long("time,x,yy,z", lambda row: f"{row},1,1,1"), ['"y"', 'did you mean "yy"']),
    "no channel at all": (long("a,b", lambda row: "1,2"), ['the column "x"', "3 of 3 channels are missing"]),
    "fewer rows than one window": (rows("x,y,z", "1,1,1", "1,1,1"), ["at least 4 rows, one window, found 2"]),
    "text in a channel": (rows("x,y,z", "1,1,1", "1,oops,1"), ["line 3", '"y"', "expected a number, found 'oops'"]),
    "no value in a channel": (
        long("x,y,z", lambda row: "1,NaN,1"),
        ["one window, found 400", "400 rows were rejected", "no value for y"],
    ),
    "a timestamp that is none": (rows("time,x,y,z", "1,1,1,1", "noon,1,1,1"), ["line 3", '"time"', "'noon'"]),
    "a missing timestamp": (rows("time,x,y,z", "1,1,1,1", ",1,1,1"), ["line 3", '"time"']),
    "timestamps backwards": (
        long("time,x,y,z", lambda row: f"{ROWS - row},1,1,1"),
        ["399 rows were rejected", "is not newer than the one before it"],
    ),
}


@pytest.mark.parametrize("what", NOT_TO_SCORE)
def test_data_that_a_bundle_cannot_score_is_refused(
    what: str, refused: Refused, tiny_bundle: Path, tmp_path: Path
) -> None:
    content, messages = NOT_TO_SCORE[what]
    data = tmp_path / "data.csv"
    data.write_bytes(content)
    refused(DataError, messages, "score", tiny_bundle, data, "-o", tmp_path / "scores.csv")


@pytest.mark.parametrize("label", ["2", "yes", "", "-1", "0.5"])
def test_a_label_that_is_not_0_or_1_cannot_be_evaluated(
    label: str, refused: Refused, tiny_bundle: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data.csv"
    data.write_bytes(long("x,y,z,label", lambda row: f"1,1,{row % 3},{label if row == 7 else 0}"))
    refused(DataError, ["label: expected 0 or 1", "row 8"], "evaluate", tiny_bundle, data)


def test_parquet_without_a_channel_is_refused(refused: Refused, tiny_bundle: Path, tmp_path: Path) -> None:
    data = tmp_path / "data.parquet"
    pl.DataFrame({"x": [1.0] * 9, "y": [1.0] * 9}).write_parquet(data)
    refused(DataError, ['no channel "z"'], "score", tiny_bundle, data)


@pytest.mark.slow
def test_a_failing_command_shows_no_traceback_unless_asked(tmp_path: Path) -> None:
    for arguments in (["train", "none.csv"], ["score", "none.vdt", "none.csv"], ["export", "none", "--board", "rpi4"]):
        for debug in ([], ["--debug"]):
            command = [sys.executable, "-m", "vedette", *debug, *arguments]
            result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
            assert result.returncode in {DataError.exit_code, BundleError.exit_code, 15}
            assert ("Traceback" in result.stderr) == bool(debug)
            assert result.stderr.splitlines()[-1].startswith("vedette: ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() == 0, reason="permissions stop nobody who is root")
def test_a_folder_without_write_permission_is_refused(refused: Refused, good_csv: Path, tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    refused(OutputError, ["Permission denied"], "train", good_csv, "-o", locked / "model")


@pytest.mark.slow
def test_data_with_every_small_fault_trains_with_notes(tmp_path: Path) -> None:
    """A constant and an empty column, text, NaN and infinities, a few late rows, gaps: all told, none of it learnt."""
    values = machine(1500, 1)
    path = write_csv(tmp_path / "data.csv", values)
    frame = pl.read_csv(path).with_columns(empty=pl.lit(None, pl.Float64), mode=pl.lit("run"), label=pl.lit(0))
    numbers = frame["flow"].to_numpy().copy()
    numbers[100:110], numbers[300], numbers[301], numbers[302] = np.nan, np.inf, -np.inf, 1e300
    times = frame["time"].to_list()
    times[700], times[701] = times[699], times[10]
    label = np.zeros(1500, np.int8)
    label[900:950] = 1
    frame = frame.with_columns(flow=pl.Series(numbers), time=pl.Series(times), label=pl.Series(label))
    frame.write_csv(path)
    config = tmp_path / "vedette.toml"
    config.write_text('[model]\nkind = "ae"\nhidden = 8\n')
    outcome = vedette("train", path, "-c", config, "-o", tmp_path / "model")
    assert outcome.code == 0, outcome.stderr
    for note in (
        'note: column "empty" has no value at all and is left out',
        'note: column "mode" is not numeric and is left out',
        'note: channel "valve" is constant (1)',
        "note: 2 rows are not newer than the row before them and are left out",
        "note: 50 rows are labelled 1 and are left out",
    ):
        assert note in outcome.stderr
    exported = vedette("export", tmp_path / "model", "--board", "x86-64", "-o", tmp_path / "x.vdt", "--accept")
    assert exported.code == 0, exported.stderr
    manifest = bundles.read(tmp_path / "x.vdt").manifest
    assert manifest.signal.names == ("flow", "level", "heat", "power", "speed", "valve")
    flow = manifest.signal.channels[0]
    assert flow.high < 30, "an infinity or 1e300 is no measurement"
    assert np.isfinite(manifest.threshold)


@pytest.mark.slow
def test_a_full_disk_while_training_leaves_no_model(good_csv: Path, tmp_path: Path) -> None:
    """Files may have 8 kB here, less than a network."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))

    command = [sys.executable, "-m", "vedette", "train", good_csv, "-o", tmp_path / "model"]
    result = subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=limit)
    assert result.returncode == OutputError.exit_code, result.stderr
    assert "cannot be written: File too large" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["good.csv"]
