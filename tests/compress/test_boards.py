"""boards.yaml, its loader and `vedette boards`."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from vedette.cli import cli
from vedette.compress.boards import PATH, Board, Figure, Source, Version, get_board, load_boards, read_boards
from vedette.errors import BoardError, ConfigError
from vedette.runtime.interpreter import PACKAGES

GATEWAYS = ["rpi4", "rpi5", "jetson-orin-nano", "coral-dev-board", "coral-usb", "x86-64"]


def edited(folder: Path, old: str, new: str) -> Path:
    """A copy of boards.yaml with its first ``old`` replaced."""
    text = PATH.read_text()
    assert old in text
    path = folder / "boards.yaml"
    path.write_text(text.replace(old, new, 1))
    return path


def bare_numbers(value: Any) -> Iterator[Any]:
    """The numbers in a dataclass tree that are not inside a Figure."""
    if isinstance(value, int | float):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from bare_numbers(item)
    elif dataclasses.is_dataclass(value) and not isinstance(value, Figure | Version):
        for field in dataclasses.fields(value):
            yield from bare_numbers(getattr(value, field.name))


def figures(value: Any) -> Iterator[Figure | Version]:
    if isinstance(value, Figure | Version):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from figures(item)
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from figures(getattr(value, field.name))


def test_the_first_gateways_are_there_in_order() -> None:
    assert [name for name in load_boards() if name in GATEWAYS] == GATEWAYS


@pytest.mark.parametrize("board", load_boards().values(), ids=load_boards())
def test_every_number_has_a_source(board: Board) -> None:
    assert list(bare_numbers(board)) == []
    found = list(figures(board))
    assert found
    for figure in found:
        assert isinstance(figure.source, Source)
        assert figure.source.title


@pytest.mark.parametrize("board", load_boards().values(), ids=load_boards())
def test_the_rounding_family_is_that_of_the_interpreter(board: Board) -> None:
    assert board.interpreter.family == PACKAGES[board.interpreter.package][1]


def test_every_source_is_used() -> None:
    sources = PATH.read_text().split("\naccelerators:")[0].split("\nsources:")[1]
    names = [line.strip().rstrip(":") for line in sources.splitlines() if line.startswith("  ") and line[2] != " "]
    assert len(names) > 5
    unused = [name for name in names if f"source: {name}" not in PATH.read_text()]
    assert unused == []


def test_an_edge_tpu_takes_one_window_and_one_scale_per_layer() -> None:
    for name in ("coral-dev-board", "coral-usb"):
        board = get_board(name)
        assert board.fixed_batch
        assert not board.per_channel
        assert board.accelerator is not None
        assert board.accelerator.max_op_versions["CONV_2D"].value == 5


def test_a_cpu_takes_any_number_of_windows_and_a_scale_per_channel() -> None:
    board = get_board("rpi4")
    assert (board.threads, board.per_channel, board.fixed_batch) == (1, True, False)
    assert board.accelerator is None


def test_a_resolved_board_survives_json() -> None:
    for board in load_boards().values():
        resolved = board.resolved()
        assert json.loads(json.dumps(resolved, allow_nan=False)) == resolved
        assert resolved["name"] == board.name
    assert get_board("x86-64").resolved()["cores"] is None


def test_an_unknown_board_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(BoardError, match='"rpi44" is not known; did you mean "rpi4"'):
        get_board("rpi44")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "    cpu: Broadcom BCM2711",
            "    colour: red\n    cpu: Broadcom BCM2711",
            "rpi4: colour: the key is not known",
        ),
        ("    cpu: Broadcom BCM2711", "    clock: 1\n    cpu: Broadcom BCM2711", 'did you mean "clock_mhz"'),
        (
            "    clock_mhz: {value: 1500",
            "    clock_mzh: {value: 1500",
            '"clock_mhz" is missing, did you mean it by "clock_mzh"',
        ),
        (
            "source: rpi-config, note",
            "source: rpi-confg, note",
            'clock_mhz: source: "rpi-confg" .*did you mean "rpi-config"',
        ),
        ("{value: 1500, source: rpi-config, note", "{value: 1500, note", 'clock_mhz: the key "source" is missing'),
        (
            "clock_mhz: {value: 1500, source: rpi-config",
            "clock_mhz: {value: fast, source: rpi-config",
            "expected a number",
        ),
        ("clock_mhz: {value: 1500, source: rpi-config", "clock_mhz: {value: -1, source: rpi-config", "at least 0"),
        (
            "clock_mhz: {value: 1500, source: rpi-config",
            "clock_mhz: {value: .nan, source: rpi-config",
            "expected a number",
        ),
        ("clock_mhz: {value: 2400, source: rpi-config}", "clock_mhz: 2400", "expected keys and values, found 2400"),
        ("package: ai-edge-litert", "package: ai-edge-lite", 'did you mean "ai-edge-litert"'),
        ("weights: per-channel", "weights: per-chanel", 'model: weights: .*did you mean "per-channel"'),
        ("accelerator: edgetpu", "accelerator: edge-tpu", 'accelerator: .*did you mean "edgetpu"'),
        ("kind: gateway", "kind: gatway", 'did you mean "gateway"'),
        ("    kind: gateway", "    kind: gateway\n    kind: gateway", '"kind" is there twice'),
        ("title: Raspberry Pi 4 Model B", "title:", "title: expected text"),
        ("boards:\n", "borads:\n", '"boards" is missing, did you mean it by "borads"'),
        ("boards:\n", "boards: [\n", "not valid YAML"),
    ],
)
def test_a_wrong_entry_is_refused_with_its_place_and_the_nearest_word(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        read_boards(edited(tmp_path, old, new))
    assert "boards.yaml" in str(caught.value)


def test_an_error_names_the_line(tmp_path: Path) -> None:
    path = edited(tmp_path, "family: S", "family: Q")
    line = path.read_text().splitlines().index("      family: Q") + 1
    with pytest.raises(ConfigError, match=f"line {line}: .*family"):
        read_boards(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "empty"),
        ("[1, 2]", "expected keys and values"),
        ("a: &x [*x]", "not valid YAML|is missing"),
        ("\x00", "YAML"),
    ],
)
def test_what_is_no_board_file_is_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "boards.yaml"
    path.write_text(content)
    with pytest.raises(ConfigError, match=message):
        read_boards(path)


def test_a_missing_board_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_boards(tmp_path / "none.yaml")


def test_the_table_lists_every_board() -> None:
    result = CliRunner().invoke(cli, ["boards"])
    assert result.exit_code == 0
    for name in GATEWAYS:
        assert name in result.output
    assert "unknown" in result.output


def test_the_list_as_json_is_the_resolved_boards() -> None:
    result = CliRunner().invoke(cli, ["boards", "--json"])
    assert json.loads(result.output) == [board.resolved() for board in load_boards().values()]


def test_one_board_is_shown_with_its_sources() -> None:
    result = CliRunner().invoke(cli, ["boards", "show", "coral-usb"])
    assert result.exit_code == 0
    assert "Edge TPU" in result.output
    assert "Sources" in result.output
    assert "https://coral.ai/docs/edgetpu/compiler" in result.output


def test_one_board_as_json_is_its_resolved_form() -> None:
    result = CliRunner().invoke(cli, ["boards", "show", "rpi4", "--json"])
    assert json.loads(result.output) == get_board("rpi4").resolved()


def test_showing_an_unknown_board_suggests_one() -> None:
    result = CliRunner().invoke(cli, ["boards", "show", "rpi6"])
    assert isinstance(result.exception, BoardError)
    assert "did you mean" in str(result.exception)
