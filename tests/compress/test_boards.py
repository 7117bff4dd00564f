"""boards.yaml, its loader and `vedette boards`."""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from rich.console import Console

from vedette.cli import cli
from vedette.compress.boards import PATH, Board, Figure, Source, Version, get_board, load_boards, read_boards
from vedette.compress.boards_view import sheet, tables
from vedette.errors import BoardError, ConfigError
from vedette.runtime.inference.interpreter import PACKAGES

GATEWAYS = [
    *("rpi3", "rpi4", "rpi5", "rpi-zero2w"),
    *("jetson-nano", "jetson-orin-nano", "coral-dev-board", "coral-usb", "x86-64", "qemu-aarch64"),
]
MCUS = [
    *("nucleo-l4r5zi", "nucleo-f446re", "nucleo-h7a3zi", "nano33-ble", "rp2040", "rp2350", "esp32-s3", "cortex-m55"),
    *("qemu-cortex-m3", "qemu-cortex-m4", "qemu-cortex-m7", "qemu-cortex-m33", "qemu-cortex-m55"),
]
# The one board of a small file of its own, to which the tests do what the schema forbids.
SOURCES = "sources:\n  sheet:\n    title: A data sheet\naccelerators: {}\nboards:\n"
GATEWAY = """  box:
    kind: gateway
    title: A gateway
    arch: aarch64
    cpu: Cortex-A53
    cores: {value: 4, source: sheet}
    clock_mhz: {value: 1000, source: sheet}
    ram_mb: {value: 512, source: sheet}
    device_tree: Acme Box
    accelerator: none
    interpreter:
      package: ai-edge-litert
      family: S
      why: it fits
      min_version: {value: "2.3", source: sheet}
      python: {value: "3.11", source: sheet}
    model:
      dtype: int8
      weights: per-channel
      batch: dynamic
      threads: {value: 1, source: sheet}
    recipe: [ptq]
    emulator: none
    power: {idle_w: unknown, active_w: unknown, sensor: none}
"""
MCU = """  chip:
    kind: mcu
    title: A microcontroller
    arch: armv7e-m
    cpu: Cortex-M4
    cores: {value: 1, source: sheet}
    clock_mhz: {value: 80, source: sheet}
    ram_kb: {value: 128, source: sheet}
    flash_kb: {value: 512, source: sheet}
    fpu: single
    interpreter: {package: firmware, family: D, why: it is C}
    model: {dtype: int8, weights: per-channel, batch: fixed}
    recipe: [ptq]
    compiler: {command: arm-none-eabi-gcc, flags: [-mcpu=cortex-m4]}
    emulator:
      program: qemu-system-arm
      machine: mps2-an386
      cpu: cortex-m4
      counts: instructions
      clock_mhz: {value: 25, source: sheet}
    benchmark: none
    power: {idle_w: unknown, active_w: unknown}
"""


def edited(folder: Path, old: str, new: str) -> Path:
    """A copy of boards.yaml with its first ``old`` replaced."""
    text = PATH.read_text()
    assert old in text
    return written(folder, text.replace(old, new, 1))


def written(folder: Path, text: str) -> Path:
    path = folder / "boards.yaml"
    path.write_text(text)
    return path


def changed(folder: Path, entry: str, old: str, new: str) -> Path:
    """A file with that one board, its ``old`` replaced."""
    assert entry.count(old) == 1
    return written(folder, SOURCES + entry.replace(old, new))


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


def test_every_promised_board_is_there_gateways_first() -> None:
    assert list(load_boards()) == GATEWAYS + MCUS
    assert [board.kind for board in load_boards().values()] == ["gateway"] * len(GATEWAYS) + ["mcu"] * len(MCUS)


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
    if board.is_mcu:
        assert (board.interpreter.package, board.interpreter.family) == ("firmware", "D")
    else:
        assert board.interpreter.family == PACKAGES[board.interpreter.package][1]


@pytest.mark.parametrize("board", load_boards().values(), ids=load_boards())
def test_every_number_of_a_manifest_stands_beside_its_source(board: Board) -> None:
    def walk(value: Any, key: str | None) -> None:
        if isinstance(value, dict):
            if "value" in value:
                assert value["source"]["title"], key
            for name, item in value.items():
                if name != "value":
                    walk(item, name)
        elif isinstance(value, list):
            for item in value:
                walk(item, key)
        else:
            assert not isinstance(value, int | float), f"{key}: {value} has no source"

    walk(board.resolved(), None)


def test_a_manifest_leaves_out_what_only_the_other_kind_has() -> None:
    gateway, mcu = get_board("rpi4").resolved(), get_board("nucleo-l4r5zi").resolved()
    assert {"ram_mb", "accelerator", "device_tree"} <= gateway.keys() - mcu.keys()
    assert {"ram_kb", "flash_kb", "fpu", "compiler", "benchmark"} <= mcu.keys() - gateway.keys()


def test_memory_is_known_in_bytes_where_the_board_says_it() -> None:
    assert (get_board("rpi4").ram_bytes, get_board("rpi4").flash_bytes) == (1024**3, None)
    assert (get_board("nucleo-f446re").ram_bytes, get_board("nucleo-f446re").flash_bytes) == (128 * 1024, 512 * 1024)
    assert (get_board("x86-64").ram_bytes, get_board("x86-64").flash_bytes) == (None, None)


def test_an_mcu_runs_one_window_at_a_time_in_one_thread() -> None:
    for name in MCUS:
        board = get_board(name)
        assert (board.is_mcu, board.fixed_batch, board.threads, board.accelerator) == (True, True, 1, None)


def test_only_the_jetsons_may_run_float16() -> None:
    for board in load_boards().values():
        assert board.model.dtype == "int8"
        assert board.model.alternatives == (["float16"] if board.name.startswith("jetson") else [])


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("Raspberry Pi 3 Model B Plus Rev 1.3", "rpi3"),
        ("Raspberry Pi 4 Model B Rev 1.5", "rpi4"),
        ("Raspberry Pi 5 Model B Rev 1.0", "rpi5"),
        ("Raspberry Pi Zero 2 W Rev 1.0", "rpi-zero2w"),
        ("NVIDIA Jetson Nano Developer Kit", "jetson-nano"),
        ("NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super", "jetson-orin-nano"),
        ("Freescale i.MX8MQ Phanbell", "coral-dev-board"),
    ],
)
def test_a_board_is_recognised_by_its_device_tree(model: str, name: str) -> None:
    known = [
        board.name for board in load_boards().values() if board.device_tree and model.startswith(board.device_tree)
    ]
    assert known == [name]


def test_every_cortex_m_board_has_an_emulator_that_counts_instructions() -> None:
    for name in MCUS:
        emulator = get_board(name).emulator
        if name == "esp32-s3":
            assert emulator is None
        else:
            assert emulator is not None
            assert emulator.counts == "instructions"
            assert emulator.clock_mhz is not None


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


@pytest.mark.parametrize("entry", [GATEWAY, MCU, GATEWAY + MCU], ids=["gateway", "mcu", "both"])
def test_a_small_file_of_ones_own_is_read(tmp_path: Path, entry: str) -> None:
    assert read_boards(written(tmp_path, SOURCES + entry))


@pytest.mark.parametrize("line", [line for line in GATEWAY.splitlines() if line.startswith("    ") and line[4] != " "])
def test_every_key_of_a_gateway_is_needed(tmp_path: Path, line: str) -> None:
    key = line.strip().split(":")[0]
    with pytest.raises(ConfigError, match=f'box: the key "{key}" is missing'):
        read_boards(changed(tmp_path, GATEWAY, f"\n    {key}:", f"\n    x-{key[::-1]}:"))


@pytest.mark.parametrize("line", [line for line in MCU.splitlines() if line.startswith("    ") and line[4] != " "])
def test_every_key_of_an_mcu_is_needed(tmp_path: Path, line: str) -> None:
    key = line.strip().split(":")[0]
    with pytest.raises(ConfigError, match=f'chip: the key "{key}" is missing'):
        read_boards(changed(tmp_path, MCU, f"\n    {key}:", f"\n    x-{key[::-1]}:"))


@pytest.mark.parametrize(
    ("key", "value"), [("ram_mb", "{value: 1, source: sheet}"), ("accelerator", "none"), ("device_tree", "none")]
)
def test_an_mcu_with_a_key_of_gateways_is_refused(tmp_path: Path, key: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"line 9: .*chip: {key}: only a gateway has this key"):
        read_boards(changed(tmp_path, MCU, "    arch:", f"    {key}: {value}\n    arch:"))


@pytest.mark.parametrize("key", ["ram_kb", "flash_kb", "fpu", "compiler", "benchmark"])
def test_a_gateway_with_a_key_of_mcus_is_refused(tmp_path: Path, key: str) -> None:
    with pytest.raises(ConfigError, match=f"line 9: .*box: {key}: only an mcu has this key"):
        read_boards(changed(tmp_path, GATEWAY, "    arch:", f"    {key}: none\n    arch:"))


@pytest.mark.parametrize(
    ("entry", "old", "new", "message"),
    [
        (MCU, "ram_kb: {value: 128, source: sheet}", "ram_kb: unknown", "ram_kb: expected keys and values"),
        (MCU, "{value: 512, source: sheet}", "{value: 0, source: sheet}", "flash_kb: value: expected a whole number"),
        (MCU, "{value: 128, source: sheet}", "{value: 0.5, source: sheet}", "ram_kb: value: expected a whole number"),
        (MCU, "batch: fixed", "batch: dynamic", 'batch: "dynamic" is not valid; valid: fixed'),
        (MCU, "batch: fixed", "batch: fixed, alternatives: [float16]", "alternatives: .* is only for gateways"),
        (MCU, "batch: fixed", "batch: fixed, threads: {value: 1, source: sheet}", "threads: .* in one thread"),
        (MCU, "package: firmware", "package: tflite-runtime", 'package: "tflite-runtime" is not valid'),
        (MCU, "family: D", "family: S", "family: firmware rounds as family D, found S"),
        (MCU, "why: it is C", 'why: it is C, min_version: "1"', "min_version: firmware is written for one bundle"),
        (MCU, "arch: armv7e-m", "arch: aarch64", 'arch: "aarch64" is not valid'),
        (MCU, "fpu: single", "fpu: singel", 'fpu: "singel" is not valid; did you mean "single"'),
        (MCU, "flags: [-mcpu=cortex-m4]", "flags: -mcpu=cortex-m4", "flags: expected a list of words"),
        (MCU, "active_w: unknown", "active_w: unknown, sensor: none", "sensor: .* an mcu has none"),
        (MCU, "counts: instructions", "counts: nothing", "emulator: clock_mhz: .* counts nothing"),
        (MCU, "counts: instructions", "counts: cycles", 'counts: "cycles" is not valid'),
        (GATEWAY, "package: ai-edge-litert", "package: firmware", 'package: "firmware" is not valid'),
        (GATEWAY, "family: S", "family: H", "family: ai-edge-litert rounds as family S, found H"),
        (GATEWAY, "{value: 1, source", "{value: 0, source", "threads: value: expected a whole number of at least 1"),
        (GATEWAY, "{value: 1, source", "{value: true, source", "threads: value: expected a whole number"),
        (GATEWAY, "batch: dynamic", "batch: dynamic\n      alternatives: [float61]", 'did you mean "float16"'),
        (GATEWAY, "batch: dynamic", "batch: dynamic\n      alternatives: []", "alternatives: expected a list of words"),
        (GATEWAY, "recipe: [ptq]", "recipe: [prun, ptq]", 'recipe: "prun" is no step; did you mean "prune"'),
        (GATEWAY, "recipe: [ptq]", "recipe: []", "recipe: expected a list of words"),
        (GATEWAY, "recipe: [ptq]", "recipe: ptq", "recipe: expected a list of words, found 'ptq'"),
        (GATEWAY, "recipe: [ptq]", "recipe: [prune, prune, ptq]", "recipe: prune is there twice"),
        (GATEWAY, "recipe: [ptq]", "recipe: [prune]", "recipe: int8 needs ptq or qat; found prune"),
        (GATEWAY, "recipe: [ptq]", "recipe: [ptq, prune]", "recipe: prune cannot come after ptq: ptq finds"),
        (GATEWAY, "recipe: [ptq]", "recipe: [ptq, qat]", "recipe: qat cannot come after ptq: .* keep one of"),
    ],
)
def test_what_does_not_fit_the_board_is_refused(tmp_path: Path, entry: str, old: str, new: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_boards(changed(tmp_path, entry, old, new))


def test_two_boards_that_the_device_tree_cannot_tell_apart_are_refused(tmp_path: Path) -> None:
    second = GATEWAY.replace("  box:", "  bigger:").replace("Acme Box", "Acme Box Pro")
    with pytest.raises(ConfigError, match=r'bigger: device_tree: "Acme Box Pro" does not tell .* box \("Acme Box"\)'):
        read_boards(written(tmp_path, SOURCES + GATEWAY + second))


def test_a_source_that_nothing_names_is_refused(tmp_path: Path) -> None:
    text = (SOURCES + GATEWAY).replace("accelerators:", "  spare:\n    title: Read by nobody\naccelerators:")
    with pytest.raises(ConfigError, match="line 4: sources: spare: nothing refers to this entry"):
        read_boards(written(tmp_path, text))


def test_an_accelerator_that_no_board_has_is_refused(tmp_path: Path) -> None:
    text = PATH.read_text().replace("    accelerator: edgetpu", "    accelerator: none")
    with pytest.raises(ConfigError, match="accelerators: edgetpu: nothing refers to this entry"):
        read_boards(written(tmp_path, text))


def test_a_key_that_is_there_twice_at_the_end_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match='"recipe" is there twice'):
        read_boards(written(tmp_path, SOURCES + GATEWAY + "    recipe: [qat]\n"))


def test_a_board_may_be_named_like_a_yaml_word(tmp_path: Path) -> None:
    assert list(read_boards(written(tmp_path, SOURCES + GATEWAY.replace("  box:", "  no:")))) == ["no"]


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


def test_the_tables_list_every_board_by_kind() -> None:
    result = CliRunner().invoke(cli, ["boards"])
    assert result.exit_code == 0
    gateways, mcus = result.output.split("Microcontrollers")
    assert [line.split()[0] for line in gateways.splitlines()[3:] if line.strip()] == GATEWAYS
    assert [line.split()[0] for line in mcus.splitlines()[3:] if line.strip()] == MCUS


def test_the_tables_fit_a_terminal_of_100_columns_without_breaking_a_line() -> None:
    console = Console(width=100, record=True, file=io.StringIO())
    for table in tables(load_boards().values()):
        console.print(table)
    lines = console.export_text().splitlines()
    assert len(lines) == len(load_boards()) + 2 * len(["title", "headings", "rule"])
    assert max(len(line.rstrip()) for line in lines) <= 100


def test_the_list_as_json_is_the_resolved_boards() -> None:
    result = CliRunner().invoke(cli, ["boards", "--json"])
    assert json.loads(result.output) == [board.resolved() for board in load_boards().values()]


def test_one_board_is_shown_with_its_sources() -> None:
    result = CliRunner().invoke(cli, ["boards", "show", "coral-usb"])
    assert result.exit_code == 0
    assert "Edge TPU" in result.output
    assert "Sources" in result.output
    assert "https://coral.ai/docs/edgetpu/compiler" in result.output


@pytest.mark.parametrize("board", load_boards().values(), ids=load_boards())
def test_the_sheet_shows_every_number_and_source_of_a_board(board: Board) -> None:
    shown = sheet(board)
    folded = " ".join(shown.split())
    for figure in figures(board):
        value = figure.value if isinstance(figure, Version) else f"{figure.value:,.10g}"
        assert value in folded
        assert " ".join(figure.source.title.split()) in folded
        assert figure.source.url is None or figure.source.url in shown
        assert figure.note is None or " ".join(figure.note.split()) in folded


def test_one_board_as_json_is_its_resolved_form() -> None:
    result = CliRunner().invoke(cli, ["boards", "show", "rpi4", "--json"])
    assert json.loads(result.output) == get_board("rpi4").resolved()


def test_showing_an_unknown_board_suggests_one() -> None:
    result = CliRunner().invoke(cli, ["boards", "show", "rpi6"])
    assert isinstance(result.exception, BoardError)
    assert "did you mean" in str(result.exception)
