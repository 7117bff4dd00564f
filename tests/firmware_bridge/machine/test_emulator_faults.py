"""What goes wrong on an emulated core is said, with the function at which it did."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_c import emulated, network, windows

from vedette.compress.boards import get_board
from vedette.errors import BoardError, DependencyError
from vedette.firmware_bridge.machine.emulator import EmulatedBoard

UNALIGNED = "    output[0] = (int8_t)*(const volatile int32_t *)(const void *)(input + 1);"


def failure(board: str, folder: Path, body: str, before: str = "", timeout_s: float = 60.0) -> str | None:
    """Why a network of that body ends early on that core."""
    core = emulated(board)
    build = folder / "build"
    build.mkdir()
    return core.run(core.build(network(folder, body, before), build), windows().tobytes(), timeout_s).failure


@pytest.mark.slow
@pytest.mark.parametrize("board", ["rp2040", "qemu-cortex-m33", "qemu-cortex-m55"])
def test_a_fault_names_the_function(board: str, tmp_path: Path) -> None:
    found = failure(board, tmp_path, '    output[0] = input[0]; __asm__ volatile("udf #0");')
    assert found is not None
    assert found.startswith("fault at small_run+0x")


@pytest.mark.slow
def test_an_unaligned_word_faults_on_the_smallest_core_as_on_the_chip(tmp_path: Path) -> None:
    found = failure("rp2040", tmp_path, UNALIGNED)
    assert found is not None
    assert found.startswith("fault at small_run+0x")


@pytest.mark.slow
def test_an_unaligned_word_is_fine_on_larger_cores(tmp_path: Path) -> None:
    assert failure("qemu-cortex-m4", tmp_path, UNALIGNED) is None


@pytest.mark.slow
@pytest.mark.parametrize("where", ["output + SMALL_OUTPUT_SIZE", "output - 1", "arena + 1", "(uint8_t *)arena - 1"])
def test_a_write_outside_of_what_it_was_given_is_found(where: str, tmp_path: Path) -> None:
    # Through the assembler, as the compiler would refuse what it can see.
    body = f'    output[0] = input[0]; __asm__ volatile("strb %0, [%1]" : : "r"(1), "r"({where}) : "memory");'
    found = failure("qemu-cortex-m4", tmp_path, body)
    assert found == "memory outside the arena, the input and the output was written"


@pytest.mark.slow
@pytest.mark.parametrize("board", ["qemu-cortex-m4", "qemu-cortex-m33", "qemu-cortex-m55"])
def test_a_stack_overflow_is_called_that(board: str, tmp_path: Path) -> None:
    before = """
int32_t dig(volatile int32_t *above);
int32_t dig(volatile int32_t *above) {
    volatile int32_t here[64] = {0};
    here[0] = *above;
    return *above == 12345 ? 0 : dig(here) + here[1];
}
"""
    body = "    volatile int32_t first = input[0]; output[0] = (int8_t)dig(&first);"
    assert failure(board, tmp_path, body, before) == "stack overflow"


@pytest.mark.slow
def test_a_program_that_never_ends_is_ended(tmp_path: Path) -> None:
    assert failure("qemu-cortex-m4", tmp_path, "    for (;;) { output[0] = input[0]; }", timeout_s=1.0) == (
        "not finished after 1 s"
    )


@pytest.mark.slow
def test_a_second_run_that_gives_something_else_is_found(tmp_path: Path) -> None:
    body = "    static int8_t calls; calls++; output[0] = (int8_t)(input[0] + calls);"
    assert failure("qemu-cortex-m4", tmp_path, body) == "the same input gave another output when run again"


@pytest.mark.slow
def test_input_that_ends_within_a_window_is_refused(tmp_path: Path) -> None:
    core = emulated("qemu-cortex-m4")
    run = core.run(core.build(network(tmp_path), tmp_path), windows().tobytes()[:-1], 60.0)
    assert run.failure == "input.bin ends within a record"


def test_a_program_larger_than_the_memory_is_refused(tmp_path: Path) -> None:
    before = "extern const int8_t table[600 * 1024]; const int8_t table[600 * 1024] = {1};"
    program = network(tmp_path, "    output[0] = table[(uint8_t)input[0] * 2048];", before)
    with pytest.raises(BoardError, match=r"small\.elf is larger than the memory of qemu-cortex-m55"):
        emulated("qemu-cortex-m55").build(program, tmp_path)


@pytest.mark.parametrize("board", ["rpi4", "esp32-s3"])
def test_a_board_without_an_emulated_core_is_refused(board: str, tmp_path: Path) -> None:
    with pytest.raises(BoardError, match=f"{board}: no emulator of it is known"):
        EmulatedBoard(get_board(board)).build(network(tmp_path), tmp_path)


def test_a_missing_emulator_is_named_with_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    core = emulated("qemu-cortex-m3")
    executable = core.build(network(tmp_path), tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DependencyError, match=r"qemu-system-arm is needed .* apt-get install qemu-system-arm"):
        core.run(executable, windows().tobytes(), 60.0)
