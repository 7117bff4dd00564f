"""The page of exit codes against the errors themselves, and its examples against the command line."""

from __future__ import annotations

import inspect
import shlex
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from command import vedette
from tiny import tiny_bundle_bytes

from vedette import errors
from vedette.cli import INTERRUPTED
from vedette.errors import VedetteError
from vedette.runtime.bundles import bundle as bundles

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "exit-codes.md"
OTHERS = {0, 2, INTERRUPTED}
# What these show takes more than a small folder: a model that quantization breaks, see test_export.py.
NOT_RUN = {"vedette export model --board rpi4"}


@dataclass(frozen=True)
class Row:
    """One row of the page's table."""

    code: int
    error: str
    means: str
    example: str


def rows() -> list[Row]:
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("|")][2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [Row(int(code), error, means, example.strip("`")) for code, error, means, example in cells]


def families() -> list[type[VedetteError]]:
    found = [item for _, item in inspect.getmembers(errors, inspect.isclass) if issubclass(item, VedetteError)]
    return sorted(found, key=lambda item: item.exit_code)


def test_every_error_family_has_a_code_of_its_own() -> None:
    codes = [family.exit_code for family in families()]
    assert len(set(codes)) == len(codes)
    assert not OTHERS & set(codes)


def test_the_page_lists_exactly_the_codes_that_there_are_in_order() -> None:
    listed = {row.error: row.code for row in rows() if row.error}
    assert listed == {family.__name__: family.exit_code for family in families()}
    assert {row.code for row in rows() if not row.error} == OTHERS
    assert [row.code for row in rows()] == sorted(row.code for row in rows())


def test_every_family_has_an_example() -> None:
    assert all(row.example for row in rows() if row.code not in {1, INTERRUPTED})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the examples name: data, a bundle, and a bundle whose golden windows are another model's."""
    (tmp_path / "data.csv").write_text("x,y,z\n" + "1,2,3\n" * 100)
    (tmp_path / "pump.vdt").write_bytes(tiny_bundle_bytes())
    bundle = bundles.read(tmp_path / "pump.vdt")
    golden = replace(bundle.golden, outputs=bundle.golden.outputs + 1)
    (tmp_path / "other.vdt").write_bytes(bundles.pack(bundle.manifest, bundle.model_bytes, golden))
    monkeypatch.chdir(tmp_path)
    return tmp_path


SHOWN = [row for row in rows() if row.example and row.example not in NOT_RUN]


@pytest.mark.slow
@pytest.mark.parametrize("row", SHOWN, ids=lambda row: row.error or str(row.code))
@pytest.mark.usefixtures("folder")
def test_the_examples_end_with_their_code(row: Row) -> None:
    program, *arguments = shlex.split(row.example)
    assert program == "vedette"
    outcome = vedette(*arguments)
    assert outcome.code == row.code, outcome.stderr
    if row.error:
        assert outcome.stderr.splitlines()[-1].startswith("vedette: ")
