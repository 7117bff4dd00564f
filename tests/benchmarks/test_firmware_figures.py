"""What generated firmware takes, counted by the emulator, which gives the same number on every machine."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
from required import missing

from vedette.benchmarks.firmware import (
    ANOMALY,
    AUTOENCODER,
    M4,
    M7,
    M55,
    PEERS,
    Taken,
    broken_promises,
    detector,
    measure,
    network,
)
from vedette.benchmarks.random_detector import dense_model


@pytest.mark.slow
def test_an_inference_takes_fewer_instructions_than_with_any_peer() -> None:
    for program in ("arm-none-eabi-gcc", "qemu-system-arm"):
        if shutil.which(program) is None:
            missing(f"{program} is not installed", "make system-packages")
    data = {"autoencoder": dense_model(AUTOENCODER, seed=0), "MLPerf Tiny AD": dense_model(ANOMALY, seed=0)}
    found = [
        measure(network(content, board), what, whole=False) for what, content in data.items() for board in (M4, M7, M55)
    ]
    own = {taken.board: taken.instructions for taken in found if taken.what == "autoencoder"}
    assert all(own[board] < count for figures in PEERS.values() for board, count in figures.items())
    source = detector(M4)
    inference, whole = measure(replace(source, bundle=None), "n", whole=False), measure(source, "d", whole=True)
    assert broken_promises(found, inference, whole) == []


def test_a_promise_that_is_not_kept_is_told() -> None:
    def taken(what: str, board: str, instructions: int, **changes: int) -> Taken:
        base = Taken(what, board, instructions, multiply_accumulates=1000, flash=1, parameters=1, ram=1, stack=1)
        return replace(base, **changes)

    slow = [taken("autoencoder", board, 80_000, flash=50_000, ram=2000) for board in (M4, M7, M55)]
    slow.append(taken("MLPerf Tiny AD", M4, 90_000))
    told = broken_promises(slow, taken("n", M4, 1000), taken("d", M4, 50_000))
    assert len(told) == 7
    assert told[0].startswith("autoencoder on qemu-cortex-m4: 80,000 instructions")
