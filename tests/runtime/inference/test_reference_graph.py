"""What the reader of models refuses, and that no damage makes it do anything but refuse."""

from __future__ import annotations

import random

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given, settings
from hypothesis import strategies as st
from int8_models import Layer, inputs, random_layer, repack, shared_model, unpack
from tiny import tiny_model

from vedette.errors import ModelError
from vedette.runtime.inference.interpreter import Model
from vedette.runtime.inference.reference.graph import read
from vedette.runtime.inference.reference.operator_names import NAMES, operator_name
from vedette.runtime.inference.reference.program import ENGINE

CONVOLUTION = random_layer(np.random.default_rng(0), dense=False).model()


def refusal(data: bytes) -> str:
    with pytest.raises(ModelError) as error:
        Model(data, package="reference-D")
    return str(error.value)


def changed(change: object) -> bytes:
    """The tiny model after ``change(model, graph)``."""
    model = unpack(tiny_model())
    change(model, model.subgraphs[0])  # type: ignore[operator]
    return repack(model)


def test_a_model_is_read_as_the_generated_reader_reads_it() -> None:
    graph, wanted = read(tiny_model(), ENGINE), unpack(tiny_model()).subgraphs[0]
    assert [operator.name for operator in graph.operators] == ["FULLY_CONNECTED"]
    for index, tensor in graph.tensors.items():
        found = wanted.tensors[index]
        assert (tensor.name, list(tensor.shape)) == (found.name.decode(), list(found.shape))
        if tensor.dtype == np.int8:
            assert tensor.scales.tolist() == np.float32(found.quantization.scale).tolist()
        assert (tensor.data is None) == (index in (0, 3))


def test_the_operators_names_are_the_schemas() -> None:
    codes = {code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)}
    assert [codes[code] for code in range(len(NAMES))] == list(NAMES)
    assert operator_name(100_000) == "operator 100000"


@pytest.mark.parametrize("data", [b"", b"\0" * 64, b"TFL3" * 40, b"\x08\0\0\0TFL3"])
def test_what_is_no_model_is_refused(data: bytes) -> None:
    assert "damaged" in refusal(data) or "not a TFLite model" in refusal(data)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("mltk/autoencoder_example.tflite", ["operator 0 (QUANTIZE)", "inference_input_type"]),
        ("mlperf_tiny/kws_ref_model_int8.tflite", ["operator 1 (DEPTHWISE_CONV_2D)", "CONV_2D"]),
        ("mlperf_tiny/ic_resnet8_int8.tflite", ["(ADD)"]),
        ("bad/keyword_scrambled_8bit.tflite", ["operator 0 (QUANTIZE)"]),
        ("bad/split_concat_edgetpu.tflite", ["(CUSTOM)", "accelerator"]),
    ],
)
def test_an_operator_that_is_not_computed_is_named_with_place_and_replacement(path: str, words: list[str]) -> None:
    message = refusal(shared_model(path))
    assert all(word in message for word in [*words, "FULLY_CONNECTED", "ai-edge-litert"]), message


def test_a_newer_version_is_refused() -> None:
    def newer(model: schema.ModelT, _: schema.SubGraphT) -> None:
        model.operatorCodes[0].version = 99

    assert "operator 0 (FULLY_CONNECTED): expected version 1 to 12, found 99" in refusal(changed(newer))


@pytest.mark.parametrize("kind", ["FLOAT32", "INT16", "UINT8", "INT4"])
def test_other_types_are_refused(kind: str) -> None:
    def retyped(_: schema.ModelT, graph: schema.SubGraphT) -> None:
        graph.tensors[0].type = getattr(schema.TensorType, kind)

    message = refusal(changed(retyped))
    assert 'operator 0 (FULLY_CONNECTED): tensor "window"' in message
    assert "int8 throughout" in message


def test_several_subgraphs_are_refused() -> None:
    def doubled(model: schema.ModelT, graph: schema.SubGraphT) -> None:
        model.subgraphs = [graph, graph]

    assert "1 subgraph, found 2" in refusal(changed(doubled))


def test_open_dimensions_besides_the_batch_are_refused() -> None:
    def opened(_: schema.ModelT, graph: schema.SubGraphT) -> None:
        graph.tensors[0].shapeSignature = [1, -1]

    assert "fixed shapes" in refusal(changed(opened))


@pytest.mark.parametrize(
    ("tensor", "scale", "zero_point", "words"),
    [
        (0, 0.0, 0, "scales"),
        (0, float("nan"), 0, "scales"),
        (0, -1.0, 0, "scales"),
        (3, 0.1, 300, "zero point"),
        (1, 0.1, 5, "zero point 0"),
        (3, 1e-6, 0, "less than 256"),
    ],
)
def test_impossible_quantization_is_refused(tensor: int, scale: float, zero_point: int, words: str) -> None:
    def requantized(_: schema.ModelT, graph: schema.SubGraphT) -> None:
        graph.tensors[tensor].quantization.scale = [scale]
        graph.tensors[tensor].quantization.zeroPoint = [zero_point]

    assert words in refusal(changed(requantized))


def test_sums_that_may_leave_32_bits_are_refused() -> None:
    layer = Layer((4,), np.full((1, 4), 127, np.int8), np.array([2**31 - 10]), 0.1, 0, np.array([0.1]), 1e6, 0)
    assert "32 bits" in refusal(layer.model())


def test_weights_that_are_computed_are_refused() -> None:
    def unfilled(model: schema.ModelT, _: schema.SubGraphT) -> None:
        model.buffers[1].data = None

    assert 'tensor "kernel" is read before it is computed' in refusal(changed(unfilled))


def test_a_buffer_of_another_size_is_refused() -> None:
    def cut(model: schema.ModelT, _: schema.SubGraphT) -> None:
        model.buffers[1].data = model.buffers[1].data[:-1]

    assert "do not fit the shape" in refusal(changed(cut))


@settings(max_examples=300)
@given(st.sampled_from([tiny_model(), CONVOLUTION]), st.integers(0, 2**32 - 1), st.integers(1, 24))
def test_damage_is_refused_or_runs(data: bytes, seed: int, count: int) -> None:
    source, damaged = random.Random(seed), bytearray(data)
    for _ in range(count):
        at = source.randrange(len(damaged))
        length = source.choice((1, 4))
        damaged[at : at + length] = source.choice((b"\xff" * length, b"\0" * length, source.randbytes(length)))
    if source.random() < 0.1:
        del damaged[source.randrange(len(damaged)) :]
    try:
        model = Model(bytes(damaged), package="reference-" + source.choice("DHS"))
        assert model.run(inputs(np.random.default_rng(seed), model.input.shape)).shape == model.output.shape
    except ModelError:
        pass
