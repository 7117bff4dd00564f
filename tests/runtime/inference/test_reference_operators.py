"""The NumPy kernels against the kernels they stand for, byte for byte."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from int8_models import Layer, inputs, random_layer, shared_model, tflite_runtime_outputs

from vedette.runtime.inference.interpreter import Model


def outputs(model: bytes, package: str, x: np.ndarray) -> np.ndarray:
    loaded = Model(model, package=package)
    if x.shape != loaded.input.shape:
        loaded.resize_batch(len(x))
    return loaded.run(x)


@pytest.mark.parametrize("name", ["ae_pc", "ae_pt"])
@pytest.mark.parametrize("family", ["D", "H", "S"])
def test_golden_outputs_of_the_family(name: str, family: str) -> None:
    """Per-channel and per-tensor dense layers; D is what TFLite Micro gave."""
    model = shared_model(f"own/{name}.tflite")
    with np.load(_golden(f"own/{name}_golden.npz")) as golden:
        found = outputs(model, f"reference-{family}", golden["x"])
        np.testing.assert_array_equal(found, golden[family])


def test_golden_outputs_of_a_model_made_elsewhere() -> None:
    with np.load(_golden("mlperf_tiny/ad01_golden_litert.npz")) as golden:
        found = outputs(shared_model("mlperf_tiny/ad01_int8.tflite"), "reference-S", golden["q_in"])
        np.testing.assert_array_equal(found, golden["ad01_int8_raw"])


def _golden(path: str) -> Path:
    shared_model(path)
    from int8_models import SHARED

    return SHARED / path


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_family_s_is_ai_edge_litert(seed: int, dense: bool) -> None:
    rng = np.random.default_rng(seed)
    layer = random_layer(rng, dense=dense)
    x = inputs(rng, (50, *layer.shape))
    model = layer.model()
    np.testing.assert_array_equal(outputs(model, "reference-S", x), outputs(model, "ai-edge-litert", x))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_families_h_and_d_are_tflite_runtimes_kernels(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    cases = []
    for number in range(60):
        layer = random_layer(rng, dense=number % 2 == 0)
        cases.append((layer.model(), inputs(rng, (1 if number % 3 == 0 else 400, *layer.shape))))
    for (model, x), wanted in zip(cases, tflite_runtime_outputs(cases, tmp_path), strict=True):
        for family in "HD":
            np.testing.assert_array_equal(outputs(model, f"reference-{family}", x), wanted[family], err_msg=family)


@pytest.mark.slow
def test_sums_beyond_24_bits_are_exact(tmp_path: Path) -> None:
    """A deep layer: its sums fit neither a float32 nor, rounded, one step of the output."""
    rng = np.random.default_rng(4)
    weights = rng.integers(90, 128, (8, 3000)).astype(np.int8)
    layer = Layer((3000,), weights, rng.integers(-(2**24), 2**24, 8), 0.02, -128, np.array([0.01]), 1.7, -100)
    x = np.concatenate([inputs(rng, (200, 3000)), np.full((1, 3000), 127, np.int8)])
    model = layer.model()
    np.testing.assert_array_equal(outputs(model, "reference-S", x), outputs(model, "ai-edge-litert", x))
    wanted = tflite_runtime_outputs([(model, x)], tmp_path)[0]
    for family in "HD":
        np.testing.assert_array_equal(outputs(model, f"reference-{family}", x), wanted[family])


def test_a_layer_that_keeps_dimensions_does_so() -> None:
    rng = np.random.default_rng(5)
    weights = rng.integers(-127, 128, (3, 4)).astype(np.int8)
    layer = Layer((2, 4), weights, None, 0.02, 3, np.array([0.01]), 0.05, 0, options={"keepNumDims": 1})
    x, model = inputs(rng, (1, 2, 4)), layer.model()
    found = Model(model, package="reference-S")
    assert found.output.shape == (1, 2, 3)
    np.testing.assert_array_equal(found.run(x), Model(model, package="ai-edge-litert").run(x))
