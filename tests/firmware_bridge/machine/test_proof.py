"""A proof holds where every byte is as expected, and says where it does not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_c import CORES, SIZE, detector, emulated, needs, network, windows

from vedette.errors import DataError, SelfTestError
from vedette.firmware_bridge.machine.host import AARCH64, RISCV64, EmulatedLinux, Host
from vedette.firmware_bridge.machine.machines import Machine
from vedette.firmware_bridge.machine.proof import compare, machines_for, outcomes, prove, results, samples

RESULT = results([("score", "<f8"), ("parts", "(2,)<f4")], 1)


def machine(name: str) -> Machine:
    """That machine; skips where its tools are missing."""
    found = {"host": Host(), "sanitizers": Host(sanitize=True), "aarch64": AARCH64, "riscv64": RISCV64}.get(name)
    if found is None:
        return emulated(name)
    for program in (found.compiler, found.emulator) if isinstance(found, EmulatedLinux) else ("gcc",):
        needs(program)
    return found


MACHINES = ("host", "sanitizers", "aarch64", "riscv64", *CORES)


@pytest.mark.slow
@pytest.mark.parametrize("name", MACHINES)
def test_a_network_gives_the_same_bytes_everywhere(name: str, tmp_path: Path) -> None:
    inputs = windows(101)
    [outcome] = prove(network(tmp_path), inputs, inputs + np.int8(1), [machine(name)]).require().outcomes
    assert outcome.total == 101 * SIZE
    row = outcome.as_json()
    assert (row["differing_bytes"], row["first_difference"], row["failure"]) == (0, None, None)
    counted = name in CORES
    assert len(outcome.run.instructions) == (4 if counted else 0)
    for figure in ("instructions", "flash_bytes", "ram_bytes", "stack_bytes"):
        assert (row[figure] is not None) == counted


@pytest.mark.slow
@pytest.mark.parametrize("name", MACHINES)
def test_a_detector_gives_the_same_bits_everywhere(name: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=(200, 2)).astype(np.float32)
    values[150, 0] = np.nan
    times = np.arange(200, dtype=np.uint32) * 10
    expected = np.zeros(200, RESULT)
    score = 0.0
    for row, (time, sample) in enumerate(zip(times, values, strict=True)):
        parts = sample * sample
        score = score * 0.9 + (float(parts[0]) + float(parts[1])) * 0.1
        scored = row > 2
        shares = [(1.0, parts[1], -0.5, 513) if scored else (0.0, 0.0, 0.0, 0)]
        expected[row] = (int(time > 1000) | (2 if scored else 0), score, parts, score / 3.0, shares)
    proof = prove(detector(tmp_path), samples(times, values), expected, [machine(name)])
    assert proof.require().holds
    if name in CORES:
        assert len(proof.outcomes[0].run.instructions) == 200


@pytest.mark.slow
def test_a_self_test_that_fails_is_a_failure(tmp_path: Path) -> None:
    values = np.zeros((1, 2), np.float32)
    inputs = samples(np.zeros(1, np.uint32), values)
    [outcome] = prove(detector(tmp_path, selftest=2), inputs, np.zeros(1, RESULT), [machine("host")]).outcomes
    assert outcome.failure == "the self-test found a golden window with other bits"


@pytest.mark.slow
def test_a_wrong_byte_is_counted_and_placed(tmp_path: Path) -> None:
    inputs = windows(9)
    expected = inputs + np.int8(1)
    expected[5, 3] ^= 64
    expected[7, :2] ^= 1
    proof = prove(network(tmp_path), inputs, expected, [machine("host"), machine("qemu-cortex-m3")])
    assert not proof.holds
    assert [(outcome.differing, outcome.first) for outcome in proof.outcomes] == [(3, 5), (3, 5)]
    with pytest.raises(SelfTestError, match="3 of 144 bytes differ from what was expected, first in record 5"):
        proof.require()


@pytest.mark.slow
def test_a_machine_that_fails_does_not_stop_the_others(tmp_path: Path) -> None:
    inputs = windows(3)
    body = "    volatile int one = 1; for (int i = 0; i < SMALL_OUTPUT_SIZE; i++) { output[i] = input[i + one]; }"
    proof = prove(network(tmp_path, body), inputs, inputs, [machine("sanitizers"), machine("qemu-cortex-m4")])
    first, second = proof.outcomes
    assert first.failure is not None
    assert not first.holds
    assert second.failure is None
    with pytest.raises(SelfTestError, match="sanitizers: "):
        proof.require()


@pytest.mark.slow
def test_c_that_one_compiler_refuses_is_a_failure_of_that_machine(tmp_path: Path) -> None:
    inputs = windows(3)
    before = '#if defined(__ARM_ARCH_6M__)\n#error "not for me"\n#endif'
    machines = [machine("rp2040"), machine("qemu-cortex-m3")]
    first, second = prove(network(tmp_path, before=before), inputs, inputs + np.int8(1), machines).outcomes
    assert first.failure is not None
    assert "not for me" in first.failure
    assert first.footprint is None
    assert second.holds


@pytest.mark.slow
def test_what_is_kept_in_the_arena_is_found(tmp_path: Path) -> None:
    inputs = windows(6)
    body = "    for (int i = 0; i < SMALL_OUTPUT_SIZE; i++) { output[i] = arena->words[2] & 1u ? input[i] : 0; }"
    [outcome] = prove(network(tmp_path, body), inputs, inputs, [machine("host")]).outcomes
    assert not outcome.holds


def test_the_machines_are_this_host_what_is_installed_and_the_board(monkeypatch: pytest.MonkeyPatch) -> None:
    core = emulated("rp2040")
    machines = machines_for(core.board)
    assert machines[:2] == [Host(), Host(sanitize=True)]
    assert machines[-1] == core
    assert {found.name for found in machines[2:-1]} <= {"aarch64", "riscv64"}
    monkeypatch.setenv("PATH", "")
    assert machines_for(None) == [Host(), Host(sanitize=True)]


def test_inputs_without_results_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="found 2 and 3"):
        list(outcomes(network(tmp_path), windows(3), windows(2), []))
    with pytest.raises(DataError, match="expected values"):
        samples(np.zeros(3, np.uint32), np.zeros((2, 2), np.float32))


@pytest.mark.parametrize(
    ("outputs", "expected"),
    [(b"abcd", (0, None)), (b"abxd", (1, 1)), (b"ab", (2, 1)), (b"abcdef", (2, 2)), (b"", (4, 0)), (b"xbc", (2, 0))],
)
def test_missing_and_surplus_bytes_differ(outputs: bytes, expected: tuple[int, int | None]) -> None:
    assert compare(outputs, np.frombuffer(b"abcd", np.int8).reshape(2, 2)) == expected


def test_any_nan_is_equal_to_any_other_but_to_no_number() -> None:
    expected = np.zeros(2, RESULT)
    expected["score"] = np.nan
    expected["parts"][1, 0] = np.nan
    other = expected.copy()
    other["score"] = -np.nan
    other["parts"][1, 0] = np.frombuffer(b"\x01\x00\xc0\xff", "<f4")[0]
    assert compare(other.tobytes(), expected) == (0, None)
    other["shares"]["observed"][0] = -np.nan
    expected["shares"]["observed"][0] = np.nan
    assert compare(other.tobytes(), expected) == (0, None)
    other["parts"][1, 1] = np.nan
    assert compare(other.tobytes(), expected)[1] == 1
    floats = np.array([[1.0, np.nan]], np.float32)
    assert compare((-floats * np.float32(-1)).tobytes(), floats)[0] == 0
