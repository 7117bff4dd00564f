"""What slim takes out of a model, and that nothing can tell afterwards."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from ai_edge_litert.interpreter import Interpreter
from hypothesis import given
from hypothesis import strategies as st
from required import missing
from tiny import tiny_model
from trained import KINDS

from vedette.compress import flatbuffer
from vedette.compress.boards import get_board
from vedette.compress.edgetpu.check import check
from vedette.compress.edgetpu.rewrite import rewrite
from vedette.compress.slim import slim
from vedette.errors import ModelError
from vedette.runtime.bundles import bundle as bundles
from vedette.runtime.inference.interpreter import Model

ROOT = Path(__file__).parent.parent.parent
MODELS = ROOT.parent / "shared" / "models"
TFLITE_RUNTIME = ROOT / ".venvs" / "tflite-runtime" / "bin" / "python"
# Real models of others; the two in "bad" do not run here.
OTHERS = (
    "mlperf_tiny/ad01_int8",
    "mlperf_tiny/kws_ref_model_int8",
    "mlperf_tiny/ic_resnet8_int8",
    "mltk/autoencoder_example",
    "tflite_micro/hello_world_int8",
    "own/ae_pc",
    "own/ae_pt",
)
INPUTS = 1000
# Prints a digest of the outputs of two models for the same random inputs, and for batches of other sizes.
COMPARE = """
import hashlib, json, sys
import numpy as np
from importlib import import_module

Interpreter = import_module(sys.argv[1]).Interpreter
digests = []
for path in sys.argv[3:]:
    digest, rng = hashlib.sha256(), np.random.default_rng(1)
    model = Interpreter(model_path=path, num_threads=1)
    model.allocate_tensors()
    taken, given = model.get_input_details(), model.get_output_details()
    open_batch = all(detail["shape_signature"][0] < 0 for detail in taken)
    for batch in [None] * int(sys.argv[2]) + [3, 1, 64] * open_batch:
        if batch is not None:
            for detail in taken:
                model.resize_tensor_input(detail["index"], (batch, *detail["shape"][1:]), strict=True)
            model.allocate_tensors()
        for detail in taken:
            shape = (batch or detail["shape"][0], *detail["shape"][1:])
            real = np.issubdtype(detail["dtype"], np.floating)
            values = rng.normal(size=shape) * 2 if real else rng.integers(-128, 128, shape)
            model.set_tensor(detail["index"], values.astype(detail["dtype"]))
        model.invoke()
        for detail in given:
            digest.update(model.get_tensor(detail["index"]).tobytes())
    digests.append(digest.hexdigest())
print(json.dumps(digests))
"""


def digests(python: str | Path, module: str, inputs: int, paths: Sequence[Path]) -> list[str]:
    """A digest of each model's outputs, computed in a process of its own: tflite-runtime needs one."""
    result = subprocess.run(
        [python, "-c", COMPARE, module, str(inputs), *paths],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"]},
    )
    assert result.returncode == 0, result.stderr
    found: list[str] = json.loads(result.stdout)
    return found


def assert_same_outputs(before: bytes, after: bytes, folder: Path, *, inputs: int = INPUTS) -> None:
    """On both interpreters."""
    paths = [folder / "before.tflite", folder / "after.tflite"]
    for path, model in zip(paths, (before, after), strict=True):
        path.write_bytes(model)
    first, second = digests(sys.executable, "ai_edge_litert.interpreter", inputs, paths)
    assert first == second
    if not TFLITE_RUNTIME.exists():
        missing("the environment .venvs/tflite-runtime is missing", "make environments")
    first, second = digests(TFLITE_RUNTIME, "tflite_runtime.interpreter", inputs, paths)
    assert first == second


def other(name: str) -> bytes:
    path = MODELS / f"{name}.tflite"
    if not path.exists():
        missing(f"the model {path.name} is missing", "put it where tests/compress/test_slim.py looks for it")
    return path.read_bytes()


def delegated(model: bytes) -> list[str]:
    """The operators after XNNPACK took its own, as ai-edge-litert names them."""
    interpreter = Interpreter(model_content=model, num_threads=1)
    interpreter.allocate_tensors()
    return [detail["op_name"] for detail in interpreter._get_ops_details()]


def named(graph: Any) -> list[bytes]:
    return [tensor.name for subgraph in graph.subgraphs for tensor in subgraph.tensors if tensor.name]


def test_names_metadata_signatures_and_ranges_go() -> None:
    graph = flatbuffer.read(tiny_model())
    graph.description = b"made by hand"
    graph.subgraphs[0].tensors[0].quantization.min = np.array([-8], np.float32)
    assert named(graph)
    slimmed = flatbuffer.read(slim(flatbuffer.write(graph)))
    assert named(slimmed) == []
    assert slimmed.description is None
    assert slimmed.metadata is None
    assert slimmed.signatureDefs is None
    assert slimmed.subgraphs[0].name is None
    assert slimmed.subgraphs[0].tensors[0].quantization.min is None


def test_scales_and_zero_points_stay_as_interpreters_refuse_a_model_or_round_otherwise_without() -> None:
    before, after = (flatbuffer.read(model).subgraphs[0] for model in (tiny_model(), slim(tiny_model())))
    for tensor, slimmed in zip(before.tensors, after.tensors, strict=True):
        assert slimmed.quantization.scale.tolist() == tensor.quantization.scale.tolist()
        assert slimmed.quantization.zeroPoint.tolist() == tensor.quantization.zeroPoint.tolist()


def test_what_nothing_refers_to_goes() -> None:
    graph = flatbuffer.read(tiny_model())
    size = len(slim(flatbuffer.write(graph)))
    subgraph = graph.subgraphs[0]
    subgraph.tensors = [subgraph.tensors[1], *subgraph.tensors]
    subgraph.inputs, subgraph.outputs = subgraph.inputs + 1, subgraph.outputs + 1
    subgraph.operators[0].inputs = subgraph.operators[0].inputs + 1
    subgraph.operators[0].outputs = subgraph.operators[0].outputs + 1
    graph.operatorCodes = [*graph.operatorCodes, *graph.operatorCodes]
    graph.buffers = [*graph.buffers, graph.buffers[1]]
    assert len(slim(flatbuffer.write(graph))) == size


def test_metadata_that_an_interpreter_reads_stays() -> None:
    graph = flatbuffer.read(tiny_model())
    entries = []
    for name in (b"reduced_precision_support", b"min_runtime_version"):
        entry = flatbuffer.schema.MetadataT()
        entry.name, entry.buffer = name, len(graph.buffers)
        buffer = flatbuffer.schema.BufferT()
        buffer.data = np.frombuffer(b"fp16accfp16 " + name, np.uint8)
        graph.buffers.append(buffer)
        entries.append(entry)
    graph.metadata = entries
    slimmed = flatbuffer.read(slim(flatbuffer.write(graph)))
    (entry,) = slimmed.metadata
    assert entry.name == b"reduced_precision_support"
    assert bytes(slimmed.buffers[entry.buffer].data) == b"fp16accfp16 reduced_precision_support"


def test_constants_stay_aligned_as_the_schema_asks() -> None:
    model = slim(dense_network([17, 9, 33], per_channel=True, seed=1))
    found = [model.index(bytes(data)) % 16 for data in flatbuffer.constants(flatbuffer.read(model))]
    assert found == [0, 0, 0, 0]


def test_a_slim_model_is_slim_already_and_the_same_model_gives_the_same_bytes() -> None:
    model = slim(tiny_model())
    assert model == slim(tiny_model())
    assert slim(model) == model
    assert len(model) < len(tiny_model())


def test_a_slim_model_of_one_layer_computes_the_same() -> None:
    windows = np.random.default_rng(3).integers(-128, 128, (200, 1, 12)).astype(np.int8)
    before, after = Model(tiny_model()), Model(slim(tiny_model()))
    assert (before.input.quantization, before.output.quantization) == (
        after.input.quantization,
        after.output.quantization,
    )
    for window in windows:
        assert np.array_equal(before.run(window), after.run(window))


@pytest.mark.parametrize("model", [b"", b"TFL3", b"\x1c\0\0\0TFL3", b"PK\x03\x04 a zip archive", tiny_model()[:300]])
def test_what_is_not_a_model_is_refused_in_words(model: bytes) -> None:
    with pytest.raises(ModelError, match=r"expected a \.tflite model"):
        slim(model)


@given(st.lists(st.tuples(st.integers(0, len(tiny_model()) - 1), st.integers(0, 255)), min_size=1, max_size=3))
def test_a_damaged_model_is_refused_in_words_or_handled(changes: list[tuple[int, int]]) -> None:
    damaged = bytearray(tiny_model())
    for place, value in changes:
        damaged[place] = value
    accelerator = get_board("coral-usb").accelerator
    assert accelerator is not None
    try:
        slim(bytes(damaged))
        check(rewrite(bytes(damaged), accelerator), accelerator)
    except ModelError as error:
        assert "expected a .tflite model" in str(error)


@given(st.lists(st.integers(1, 40), min_size=2, max_size=5), st.booleans(), st.integers(0, 2**32 - 1))
def test_any_dense_network_computes_the_same_after_slimming(widths: list[int], per_channel: bool, seed: int) -> None:
    model = dense_network(widths, per_channel=per_channel, seed=seed)
    slimmed = slim(model)
    assert len(slimmed) < len(model)
    assert slim(slimmed) == slimmed
    before, after = Model(model), Model(slimmed)
    for window in np.random.default_rng(seed).integers(-128, 128, (5, 1, widths[0])).astype(np.int8):
        assert np.array_equal(before.run(window), after.run(window))


def dense_network(widths: list[int], *, per_channel: bool, seed: int) -> bytes:
    """Random int8 dense layers of those widths, as .tflite bytes with names."""
    rng, schema = np.random.default_rng(seed), flatbuffer.schema
    graph = flatbuffer.read(tiny_model())
    subgraph, (operator,) = graph.subgraphs[0], graph.subgraphs[0].operators
    graph.buffers = graph.buffers[:1]
    subgraph.tensors, subgraph.operators = [], []

    def add(name: str, kind: int, scale: npt.NDArray[Any], shape: Sequence[int], data: bytes = b"") -> int:
        tensor = schema.TensorT()
        tensor.name, tensor.type, tensor.shape = name, kind, np.array(shape, np.int32)
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale = scale.astype(np.float32)
        tensor.quantization.zeroPoint = np.zeros(len(scale), np.int64)
        tensor.buffer = len(graph.buffers) if data else 0
        if data:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(data, np.uint8)
            graph.buffers.append(buffer)
        subgraph.tensors.append(tensor)
        return len(subgraph.tensors) - 1

    one = np.array([0.05])
    tensor = add("window", schema.TensorType.INT8, one, (1, widths[0]))
    subgraph.inputs = np.array([tensor], np.int32)
    for layer, (inputs, units) in enumerate(itertools.pairwise(widths)):
        scale = rng.uniform(0.001, 0.02, units if per_channel else 1)
        weights = rng.integers(-127, 128, (units, inputs)).astype(np.int8)
        biases = rng.integers(-999, 999, units).astype(np.int32)
        kernel = add(f"layer_{layer}/kernel", schema.TensorType.INT8, scale, (units, inputs), weights.tobytes())
        bias = add(f"layer_{layer}/bias", schema.TensorType.INT32, scale * 0.05, (units,), biases.tobytes())
        output = add(f"layer_{layer}/output", schema.TensorType.INT8, one, (1, units))
        step = schema.OperatorT()
        step.inputs, step.outputs = np.array([tensor, kernel, bias], np.int32), np.array([output], np.int32)
        step.builtinOptionsType, step.builtinOptions = operator.builtinOptionsType, operator.builtinOptions
        subgraph.operators.append(step)
        tensor = output
    subgraph.outputs = np.array([tensor], np.int32)
    return flatbuffer.write(graph)


@pytest.mark.slow
@pytest.mark.parametrize("name", OTHERS)
def test_models_of_others_compute_the_same_on_both_interpreters(name: str, tmp_path: Path) -> None:
    model = other(name)
    slimmed = slim(model)
    assert len(slimmed) < len(model)
    assert slim(slimmed) == slimmed
    assert delegated(slimmed) == delegated(model)
    assert_same_outputs(model, slimmed, tmp_path, inputs=100)


@pytest.mark.parametrize("name", ["bad/keyword_scrambled_8bit", "bad/split_concat_edgetpu"])
def test_what_cannot_run_here_can_still_be_slimmed(name: str) -> None:
    model = other(name)
    slimmed = slim(model)
    assert slim(slimmed) == slimmed
    before, after = (flatbuffer.read(data) for data in (model, slimmed))
    kinds = [[flatbuffer.operator_name(graph, op) for op in graph.subgraphs[0].operators] for graph in (before, after)]
    assert kinds[0] == kinds[1]
    options = [graph.subgraphs[0].operators[0].customOptions for graph in (before, after)]
    assert np.array_equal(*options)


@pytest.mark.slow
@pytest.mark.parametrize("board", ["x86-64", "coral-usb"])
@pytest.mark.parametrize("kind", KINDS)
def test_our_models_compute_the_same_and_lose_their_overhead(
    kind: str, board: str, exported: dict[str, Path], tmp_path: Path
) -> None:
    model = bundles.read(exported[f"{kind}-{board}"]).model_bytes
    slimmed = slim(model)
    assert slim(slimmed) == slimmed
    assert delegated(slimmed) == delegated(model)
    graph = flatbuffer.read(slimmed)
    parameters = sum(len(data) for data in flatbuffer.constants(graph))
    quantizations = [tensor.quantization for tensor in graph.subgraphs[0].tensors if tensor.quantization is not None]
    scales = sum(quantization.scale.nbytes for quantization in quantizations)
    zero_points = {quantization.zeroPoint.tobytes() for quantization in quantizations}
    overhead = len(slimmed) - parameters - scales - sum(map(len, zero_points))
    assert overhead < 500 + 200 * len(graph.subgraphs[0].operators)
    assert_same_outputs(model, slimmed, tmp_path)


@pytest.mark.slow
def test_a_float_model_computes_the_same(trained: dict[str, Any], tmp_path: Path) -> None:
    from vedette.train import model_dir
    from vedette.train.convert import float_model

    directory = model_dir.load(trained["conv_vae"].path)
    model = float_model(directory, directory.load_network())
    assert len(slim(model)) < len(model)
    assert_same_outputs(model, slim(model), tmp_path)
