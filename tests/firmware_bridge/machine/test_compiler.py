"""C is compiled strictly, and what a compiler says reaches the user."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from small_c import CORES, needs, network, windows

from vedette.compress.boards import get_board
from vedette.errors import BoardError, DependencyError, ModelError
from vedette.firmware_bridge.machine.compiler import Toolchain, board_toolchain, host_toolchain
from vedette.firmware_bridge.machine.host import Host


@pytest.mark.parametrize("board", CORES)
def test_a_warning_is_an_error_on_every_core(board: str, tmp_path: Path) -> None:
    needs("arm-none-eabi-gcc")
    source = network(tmp_path, "    const int32_t wide = input[0] * 2; output[0] = wide;").sources[0]
    with pytest.raises(ModelError) as caught:
        board_toolchain(get_board(board)).compile(source, [tmp_path], tmp_path / "small.o")
    assert f"arm-none-eabi-gcc refused small.c for {board}" in str(caught.value)
    assert "[-Werror=conversion]" in str(caught.value)


def test_a_missing_compiler_is_named_with_its_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = network(tmp_path).sources[0]
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DependencyError, match="apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi"):
        board_toolchain(get_board("rp2040")).compile(source, [tmp_path], tmp_path / "small.o")
    with pytest.raises(DependencyError, match=r"xtensa-esp32s3-elf-gcc is needed .*ESP-IDF"):
        board_toolchain(get_board("esp32-s3")).compile(source, [tmp_path], tmp_path / "small.o")


def test_a_compiler_without_a_c_library_is_told_from_bad_c(tmp_path: Path) -> None:
    needs("arm-none-eabi-gcc")
    # Its own headers alone, as without libnewlib-arm-none-eabi.
    own = subprocess.run(["arm-none-eabi-gcc", "-print-file-name=include"], capture_output=True, text=True, check=True)
    bare = Toolchain("rp2040", "arm-none-eabi-gcc", ("-mcpu=cortex-m0plus", "-nostdinc", f"-I{own.stdout.strip()}"))
    with pytest.raises(DependencyError, match="apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi"):
        bare.compile(network(tmp_path, before="#include <string.h>").sources[0], [tmp_path], tmp_path / "small.o")
    with pytest.raises(ModelError, match=r"other\.h: No such file"):
        bare.compile(network(tmp_path, before='#include "other.h"').sources[0], [tmp_path], tmp_path / "small.o")


@pytest.mark.parametrize(
    "said",
    [
        "/usr/bin/ld: cannot find -lc: No such file or directory",
        "/usr/bin/ld: cannot find libasan_preinit.o: No such file or directory",
        "/usr/bin/ld: cannot find -lubsan: No such file or directory",
    ],
)
def test_a_missing_library_at_linking_is_told_too(said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bare = tmp_path / "gcc"
    bare.write_text(f"#!/bin/sh\necho '{said}' >&2\nexit 1\n")
    bare.chmod(0o755)
    monkeypatch.setenv("CC", str(bare))
    with pytest.raises(DependencyError, match="misses its C library"):
        host_toolchain().link([], [], tmp_path / "small")


def test_a_gateway_has_no_compiler_of_firmware() -> None:
    with pytest.raises(BoardError, match="rpi4: expected a microcontroller"):
        board_toolchain(get_board("rpi4"))


def test_a_long_complaint_is_cut(tmp_path: Path) -> None:
    needs("gcc")
    source = network(tmp_path, "\n".join(f"    unknown{i}();" for i in range(40))).sources[0]
    with pytest.raises(ModelError, match=r"… and \d+ lines more$"):
        host_toolchain().compile(source, [tmp_path], tmp_path / "small.o")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("    output[0] = hide(input)[SMALL_INPUT_SIZE];", "heap-buffer-overflow"),
        ("    output[0] = hide(input)[-1];", "heap-buffer-overflow"),
        ("    arena->words[0] = 1u << (31 - input[0] / 128 + 1 + (int)arena->words[1] % 1); output[0] = 0;", "shift"),
        ("    output[0] = (int8_t)*(const int32_t *)(const void *)(hide(input) + 1);", "misaligned"),
    ],
)
def test_the_sanitizers_find_what_is_not_allowed(body: str, said: str, tmp_path: Path) -> None:
    needs("gcc")
    hide = 'static const int8_t *hide(const int8_t *at) { __asm__ volatile("" : "+r"(at)); return at; }\n'
    hide += "extern const int8_t *(*const use)(const int8_t *); const int8_t *(*const use)(const int8_t *) = hide;"
    host = Host(sanitize=True)
    run = host.run(host.build(network(tmp_path, body, hide), tmp_path), windows().tobytes(), 60.0)
    assert run.failure is not None
    assert said in run.failure
