"""Rows in memory and in files: the same array, no file left behind, and a full disk told."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.errors import OutputError
from vedette.train.data import table_store
from vedette.train.data.table_store import RowStore, release, spans


@given(sizes=st.lists(st.integers(0, 50), max_size=6), width=st.sampled_from([None, 1, 3]), limit=st.integers(0, 2000))
def test_rows_come_back_as_they_went_in_from_memory_or_a_file(sizes: list[int], width: int | None, limit: int) -> None:
    shape = () if width is None else (width,)
    blocks = [np.random.default_rng(size).normal(size=(size, *shape)) for size in sizes]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table_store, "IN_MEMORY", limit)
        store = RowStore(width)
        for block in blocks:
            store.append(block)
        rows = store.finish()
    assert rows.shape == (sum(sizes), *shape)
    np.testing.assert_array_equal(rows, np.concatenate([np.empty((0, *shape)), *blocks]))
    release(rows)
    np.testing.assert_array_equal(rows, np.concatenate([np.empty((0, *shape)), *blocks]))


def test_few_rows_stay_in_memory_and_many_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_store, "IN_MEMORY", 1000)
    for count, writeable in ((100, True), (200, False)):
        store = RowStore(None)
        store.append(np.arange(float(count)))
        assert store.finish().flags.writeable == writeable


@given(st.integers(0, 100), st.integers(0, 100), st.integers(1, 40))
def test_spans_are_all_rows_once(start: int, stop: int, step: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table_store, "BLOCK_BYTES", step * 16)
        parts = list(spans(np.zeros((100, 2)), start, stop))
    assert [row for part in parts for row in range(part.start, part.stop)] == list(range(start, stop))
    assert all(part.stop - part.start <= step for part in parts)


def test_no_file_is_left_or_ever_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_store, "IN_MEMORY", 0)
    monkeypatch.setattr(table_store, "_folder", lambda: str(tmp_path))
    store = RowStore(2)
    store.append(np.zeros((1000, 2)))
    rows = store.finish()
    assert list(tmp_path.iterdir()) == []
    open_files = Path(f"/proc/{os.getpid()}/maps")
    if open_files.exists():
        assert str(tmp_path) in open_files.read_text()
        del rows, store
        gc.collect()
        assert str(tmp_path) not in open_files.read_text(), "the room is given back"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="resource limits")
def test_a_full_disk_is_an_output_error_with_a_remedy() -> None:
    """Files may have 8 kB here."""
    code = """
import resource, signal, numpy as np
from vedette.train.data import table_store
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
table_store.IN_MEMORY = 1000
store = table_store.RowStore(10)
try:
    for _ in range(1000):
        store.append(np.zeros((100, 10)))
    store.finish()
except table_store.OutputError as error:
    print(error)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "no place for the data while it is worked on, 0.0 GB so far (File too large); make room" in result.stdout


def test_a_folder_that_takes_no_files_is_an_output_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_store, "IN_MEMORY", 0)
    monkeypatch.setattr(table_store, "_folder", lambda: "/proc")
    with pytest.raises(OutputError, match=r"/proc: no place for the data .* set TMPDIR to a folder on a larger disk"):
        RowStore(1).append(np.zeros((3, 1)))


def test_tmpdir_says_where_the_files_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TMPDIR", raising=False)
    assert table_store._folder() in {"/var/tmp", table_store.tempfile.gettempdir()}
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(table_store.tempfile, "tempdir", None)
    assert table_store._folder() == str(tmp_path)
