"""Operators one after another, as a network: memory that is shared and written over, here and on a board's core."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from operator_models import FAMILIES, Node, Tensor, litert, network, tflite_runtime

from vedette.compress.boards import get_board
from vedette.firmware_bridge.plan import FirmwareModel, make_plan
from vedette.firmware_bridge.proving import prove
from vedette.firmware_bridge.source import read_source
from vedette.runtime.inference.reference.rounding import Family

SHAPE = (1, 9, 7, 5)


class Registry:
    """The boards that are known."""

    def get(self, name: str) -> Any:
        return get_board(name)

    def all(self) -> list[Any]:
        return []


def gated_network() -> bytes:
    """Two branches of pools, one gated by its own logistic, their sum's means, and a softmax of these."""
    same = {"padding": 0, "strideH": 1, "strideW": 1, "filterHeight": 3, "filterWidth": 3}
    row = np.array([[[[-90, -20, 4, 60, 127]]]], np.int8)
    tensors = [
        Tensor(SHAPE, 0.05, -11),
        Tensor(SHAPE, 0.05, -11),  # 1: largest
        Tensor(SHAPE, 2.0**-8, -128),  # 2: gate
        Tensor(SHAPE, 0.03, -20),  # 3: gated
        Tensor(SHAPE, 0.05, -11),  # 4: average
        Tensor(SHAPE, 0.06, 5),  # 5: sum
        Tensor(SHAPE, 0.04, -128),  # 6: rectified
        Tensor((1, 1, 1, 5), 0.03, 30, row),  # 7
        Tensor(SHAPE, 0.06, -20),  # 8: less the row
        Tensor(SHAPE, 2.0**-7, 0),  # 9: squashed
        Tensor((2,), data=np.array([1, 2], np.int32)),  # 10
        Tensor((1, 5), 2.0**-6, -3),  # 11: means
        Tensor((1, 5), 2.0**-8, -128),  # 12: softmax
    ]
    nodes = [
        Node("MAX_POOL_2D", (0,), 1, "Pool2D", same, version=2),
        Node("LOGISTIC", (1,), 2, version=2),
        Node("MUL", (1, 2), 3, "Mul", version=2),
        Node("AVERAGE_POOL_2D", (0,), 4, "Pool2D", same, version=2),
        Node("ADD", (3, 4), 5, "Add", version=2),
        Node("RELU6", (5,), 6, version=2),
        Node("SUB", (6, 7), 8, "Sub", version=2),
        Node("TANH", (8,), 9, version=2),
        Node("MEAN", (9, 10), 11, "Reducer", version=2),
        Node("SOFTMAX", (11,), 12, "Softmax", {"beta": 1.0}, version=2),
    ]
    return network(nodes, tensors)


@pytest.fixture(scope="module")
def windows() -> np.ndarray:
    return np.random.default_rng(8).integers(-128, 128, (40, *SHAPE)).astype(np.int8)


def test_a_network_is_that_of_ai_edge_litert(windows: np.ndarray) -> None:
    data = gated_network()
    model = FirmwareModel(data, "S")
    found = np.stack([model.run(window) for window in windows])
    assert len(np.unique(found)) > 10
    np.testing.assert_array_equal(found, litert(data, [windows]))


def test_a_network_is_that_of_tflite_runtimes_reference_kernels(windows: np.ndarray, tmp_path: Path) -> None:
    data = gated_network()
    model = FirmwareModel(data, "D")
    found = np.stack([model.run(window) for window in windows])
    np.testing.assert_array_equal(found, tflite_runtime([(data, [windows])], tmp_path)[0])


@pytest.mark.parametrize("family", FAMILIES)
def test_operators_on_elements_write_over_their_input(family: Family) -> None:
    plan = make_plan(FirmwareModel(gated_network(), family))
    size = int(np.prod(SHAPE))
    # A branch and its gate, or two branches before they are added; every result lies where its input was.
    assert plan.arena.bytes < 2 * size + 64


@pytest.mark.slow
@pytest.mark.parametrize(("board", "family"), [("nucleo-f446re", "D"), ("cortex-m55", "D"), ("nucleo-f446re", "S")])
def test_a_network_gives_the_same_bytes_everywhere(board: str, family: Family, tmp_path: Path) -> None:
    path = tmp_path / "gated.tflite"
    path.write_bytes(gated_network())
    source = read_source(path, board=board, boards=Registry())
    # No board computes in S yet; its C has to hold on their cores all the same.
    source = replace(source, model=FirmwareModel(source.data, family))
    for tested in prove(source, windows=12):
        assert tested.outcome.holds, (tested.outcome.machine, tested.outcome.failure, tested.outcome.differing)
