"""Small int8 .tflite models for the tests of the NumPy kernels, and what other kernels make of them."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema
from required import missing

Array = npt.NDArray[Any]
ROOT = Path(__file__).parent.parent
TFLITE_RUNTIME = ROOT / ".venvs" / "tflite-runtime" / "bin" / "python"
SHARED = ROOT.parent / "shared" / "models"

# Runs in an environment of its own: models m0, m1 ... on inputs x0, x1 ...; `auto` are the default kernels (H), `ref`
# the reference ones (D).
OTHER_PROCESS = """
import sys
import numpy as np
from tflite_runtime.interpreter import Interpreter, OpResolverType
arrays = np.load(sys.argv[1])
outputs = {}
for number in range(len(arrays.files) // 2):
    for name, kernels in (("H", OpResolverType.AUTO), ("D", OpResolverType.BUILTIN_REF)):
        x = arrays[f"x{number}"]
        model = Interpreter(model_content=arrays[f"m{number}"].tobytes(), experimental_op_resolver_type=kernels)
        index = model.get_input_details()[0]["index"]
        if tuple(x.shape) != tuple(model.get_input_details()[0]["shape"]):
            model.resize_tensor_input(index, x.shape)
        model.allocate_tensors()
        model.set_tensor(index, x)
        model.invoke()
        outputs[f"{name}{number}"] = model.get_tensor(model.get_output_details()[0]["index"])
np.savez(sys.argv[2], **outputs)
"""


@dataclass
class Layer:
    """One FULLY_CONNECTED (weights of 2 dimensions) or CONV_2D (4), any batch; ``shape`` is the input's for one."""

    shape: tuple[int, ...]
    weights: Array
    bias: Array | None
    input_scale: float
    input_zero: int
    weight_scales: Array
    output_scale: float
    output_zero: int
    activation: int = 0
    options: dict[str, int] = field(default_factory=dict)

    def model(self) -> bytes:
        """The layer as a .tflite model."""
        dense = self.weights.ndim == 2
        int8, int32 = schema.TensorType.INT8, schema.TensorType.INT32
        scales = np.asarray(self.weight_scales, np.float32)
        bias = np.zeros(len(self.weights), np.int32) if self.bias is None else self.bias.astype(np.int32)
        graph, operator, code = schema.SubGraphT(), schema.OperatorT(), schema.OperatorCodeT()
        builtin = schema.BuiltinOperator
        code.builtinCode = code.deprecatedBuiltinCode = builtin.FULLY_CONNECTED if dense else builtin.CONV_2D
        code.version = 4 if dense else 3
        options = schema.FullyConnectedOptionsT() if dense else schema.Conv2DOptionsT()
        kinds = schema.BuiltinOptions
        operator.builtinOptionsType = kinds.FullyConnectedOptions if dense else kinds.Conv2DOptions
        for name, value in {"fusedActivationFunction": self.activation, **self.options}.items():
            setattr(options, name, value)
        operator.builtinOptions = options
        operator.opcodeIndex, operator.inputs, operator.outputs = 0, [0, 1, 2 if self.bias is not None else -1], [3]
        output = (1, len(self.weights)) if dense else (1, 1, 1, len(self.weights))
        graph.tensors = [
            tensor("input", (1, *self.shape), int8, 0, [self.input_scale], zero_point=self.input_zero, open_batch=True),
            tensor("weights", self.weights.shape, int8, 1, scales.tolist()),
            tensor("bias", bias.shape, int32, 2, (np.float32(self.input_scale) * scales).tolist()),
            tensor("output", output, int8, 0, [self.output_scale], zero_point=self.output_zero, open_batch=dense),
        ]
        graph.inputs, graph.outputs, graph.operators, graph.name = [0], [3], [operator], "main"
        return pack(graph, [code], [b"", self.weights.tobytes(), bias.tobytes()])


def tensor(
    name: str,
    shape: tuple[int, ...],
    kind: int,
    buffer: int,
    scales: list[float],
    *,
    zero_point: int = 0,
    open_batch: bool = False,
) -> schema.TensorT:
    found, quantization = schema.TensorT(), schema.QuantizationParametersT()
    quantization.scale, quantization.zeroPoint = scales, [zero_point] * len(scales)
    found.name, found.shape, found.type, found.buffer = name, list(shape), kind, buffer
    found.quantization = quantization
    if open_batch:
        found.shapeSignature = [-1, *shape[1:]]
    return found


def pack(graph: schema.SubGraphT, codes: list[schema.OperatorCodeT], buffers: list[bytes]) -> bytes:
    """A model of one graph."""
    model = schema.ModelT()
    model.version, model.operatorCodes, model.subgraphs, model.buffers = 3, codes, [graph], []
    for content in buffers:
        buffer = schema.BufferT()
        if content:
            buffer.data = np.frombuffer(content, np.uint8)
        model.buffers.append(buffer)
    return repack(model)


def unpack(data: bytes) -> schema.ModelT:
    """A model as objects that can be changed."""
    return schema.ModelT.InitFromPackedBuf(data, 0)


def repack(model: schema.ModelT) -> bytes:
    """The bytes of a changed model."""
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def random_layer(rng: np.random.Generator, *, dense: bool) -> Layer:
    """A layer whose outputs use the int8 range; half of them have scales of powers of two, which make exact halves.

    Interpreters take dense layers without a bias, but no such convolutions.
    """
    units, channels = int(rng.integers(1, 20)), int(rng.integers(1, 12))
    if dense:
        shape, weights_shape = (channels * 3,), (units, channels * 3)
        options = {}
    else:
        kernel = (int(rng.integers(1, 4)), int(rng.integers(1, 5)))
        dilation = (int(rng.integers(1, 3)), int(rng.integers(1, 3)))
        reach = [(size - 1) * step + 1 for size, step in zip(kernel, dilation, strict=True)]
        shape = (reach[0] + int(rng.integers(0, 3)), reach[1] + int(rng.integers(0, 6)), channels)
        weights_shape = (units, *kernel, channels)
        options = {
            "padding": int(rng.integers(0, 2)),
            "strideH": int(rng.integers(1, 3)) if dilation == (1, 1) else 1,
            "strideW": int(rng.integers(1, 3)) if dilation == (1, 1) else 1,
            "dilationHFactor": dilation[0],
            "dilationWFactor": dilation[1],
        }
    scales = units if units > 1 and rng.random() < 0.5 else 1
    weights = rng.integers(-127, 128, weights_shape).astype(np.int8)
    spread = 2.0 ** rng.uniform(-3, 14)  # of the sums, in steps of the output
    if rng.random() < 0.5:
        input_scale, weight_scales = 2.0**-4, 2.0 ** -rng.integers(3, 7, scales).astype(float)
        output_scale = input_scale * weight_scales[0] * 2.0 ** int(np.log2(spread))
    else:
        input_scale, weight_scales = rng.uniform(0.001, 0.1), rng.uniform(0.005, 0.01, scales)
        output_scale = input_scale * weight_scales[0] * spread
    return Layer(
        shape,
        weights,
        rng.integers(-20000, 20000, units) if not dense or rng.random() < 0.7 else None,
        float(input_scale),
        int(rng.integers(-128, 128)),
        weight_scales,
        float(output_scale),
        int(rng.integers(-128, 128)),
        int(rng.integers(0, 4)),
        options,
    )


def inputs(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Random int8 inputs of a model."""
    return rng.integers(-128, 128, shape).astype(np.int8)


def tflite_runtime_outputs(cases: list[tuple[bytes, Array]], folder: Path) -> list[dict[str, Array]]:
    """For each model and batch of inputs what tflite-runtime's default (H) and reference (D) kernels give."""
    if not TFLITE_RUNTIME.exists():
        missing("the environment .venvs/tflite-runtime is missing", "make environments")
    arrays = {}
    for number, (model, x) in enumerate(cases):
        arrays[f"m{number}"], arrays[f"x{number}"] = np.frombuffer(model, np.uint8), x
    np.savez(folder / "cases.npz", **arrays)  # type: ignore[arg-type]
    subprocess.run(
        [TFLITE_RUNTIME, "-c", OTHER_PROCESS, folder / "cases.npz", folder / "outputs.npz"],
        check=True,
        capture_output=True,
    )
    with np.load(folder / "outputs.npz") as outputs:
        return [{family: outputs[f"{family}{number}"] for family in "HD"} for number in range(len(cases))]


def shared_model(path: str) -> bytes:
    """A model of the shared folder, or a skip."""
    if not (SHARED / path).exists():
        missing(f"the model {path} is missing", "a checkout with the shared folder beside it")
    return (SHARED / path).read_bytes()
