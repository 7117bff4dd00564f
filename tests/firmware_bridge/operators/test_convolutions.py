"""Convolutions: the references against the interpreters, the C against the references."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conv_models import KINDS, Convolution, many, outputs, random_convolution
from hypothesis import given, settings
from hypothesis import strategies as st
from int8_models import inputs, tflite_runtime_outputs
from required import missing

from vedette.compress.boards import get_board
from vedette.errors import ModelError
from vedette.firmware_bridge.machine.emulator import EmulatedBoard
from vedette.firmware_bridge.machine.host import Host
from vedette.firmware_bridge.machine.machines import Machine
from vedette.firmware_bridge.machine.proof import prove
from vedette.firmware_bridge.plan import FAMILIES, FirmwareModel, make_plan
from vedette.runtime.inference.interpreter import Model
from vedette.runtime.inference.reference.rounding import Family

SEEDS = st.integers(0, 2**32 - 1)
CORES = ("rp2040", "qemu-cortex-m3", "qemu-cortex-m4", "qemu-cortex-m55")


@settings(max_examples=40)
@given(SEEDS, st.sampled_from(KINDS))
def test_in_family_s_the_reference_is_ai_edge_litert(seed: int, kind: str) -> None:
    rng = np.random.default_rng(seed)
    layer = random_convolution(rng, kind, "S")
    x, model = inputs(rng, (1, *layer.shape)), layer.model()
    np.testing.assert_array_equal(FirmwareModel(model, "S").run(x), Model(model, package="ai-edge-litert").run(x))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_in_family_d_the_reference_is_tflite_runtimes_reference_kernel(kind: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(len(kind))
    layers = [random_convolution(rng, kind, "D") for _ in range(150)]
    cases = [(layer.model(), inputs(rng, (1, *layer.shape))) for layer in layers]
    for (model, x), wanted in zip(cases, tflite_runtime_outputs(cases, tmp_path), strict=True):
        np.testing.assert_array_equal(FirmwareModel(model, "D").run(x), wanted["D"])


def require_c(models: list[FirmwareModel], rng: np.random.Generator, folder: Path, machines: list[Machine]) -> None:
    """The C of all models gives their references' bytes."""
    windows = [inputs(rng, (12, int(np.prod(model.graph.inputs[0].shape)))) for model in models]
    expected = [outputs(model, given) for model, given in zip(models, windows, strict=True)]
    program = many(models, folder)
    prove(program, np.concatenate(windows, axis=1), np.concatenate(expected, axis=1), machines).require()


def needs(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            missing(f"{program} is missing", "tests/system_packages.sh")


@pytest.mark.slow
@settings(max_examples=6)
@given(seed=SEEDS, family=st.sampled_from(FAMILIES))
def test_the_c_gives_the_references_bytes_under_sanitizers(
    seed: int, family: Family, tmp_path_factory: pytest.TempPathFactory
) -> None:
    needs("gcc")
    rng = np.random.default_rng(seed)
    models = [FirmwareModel(random_convolution(rng, kind, family).model(), family) for kind in KINDS * 10]
    require_c(models, rng, tmp_path_factory.mktemp("many"), [Host(sanitize=True)])


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("core", CORES)
def test_the_c_gives_the_references_bytes_on_a_core(core: str, family: Family, tmp_path: Path) -> None:
    needs("arm-none-eabi-gcc", "qemu-system-arm")
    rng = np.random.default_rng(CORES.index(core))
    models = [FirmwareModel(random_convolution(rng, kind, family).model(), family) for kind in KINDS * 10]
    require_c(models, rng, tmp_path, [EmulatedBoard(get_board(core))])


@pytest.mark.parametrize("family", FAMILIES)
def test_a_padded_place_counts_as_nothing(family: Family) -> None:
    """With zero point -128, raw zeros around the input would be seen."""
    weights = np.full((1, 1, 3, 1), 100, np.int8)
    options = {"padding": 0, "strideH": 1, "strideW": 1}
    layer = Convolution("CONV_2D", (1, 3, 1), weights, np.zeros(1), 0.01, -128, np.array([0.01]), 0.01, 0, options)
    found = FirmwareModel(layer.model(), family).run(np.full((1, 1, 3, 1), -127, np.int8))
    assert found.reshape(-1).tolist() == [2, 3, 2]


SAME = {"padding": 0, "strideH": 1, "strideW": 1}
VALID = {**SAME, "padding": 1}
DILATED = {**SAME, "dilationWFactor": 2**31 - 1}


def small(kind: str, **changes: object) -> Convolution:
    """A small operator of that kind."""
    shape = (1, 1, 2, 2) if kind == "DEPTHWISE_CONV_2D" else (2, 1, 2, 2)
    options = {**VALID, "depthMultiplier": 1} if kind == "DEPTHWISE_CONV_2D" else VALID
    output = (1, 1, 5, 2) if kind == "TRANSPOSE_CONV" else (1, 1, 1, 2)
    layer = Convolution(
        kind, (1, 4, 2), np.ones(shape, np.int8), np.zeros(2), 0.1, 0, np.array([0.1]), 0.1, 0, options, output
    )
    return replace(layer, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (small("DEPTHWISE_CONV_2D", options={**VALID, "depthMultiplier": 3}), "depth multiplier of 3"),
        (
            small("DEPTHWISE_CONV_2D", options={**VALID, "depthMultiplier": 2}),
            "4 dimensions and 1 channels",
        ),
        (small("DEPTHWISE_CONV_2D", bias=None), "expected 3 to 3 inputs"),
        (small("DEPTHWISE_CONV_2D", options={**VALID, "depthMultiplier": 1, "strideW": 0}), "strides and dilations"),
        (
            small("DEPTHWISE_CONV_2D", options={**DILATED, "depthMultiplier": 1}),
            "does not fit its kernel",
        ),
        (small("CONV_2D", options=DILATED), "does not fit"),
        (small("DEPTHWISE_CONV_2D", shape=(1, 1, 2)), "does not fit its kernel"),
        (small("TRANSPOSE_CONV", output=(1, 1, 6, 2)), "does not fit an input"),
        (small("TRANSPOSE_CONV", output=(1, 1, 5, 3)), "does not fit an input"),
        (small("TRANSPOSE_CONV", options={**SAME, "strideW": 3}, output=(1, 1, 12, 2)), "use padding VALID"),
        (small("TRANSPOSE_CONV", options={**VALID, "fusedActivationFunction": 4}), "fused activation 4"),
        (small("TRANSPOSE_CONV", input_scale=100.0, weight_scales=np.array([1.0])), "multiply sums by 1000"),
        (
            small("TRANSPOSE_CONV", options={**VALID, "strideW": 99}, output=(1, 1, 300, 2)),
            "make 99 convolutions",
        ),
        (small("TRANSPOSE_CONV", bias=np.full(2, 2**31 - 1)), "exceed 32 bits"),
        (small("CONV_2D", options={**VALID, "padding": 2}), "padding 2"),
    ],
)
def test_what_is_not_computed_is_refused_in_words(layer: Convolution, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        make_plan(FirmwareModel(layer.model(), "S"))
