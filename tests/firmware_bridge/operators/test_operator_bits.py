"""Every operator, in random models: the NumPy reference is what interpreters compute, and the C is the reference."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from operator_models import FAMILIES, Case, Model, Tensor, c_outputs, case, tflite_runtime
from random_operators import OPERATORS

from vedette.runtime.inference.reference.rounding import Family

EVERY = np.arange(-128, 128).astype(np.int8)


def cases(name: str, count: int) -> list[Case]:
    rng = np.random.default_rng(count)
    return [case(rng, OPERATORS[name](rng)) for _ in range(count)]


def all_pairs(name: str) -> list[Case]:
    """One operator of two inputs on all pairs of bytes, with several scales."""
    rng, found = np.random.default_rng(3), []
    for _ in range(8):
        model = OPERATORS[name](rng)
        (a, b), out = model.inputs, model.output
        inputs = (Tensor((1, 256, 1), a.scale, a.zero_point), Tensor((1, 1, 256), b.scale, b.zero_point))
        pairs = Model(
            name, inputs, Tensor((1, 256, 256), out.scale, out.zero_point), model.options, model.fields, model.version
        )
        found.append(Case(pairs, [EVERY.reshape(1, 1, 256, 1), EVERY.reshape(1, 1, 1, 256)]))
    return found


@pytest.mark.parametrize("name", OPERATORS)
@settings(max_examples=25)
@given(seed=st.integers(0, 2**32 - 1))
def test_family_s_is_ai_edge_litert(name: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    found = case(rng, OPERATORS[name](rng))
    np.testing.assert_array_equal(found.reference("S"), found.litert())


@pytest.mark.slow
@pytest.mark.parametrize("name", OPERATORS)
def test_family_d_is_tflite_runtimes_reference_kernel(name: str, tmp_path: Path) -> None:
    found = cases(name, 120)
    for each, wanted in zip(
        found, tflite_runtime([(each.model.bytes, each.inputs) for each in found], tmp_path), strict=True
    ):
        np.testing.assert_array_equal(each.reference("D"), wanted, err_msg=str(each.model))


@pytest.mark.slow
@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("family", FAMILIES)
def test_c_gives_the_bytes_of_the_reference(name: str, family: Family, tmp_path: Path) -> None:
    found = cases(name, 40)
    for each, outputs in zip(found, c_outputs(found, family, tmp_path), strict=True):
        np.testing.assert_array_equal(outputs, each.reference(family), err_msg=str(each.model))


def near_halves() -> list[Case]:
    """A mean and a softmax in which a product that is not rounded before it is added to gives another byte in S."""
    given, axis = Tensor((1, 51), 0.028925927355885506, 35), Tensor((1,), data=np.array([1], np.int32))
    mean = Model("MEAN", (given, axis), Tensor((1,), 0.004050739575177431, -109), "Reducer", {}, version=2)
    values = np.full((1, 1, 51), 57, np.int8)
    values[0, 0, 0] += 10
    given = Tensor((1, 6), 0.014384929090738297)
    softmax = Model("SOFTMAX", (given,), Tensor((1, 6), 2.0**-8, -128), "Softmax", {"beta": 1.0}, version=2)
    return [Case(mean, [values]), Case(softmax, [(127 - np.array([[[0, 39, 236, 163, 241, 69]]])).astype(np.int8)])]


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_a_compiler_that_may_fuse_products_and_sums_gives_the_same_bytes(family: Family, tmp_path: Path) -> None:
    if " fma " not in Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace"):
        pytest.skip("this processor does not fuse")
    found = [*near_halves(), *(each for name in OPERATORS for each in cases(name, 12))]
    told = c_outputs(found, family, tmp_path, "-O3", "-mfma", "-ffp-contract=fast")
    for each, outputs in zip(found, told, strict=True):
        np.testing.assert_array_equal(outputs, each.reference(family), err_msg=str(each.model))


def test_products_are_rounded_before_they_are_added_to_as_in_ai_edge_litert() -> None:
    for each in near_halves():
        np.testing.assert_array_equal(each.reference("S"), each.litert())


@pytest.mark.parametrize(
    ("name", "window", "stride"),
    [
        ("MAX_POOL_2D", 2, 1),
        ("MAX_POOL_2D", 1, 1),
        ("MAX_POOL_2D", 1, 2),
        ("MAX_POOL_2D", 2, 3),
        ("AVERAGE_POOL_2D", 2, 1),
    ],
)
def test_bounds_of_fused_activations_at_a_half_are_those_of_whichever_kernel_runs(
    name: str, window: int, stride: int, tmp_path: Path
) -> None:
    """6 in steps of 12 is one step in TFLite's kernels, none in XNNPACK, which takes not every window."""
    fields = {"padding": 0, "filterHeight": window, "filterWidth": window, "strideH": stride, "strideW": stride}
    given, made = (Tensor((1, side, side, 2), 12.0, 0) for side in (4, -(-4 // stride)))
    model = Model(name, (given,), made, "Pool2D", {**fields, "fusedActivationFunction": 3}, version=2)
    found = Case(model, [np.full((1, *given.shape), 9, np.int8)])
    np.testing.assert_array_equal(found.reference("S"), found.litert())
    np.testing.assert_array_equal(found.reference("D"), tflite_runtime([(model.bytes, found.inputs)], tmp_path)[0])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ADD", "SUB", "MUL"])
def test_all_pairs_of_bytes_are_as_in_interpreters_and_in_c(name: str, tmp_path: Path) -> None:
    found = all_pairs(name)
    for each, wanted in zip(
        found, tflite_runtime([(each.model.bytes, each.inputs) for each in found], tmp_path), strict=True
    ):
        np.testing.assert_array_equal(each.reference("D"), wanted, err_msg=str(each.model))
        np.testing.assert_array_equal(each.reference("S"), each.litert(), err_msg=str(each.model))
    for family in FAMILIES:
        for each, outputs in zip(found, c_outputs(found, family, tmp_path), strict=True):
            np.testing.assert_array_equal(outputs, each.reference(family), err_msg=str(each.model))
