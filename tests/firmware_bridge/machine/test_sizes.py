"""Flash and RAM as the binary tools and the compiler's own sizeof say."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_c import CORES, PLUS_ONE, WORDS, detector, needs, network

from vedette.compress.boards import get_board
from vedette.errors import DataError
from vedette.firmware_bridge.machine.compiler import board_toolchain, host_toolchain
from vedette.firmware_bridge.machine.elf import read_elf
from vedette.firmware_bridge.machine.sizes import footprint, sizes_of

BEFORE = """
extern const int8_t weights[300];
const int8_t weights[300] = {1, 2, 3};
extern int32_t counter;
int32_t counter = 5;
extern int32_t cleared[10];
int32_t cleared[10];
int8_t unused(int8_t value);
int8_t unused(int8_t value) { return (int8_t)(value / 3); }
"""
BODY = "    output[1] = weights[(uint8_t)input[0]]; counter++; cleared[input[0] & 7] = 1;" + PLUS_ONE


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """An object file of all kinds of sections."""
    needs("arm-none-eabi-gcc")
    source = network(tmp_path, BODY, BEFORE).sources[0]
    return board_toolchain(get_board("qemu-cortex-m4")).compile(source, [tmp_path], tmp_path / "small.o")


def test_sizes_are_those_of_the_binary_tools(built: Path) -> None:
    said = subprocess.run(["arm-none-eabi-size", built], capture_output=True, text=True, check=True).stdout
    text, data, bss = (int(word) for word in said.splitlines()[1].split()[:3])
    sizes = sizes_of(built)
    assert (sizes.text + sizes.rodata, sizes.data, sizes.bss) == (text, data, bss)
    assert (sizes.rodata, sizes.data, sizes.bss) == (300, 4, 40)
    assert sizes.flash == text + 4
    assert sizes.ram == 44


def test_symbols_are_those_of_the_binary_tools(built: Path) -> None:
    said = subprocess.run(["arm-none-eabi-nm", "-S", built], capture_output=True, text=True, check=True).stdout
    expected = {words[3]: int(words[1], 16) for line in said.splitlines() if len(words := line.split()) == 4}
    sizes = sizes_of(built)
    assert {symbol.name: symbol.size for symbol in sizes.symbols} == expected
    assert sizes.symbols[0].name == "weights"


@pytest.mark.parametrize("board", CORES)
def test_a_footprint_is_what_the_entries_need(board: str, tmp_path: Path) -> None:
    needs("arm-none-eabi-gcc")
    found = footprint(network(tmp_path, BODY, BEFORE), get_board(board))
    assert found.used is not None
    assert found.used < found.own.flash  # without the function that nothing calls
    assert found.own.flash - found.used <= 24
    assert found.libraries == 0
    assert found.context == 4 * WORDS
    assert found.ram == 44 + 4 * WORDS


def test_arithmetic_without_instructions_is_counted_as_a_library(tmp_path: Path) -> None:
    needs("arm-none-eabi-gcc")
    program = detector(tmp_path)
    smallest, largest = (footprint(program, get_board(name)) for name in ("rp2040", "qemu-cortex-m7"))
    assert smallest.libraries is not None
    assert smallest.libraries > 1000  # addition and multiplication of doubles
    assert largest.libraries == 0
    assert largest.context == 24


def test_objects_of_64_bits_are_read(tmp_path: Path) -> None:
    needs("gcc")
    source = network(tmp_path, BODY, BEFORE).sources[0]
    sizes = sizes_of(host_toolchain().compile(source, [tmp_path], tmp_path / "small.o"))
    assert (sizes.data, sizes.bss) == (4, 40)
    assert {"small_run", "weights", "counter", "cleared"} <= {symbol.name for symbol in sizes.symbols}


def test_a_missing_symbol_is_said(built: Path) -> None:
    with pytest.raises(DataError, match=r"expected a symbol nowhere, found .*small_run"):
        read_elf(built).symbol("nowhere")


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.o").write_bytes(b"!<arch>\n")
    with pytest.raises(DataError, match="expected a little-endian ELF file"):
        sizes_of(tmp_path / "x.o")


@given(st.data())
def test_a_damaged_file_is_refused_or_read(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    header = b"\x7fELF" + bytes([data.draw(st.sampled_from([1, 2])), 1])
    folder = tmp_path_factory.getbasetemp()
    (folder / "damaged.o").write_bytes(header + data.draw(st.binary(max_size=300)))
    try:
        read_elf(folder / "damaged.o")
    except DataError as error:
        assert "damaged" in str(error)


def test_a_file_cut_anywhere_is_refused_or_read(built: Path) -> None:
    whole = built.read_bytes()
    for length in range(6, len(whole), 7):
        built.write_bytes(whole[:length])
        with pytest.raises(DataError, match="damaged"):
            read_elf(built)
