"""``vedette firmware test``, ``size`` and ``fit`` on a bundle, as a user runs them, with the real tools."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import Refused, vedette
from required import missing
from tiny import tiny_bundle_bytes, tiny_model

from vedette.compress.boards import get_board
from vedette.errors import BoardError, SelfTestError
from vedette.firmware_bridge import proving
from vedette.firmware_bridge.plan import make_plan
from vedette.firmware_bridge.source import read_source
from vedette.runtime.bundles.manifest import RuntimeSpec

BOARD = "nucleo-f446re"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small bundle, as it is for a microcontroller."""
    path = tmp_path_factory.mktemp("firmware") / "pump.vdt"
    spec = RuntimeSpec("firmware", "1", "D", 1)
    path.write_bytes(tiny_bundle_bytes(board=get_board(BOARD).resolved(), runtime=spec))
    return path


def require(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            missing(f"{program} is not installed", "make system-packages")


def run(*arguments: str | Path) -> Any:
    outcome = vedette("firmware", *arguments, "--json")
    assert outcome.code == 0, outcome.stderr
    return json.loads(outcome.stdout)


@pytest.mark.slow
def test_the_proof_holds_on_this_machine_and_on_the_boards_core(bundle: Path) -> None:
    require("gcc", "arm-none-eabi-gcc", "qemu-system-arm")
    rows = run("test", bundle, "--windows", "60")
    assert {row["part"] for row in rows} == {"network", "detector"}
    assert all(row["differing_bytes"] == 0 and row["bytes"] > 0 and row["failure"] is None for row in rows)
    assert any("against the gateway" in row["machine"] for row in rows)
    emulated = [row for row in rows if row["machine"] == BOARD]
    assert [row["part"] for row in emulated] == ["network", "detector"]
    assert all(row["instructions"] > 0 and row["flash_bytes"] > 0 and row["stack_bytes"] > 0 for row in emulated)
    assert emulated[1]["instructions"] > emulated[0]["instructions"]


@pytest.mark.slow
def test_c_that_gives_one_other_byte_fails_the_proof(
    bundle: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    require("gcc", "arm-none-eabi-gcc", "qemu-system-arm")

    def wrong(source: Any, plan: Any) -> Any:
        network, *rest = genuine(source, plan)
        line = "sum0 += x * w[i];"
        changed = network.source.replace(line, line.replace(";", " + (x == 77);"))
        assert changed != network.source
        return [dataclasses.replace(network, source=changed), *rest]

    genuine = proving.parts
    monkeypatch.setattr(proving, "parts", wrong)
    outcome = vedette("firmware", "test", bundle, "--windows", "400")
    assert outcome.code == SelfTestError.exit_code
    assert "does not give the expected bytes" in outcome.stderr or "golden window" in outcome.stderr


@pytest.mark.slow
def test_sizes_are_those_of_the_compiled_code(bundle: Path) -> None:
    require("arm-none-eabi-gcc")
    found = run("size", bundle)
    assert found["flash"] > found["own"]["rodata"] > 0
    assert found["ram"] >= found["context"] > 0
    assert "flash" in vedette("firmware", "size", bundle).stdout


def test_every_microcontroller_is_told_and_estimates_name_their_source(bundle: Path) -> None:
    rows = run("fit", bundle)
    assert {"nucleo-l4r5zi", "cortex-m55"} <= {row["board"] for row in rows}
    assert all(row["fits"] for row in rows)
    for row in rows:
        published = get_board(row["board"]).benchmark
        assert (row["estimate"] is not None) == (published is not None)
    text = vedette("firmware", "fit", bundle).stdout
    assert "estimated, by multiply-accumulates" in text


def test_a_bundle_for_a_gateway_is_not_for_firmware(tmp_path: Path, refused: Refused) -> None:
    path = tmp_path / "pump.vdt"
    path.write_bytes(tiny_bundle_bytes(board=get_board("rpi4").resolved()))
    refused(BoardError, ["vedette run"], "firmware", "fit", path)
    refused(BoardError, ["calibrated on rounding family S"], "firmware", "fit", path, "--board", BOARD)


def test_a_model_too_large_for_the_board_is_told_with_need_and_excess(bundle: Path) -> None:
    class Small:
        """A board with hardly any memory."""

        def get(self, name: str) -> Any:
            kilobyte = dataclasses.replace(get_board(name).ram_kb, value=0.01)  # type: ignore[type-var]
            return dataclasses.replace(get_board(name), ram_kb=kilobyte)

        def all(self) -> list[Any]:
            return [self.get(BOARD)]

    from vedette.firmware_bridge.export import generate
    from vedette.firmware_bridge.fit import fit

    source = read_source(bundle, board=None, boards=Small())
    with pytest.raises(BoardError, match=r"RAM: needs \d+ B, nucleo-f446re has 10 B, too much by \d+ B"):
        generate(source)
    assert not fit(Small().all(), make_plan(source.model), flash_bytes=1, ram_bytes=1000)[0].fits


def test_the_references_run_is_the_kernels_run() -> None:
    from vedette.firmware_bridge.plan import FirmwareModel
    from vedette.runtime.inference.reference.program import Program

    data = tiny_model()
    for family in ("D", "S"):
        inputs = np.random.default_rng(1).integers(-128, 128, FirmwareModel(data, family).zeros.shape).astype(np.int8)
        program = Program(data, family)
        program.resize(1)
        assert (FirmwareModel(data, family).run(inputs) == program.run(inputs)).all()
