"""Operators that move or convert numbers: what they refuse, what is no number, and several of them in one model."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from int8_models import tflite_runtime_outputs
from movement_cases import int8
from movement_models import Array, Case, ModelBuilder, c_outputs, litert_output, reference_output
from required import missing

from vedette.compress.boards import get_board
from vedette.errors import ModelError
from vedette.firmware_bridge.plan import FirmwareModel, make_plan
from vedette.firmware_bridge.proving import prove
from vedette.firmware_bridge.source import Source
from vedette.runtime.inference.reference.rounding import Family


def one(
    name: str,
    given: tuple[Any, ...],
    made: tuple[Any, ...],
    constants: tuple[tuple[Any, ...], ...] = (),
    *,
    first: bool = False,
    **options: Any,
) -> bytes:
    """A model of one operator; tensors as arguments of the builder, ``first`` says that constants come before data."""
    builder = ModelBuilder()
    data = builder.activation(*given)
    inputs, output = [builder.constant(*constant) for constant in constants], builder.activation(*made)
    builder.add(name, [*inputs, data] if first else [data, *inputs], [output], **options)
    return builder.bytes(data, output)


OTHER = ((1, 4), "int8", 0.2, 0)
PLAIN = ((1, 4), "int8", 0.1, 0)
REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "another scale": (lambda: one("PAD", PLAIN, OTHER, (([[0, 0], [0, 0]],),)), "expected the scale and zero point"),
    "a part of another scale": (
        lambda: one("CONCATENATION", PLAIN, PLAIN, (([[1, 2]], "int8", 0.2),), axis=1),
        "expected the scale and zero point",
    ),
    "parts that do not fit": (
        lambda: one("CONCATENATION", PLAIN, PLAIN, (([1, 2], "int8", 0.1),), axis=1),
        "do not fit along axis 1",
    ),
    "an axis that is not there": (lambda: one("CONCATENATION", PLAIN, PLAIN, axis=2), "axis 2 of 2 dimensions"),
    "a fused activation": (
        lambda: one("CONCATENATION", PLAIN, PLAIN, axis=1, fusedActivationFunction=1),
        "fused activation",
    ),
    "a real output of a movement": (
        lambda: one("TRANSPOSE", PLAIN, ((1, 4), "float32"), (([0, 1],),)),
        "expected an int8 output",
    ),
    "a real number moved": (
        lambda: one("TRANSPOSE", ((1, 4), "float32"), PLAIN, (([1, 0],),)),
        "to be an int8 activation",
    ),
    "an order with an axis twice": (lambda: one("TRANSPOSE", PLAIN, PLAIN, (([1, 1],),)), "an order of 2 axes"),
    "axes that are real": (lambda: one("TRANSPOSE", PLAIN, PLAIN, (([1.0, 0.0], "float32"),)), "to be int32 numbers"),
    "negative paddings": (lambda: one("PAD", PLAIN, PLAIN, (([[0, 0], [-1, 1]],),)), "paddings of at least 0"),
    "too few paddings": (lambda: one("PAD", PLAIN, PLAIN, (([[1, 1]],),)), "paddings of shape"),
    "endless paddings": (lambda: one("PAD", PLAIN, PLAIN, (([[0, 2**30], [0, 2**30]],),)), "is not possible"),
    "two numbers to pad with": (
        lambda: one("PADV2", PLAIN, PLAIN, (([[0, 0], [0, 0]],), ([1, 2], "int8", 0.1))),
        "one constant to pad with",
    ),
    "unequal parts": (
        lambda: one("SPLIT", ((1, 4), "int8", 0.1), PLAIN, ((3,),), first=True, numSplits=1),
        "axis 3 of 2 dimensions",
    ),
    "other parts than outputs": (
        lambda: one("SPLIT", PLAIN, PLAIN, ((1,),), first=True, numSplits=2),
        "as many outputs as parts",
    ),
    "an axis that is no 1": (lambda: one("SQUEEZE", PLAIN, PLAIN, squeezeDims=[1]), "not all have size 1"),
    "two new axes": (lambda: one("EXPAND_DIMS", PLAIN, PLAIN, (([0, 1],),)), "expected one axis, found 2"),
    "an empty slice": (
        lambda: one("STRIDED_SLICE", PLAIN, PLAIN, (([0, 3],), ([1, 3],), ([1, 1],))),
        "nothing is left",
    ),
    "a step of 0": (
        lambda: one("STRIDED_SLICE", PLAIN, PLAIN, (([0, 0],), ([1, 3],), ([1, 0],))),
        "do not fit the shape",
    ),
    "a place beyond the axis": (
        lambda: one("STRIDED_SLICE", PLAIN, PLAIN, (([0, 4],), ([1, 5],), ([1, 1],)), shrinkAxisMask=2),
        "place 4 of axis 1",
    ),
    "a new axis in a slice": (
        lambda: one("STRIDED_SLICE", PLAIN, PLAIN, (([0, 0],), ([1, 3],), ([1, 1],)), newAxisMask=1),
        "without an ellipsis, new axes",
    ),
    "an image of 2 dimensions": (
        lambda: one("RESIZE_NEAREST_NEIGHBOR", PLAIN, PLAIN, (([2, 2],),)),
        "images of 4 dimensions",
    ),
    "an image without rows": (
        lambda: one("RESIZE_NEAREST_NEIGHBOR", ((1, 2, 2, 1),), ((1, 2, 2, 1),), (([0, 2],),)),
        "is not possible",
    ),
    "a real output of QUANTIZE": (lambda: one("QUANTIZE", PLAIN, ((1, 4), "float32")), "and an int8 output"),
    "an int8 output of DEQUANTIZE": (lambda: one("DEQUANTIZE", PLAIN, PLAIN), "expected a float32 output"),
    "an input of shapes": (lambda: one("SHAPE", ((1, 4), "int32"), ((2,), "int32")), "found"),
}


@pytest.mark.parametrize("family", ["D", "S"])
@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_computed_is_refused_in_words(name: str, family: Family) -> None:
    make, message = REFUSED[name]
    with pytest.raises(ModelError, match=message):
        make_plan(FirmwareModel(make(), family))


@pytest.mark.parametrize("ratio", [129.0, 1 / 257])
def test_family_s_refuses_scales_that_xnnpack_does_not_compute(ratio: float) -> None:
    model = one("QUANTIZE", ((1, 4), "int8", 0.1), ((1, 4), "int8", 0.1 / ratio))
    FirmwareModel(model, "D")
    with pytest.raises(ModelError, match="XNNPACK does not compute others"):
        FirmwareModel(model, "S")


def test_family_d_refuses_a_scale_more_than_256_times_finer() -> None:
    with pytest.raises(ModelError, match="ratio below 256"):
        FirmwareModel(one("QUANTIZE", ((1, 4), "int8", 0.3), ((1, 4), "int8", 0.001)), "D")


WILD = [np.nan, np.inf, -np.inf, 3e38, -3e38, 1e10, -1e10, 600.0, -600.0, 0.0, -0.0, 1e-45, -1e-45]


@pytest.mark.parametrize("family", ["D", "S"])
def test_what_is_no_number_or_beyond_all_has_one_meaning(family: Family, tmp_path: Path) -> None:
    x = np.array([WILD], np.float32)
    cases = [
        Case(one("QUANTIZE", (x.shape, "float32"), (x.shape, "int8", scale, zero)), x)
        for scale, zero in ((1.0, -128), (0.3, 5), (1e-30, 127), (1e30, 0))
    ]
    for case, output in zip(cases, c_outputs(cases, family, tmp_path), strict=True):
        np.testing.assert_array_equal(output, reference_output(case, family))
        if family == "S":
            np.testing.assert_array_equal(output, litert_output(case))
        else:
            assert output[0, :5].tolist() == [-128, 127, -128, 127, -128]


def chain(rng: np.random.Generator) -> Case:
    """Real images to real numbers: quantized, turned, split, rescaled in place, joined, enlarged and cut."""
    builder = ModelBuilder()
    height, width, channels = (int(size) for size in rng.integers(2, 6, 3))
    a, b = (0.02, int(rng.integers(-128, 128))), (0.03, int(rng.integers(-128, 128)))
    turned, parts, whole = (
        (1, width, height, 2 * channels),
        (1, width, height, channels),
        (1, width, height, 3 * channels),
    )
    real = builder.activation((1, height, width, 2 * channels), "float32")
    steps = builder.activation((1, height, width, 2 * channels), "int8", *a)
    builder.add("QUANTIZE", [real], [steps], 1)
    turn = builder.activation(turned, "int8", *a)
    builder.add("TRANSPOSE", [steps, builder.constant([0, 2, 1, 3])], [turn])
    left, right = (builder.activation(parts, "int8", *a) for _ in range(2))
    builder.add("SPLIT", [builder.constant(-1), turn], [left, right], numSplits=2)
    others = [builder.activation(parts, "int8", *b) for _ in range(2)]
    for part, other in zip((right, left), others, strict=True):
        builder.add("QUANTIZE", [part], [other])
    filled = builder.constant(int8(rng, parts), "int8", *b)
    joined = builder.activation(whole, "int8", *b)
    builder.add("CONCATENATION", [others[0], filled, others[1]], [joined], axis=3)
    large = builder.activation((1, 7, 9, 3 * channels), "int8", *b)
    builder.add("RESIZE_NEAREST_NEIGHBOR", [joined, builder.constant([7, 9])], [large])
    cut = builder.activation((1, 3, 3 * channels), "int8", *b)
    ranges = [builder.constant(part) for part in ([0, 4, -1, 0], [1, 5, 0, 0], [1, 1, -3, 1])]
    builder.add("STRIDED_SLICE", [large, *ranges], [cut], beginMask=8, endMask=8, shrinkAxisMask=2)
    out = builder.activation((1, 3, 3 * channels), "float32")
    builder.add("DEQUANTIZE", [cut], [out])
    x = (rng.normal(size=(1, height, width, 2 * channels)) * 2).astype(np.float32)
    return Case(builder.bytes(real, out), x)


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1))
def test_many_operators_in_one_model_are_ai_edge_litert(seed: int) -> None:
    case = chain(np.random.default_rng(seed))
    np.testing.assert_array_equal(reference_output(case, "S"), litert_output(case), strict=True)


@pytest.mark.slow
def test_many_operators_in_one_model_are_tflite_runtime_and_c(tmp_path: Path) -> None:
    cases = [chain(np.random.default_rng(seed)) for seed in range(25)]
    told: dict[Family, list[Array]] = {
        "D": [outputs["D"] for outputs in tflite_runtime_outputs([(case.model, case.x) for case in cases], tmp_path)],
        "S": [litert_output(case) for case in cases],
    }
    for family, wanted in told.items():
        for case, c_output, output in zip(cases, c_outputs(cases, family, tmp_path), wanted, strict=True):
            np.testing.assert_array_equal(c_output, output, strict=True)
            np.testing.assert_array_equal(reference_output(case, family), output, strict=True)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["D", "S"])
@pytest.mark.parametrize("board", ["rp2040", "nucleo-f446re"])
def test_many_operators_in_one_model_give_the_same_on_a_boards_core(board: str, family: Family) -> None:
    """Without a floating-point unit, and with one."""
    for tool in ("arm-none-eabi-gcc", "qemu-system-arm"):
        if not shutil.which(tool):
            missing(f"{tool} is not installed", "make system-packages")
    model = chain(np.random.default_rng(7)).model
    source = Source("chain", "chain", get_board(board), FirmwareModel(model, family), model, None)
    for tested in prove(source, windows=40):
        assert tested.outcome.holds, tested.outcome


def test_a_rescaling_is_written_over_what_it_reads() -> None:
    plan = make_plan(FirmwareModel(chain(np.random.default_rng(0)).model, "D"))
    rescaled = [planned.step for planned in plan.steps if planned.step.operator.name == "QUANTIZE"][1:]
    assert len(rescaled) == 2
    for step in rescaled:
        assert plan.homes[step.input.tensor.index] == plan.homes[step.output.tensor.index]
