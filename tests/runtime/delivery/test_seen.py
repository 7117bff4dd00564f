"""What a consumer has seen, it knows again after a restart."""

from __future__ import annotations

from pathlib import Path

import pytest

from vedette.errors import OutputError
from vedette.runtime.delivery.seen import SeenIds


def test_ids_are_known_again_after_a_restart(tmp_path: Path) -> None:
    seen = SeenIds(tmp_path / "state.db")
    seen.add("a")
    assert "a" in seen and "b" not in seen
    seen.close()
    again = SeenIds(tmp_path / "state.db")
    assert "a" in again and "b" not in again
    again.close()


@pytest.mark.parametrize("path", ["state.db", None])
def test_the_oldest_are_forgotten_where_there_are_too_many(tmp_path: Path, path: str | None) -> None:
    seen = SeenIds(tmp_path / path if path else None, limit=3)
    for number in range(5):
        seen.add(str(number))
    assert [str(number) in seen for number in range(5)] == [False, False, True, True, True]
    seen.close()
    if path:
        again = SeenIds(tmp_path / path, limit=3)
        assert [str(number) in again for number in range(5)] == [False, False, True, True, True]
        again.add("5")
        assert "2" not in again
        again.close()


def test_a_state_file_has_one_owner(tmp_path: Path) -> None:
    seen = SeenIds(tmp_path / "state.db")
    seen.add("a")
    with pytest.raises(OutputError, match="another consumer uses this state file"):
        SeenIds(tmp_path / "state.db")
    seen.close()


def test_a_file_that_is_no_state_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a database" * 100)
    with pytest.raises(OutputError, match="expected a state file of `vedette listen`"):
        SeenIds(tmp_path / "notes.txt")
