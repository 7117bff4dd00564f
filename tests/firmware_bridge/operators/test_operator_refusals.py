"""What operators of firmware do not compute is refused in words, before any C is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from operator_models import FAMILIES, Case, Model, Tensor, case, tflite_runtime

from vedette.errors import ModelError
from vedette.runtime.inference.reference.rounding import Family

ROW = Tensor((1, 4), 0.5, 3)
BYTES = np.ones((1, 4), np.int8)
POOL = {"padding": 1, "strideH": 1, "strideW": 1, "filterHeight": 2, "filterWidth": 2}


def add(a: Tensor, b: Tensor, out: Tensor, name: str = "ADD") -> Model:
    return Model(name, (a, b), out, name.capitalize())


def square(scale: float = 0.5) -> Tensor:
    return Tensor((1, 4, 4, 2), scale, 0)


def refused(model: Model, family: Family, words: str) -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ModelError, match=words):
        case(rng, model, windows=2).reference(family)


EVERYWHERE = {
    "do not go together": add(ROW, Tensor((1, 3)), ROW),
    "both of its inputs are constants": add(Tensor((1, 4), data=BYTES), Tensor((1, 4), data=BYTES), ROW),
    "at most 4 dimensions": add(Tensor((1, 2, 2, 2, 2)), Tensor((1, 1, 1, 1, 1)), Tensor((1, 2, 2, 2, 2))),
    "multiply products by 1e\\+06": add(Tensor((1, 4), 1e3), Tensor((1, 4), 1e3), Tensor((1, 4)), "MUL"),
    "multiply the input by 300": Model("RELU", (Tensor((1, 4), 300.0),), Tensor((1, 4))),
    "expected an output of scale 0.00390625 and zero point -128": Model("LOGISTIC", (ROW,), ROW),
    "expected an output of scale 0.0078125 and zero point 0": Model("TANH", (ROW,), ROW),
    "one scale and zero point for input and output": Model("MAX_POOL_2D", (square(),), square(0.4), "Pool2D", POOL),
    "does not fit an input of 4 without padding": Model(
        "AVERAGE_POOL_2D", (square(),), square(), "Pool2D", {**POOL, "filterHeight": 5}
    ),
    "windows and strides of 1 to": Model("MAX_POOL_2D", (square(),), square(), "Pool2D", {**POOL, "strideW": 0}),
    "an input of 4 dimensions": Model("MAX_POOL_2D", (ROW,), ROW, "Pool2D", POOL),
    "fused activation 5 is not known": Model(
        "MAX_POOL_2D", (square(),), square(), "Pool2D", {**POOL, "fusedActivationFunction": 5}
    ),
    "axes of 2 dimensions": Model("MEAN", (ROW, Tensor((1,), data=np.array([2], np.int32))), ROW, "Reducer"),
    "a mean of 5,000,000 elements": Model(
        "MEAN", (Tensor((1, 5_000_000)), Tensor((1,), data=np.array([1], np.int32))), Tensor((1,)), "Reducer"
    ),
    "in more than two places": Model(
        "MEAN",
        (Tensor((2, 2, 2, 2, 2, 2)), Tensor((3,), data=np.array([0, 2, 4], np.int32))),
        Tensor((2, 2, 2)),
        "Reducer",
    ),
    "expected a beta": Model("SOFTMAX", (ROW,), Tensor((1, 4), 2.0**-8, -128), "Softmax", {"beta": 0.0}),
}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("words", EVERYWHERE)
def test_what_no_kernel_computes_is_refused(words: str, family: Family) -> None:
    refused(EVERYWHERE[words], family, words)


def test_sums_that_xnnpack_leaves_to_others_are_refused_in_family_s() -> None:
    model = add(Tensor((1, 4), 1e-4), Tensor((1, 4), 1.0), Tensor((1, 4), 1.0))
    refused(model, "S", "kernels of rounding family S take")
    Case(model, [BYTES[None], BYTES[None]]).reference("D")


def test_sums_far_beyond_their_output_abort_kernels_of_family_d() -> None:
    refused(add(Tensor((1, 4), 1e6), Tensor((1, 4), 1.0), Tensor((1, 4), 0.1)), "D", "too large for an output of scale")


def test_rows_that_abort_the_softmax_of_family_d_are_refused() -> None:
    model = Model("SOFTMAX", (Tensor((1, 512), 0.1),), Tensor((1, 512), 2.0**-8, -128), "Softmax", {"beta": 1.0})
    refused(model, "D", "rows of 1 to 511 elements")
    found = Case(model, [np.zeros((1, 1, 512), np.int8)])
    np.testing.assert_array_equal(found.reference("S"), found.litert())


def test_the_longest_row_of_equal_elements_is_as_in_the_interpreter(tmp_path: Path) -> None:
    model = Model("SOFTMAX", (Tensor((1, 511), 0.1),), Tensor((1, 511), 2.0**-8, -128), "Softmax", {"beta": 1.0})
    found = Case(model, [np.zeros((1, 1, 511), np.int8)])
    np.testing.assert_array_equal(found.reference("D"), tflite_runtime([(model.bytes, found.inputs)], tmp_path)[0])
