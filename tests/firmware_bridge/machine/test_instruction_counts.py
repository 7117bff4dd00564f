"""Instructions and stack are what a disassembly says, on every core, and the same every time."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_c import CORES, PLUS_ONE, emulated, network, windows

from vedette.firmware_bridge.machine.run import Run

# Beside the loop: four instructions call the function, and five are in it; another compiler may need one or two more.
AROUND = 9


def run(board: str, folder: Path, body: str, before: str = "", count: int = 2) -> Run:
    """A network of that body on that board's core."""
    core = emulated(board)
    build = folder / "build"
    build.mkdir()
    result = core.run(core.build(network(folder, body, before), build), windows(count).tobytes(), 60.0)
    assert result.failure is None
    return result


def counted(board: str, folder: Path, loops: int) -> tuple[int, ...]:
    """Instructions of a network that goes around a loop of two instructions that often."""
    body = f"""
    uint32_t left = {loops}u;
    __asm__ volatile(".syntax unified\\n1: subs %0, %0, #1\\n bne 1b" : "+l"(left) : : "cc");
    output[0] = (int8_t)(input[0] + (int8_t)left);
"""
    return run(board, folder, body).instructions


@pytest.mark.slow
@pytest.mark.parametrize("board", CORES)
@pytest.mark.parametrize("loops", [1, 1000, 250_000])
def test_a_loop_of_known_length_is_counted_to_a_few_instructions(board: str, loops: int, tmp_path: Path) -> None:
    counts = counted(board, tmp_path, loops)
    assert len(counts) == 2
    for count in counts:
        assert abs(count - 2 * loops - AROUND) <= 2


@pytest.mark.slow
@pytest.mark.parametrize("board", ["qemu-cortex-m4", "qemu-cortex-m33", "qemu-cortex-m55"])
def test_a_call_during_which_the_counter_wraps_is_counted_whole(board: str, tmp_path: Path) -> None:
    loops = 20_000_000  # SysTick has 24 bits: three to five wraps
    for count in counted(board, tmp_path, loops):
        assert 0 <= count - 2 * loops - AROUND <= 50


@pytest.mark.slow
@pytest.mark.parametrize("board", CORES)
def test_three_runs_count_the_same(board: str, tmp_path: Path) -> None:
    core = emulated(board)
    build = tmp_path / "build"
    build.mkdir()
    executable = core.build(network(tmp_path, PLUS_ONE), build)
    runs = [core.run(executable, windows().tobytes(), 60.0) for _ in range(3)]
    assert runs[0].failure is None
    assert runs[0].most_instructions
    assert runs[1] == runs[0]
    assert runs[2] == runs[0]


@pytest.mark.slow
@pytest.mark.parametrize("board", CORES)
def test_the_stack_of_a_call_is_found(board: str, tmp_path: Path) -> None:
    body = """
    volatile uint8_t local[1000];
    for (uint32_t i = 0; i < sizeof local; i++) { local[i] = (uint8_t)i; }
    output[0] = (int8_t)(input[0] + (int8_t)(local[7] & 1u));
"""
    result = run(board, tmp_path, body)
    assert result.stack_bytes is not None
    assert 1000 <= result.stack_bytes <= 1000 + 40  # and the registers that it saves


@pytest.mark.slow
@pytest.mark.parametrize("board", CORES)
def test_a_call_that_needs_no_stack_takes_none(board: str, tmp_path: Path) -> None:
    assert run(board, tmp_path, "    output[0] = input[0];").stack_bytes == 0
