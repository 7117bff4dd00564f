"""Small int8 models of one convolution, and programs of the C of many of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema
from int8_models import pack, tensor

from vedette.firmware_bridge.machine.program import NetworkProgram
from vedette.firmware_bridge.plan import FirmwareModel, make_plan
from vedette.firmware_bridge.writer.network import kernel_text, network_text
from vedette.firmware_bridge.writer.pair import Text, pair
from vedette.runtime.inference.reference.rounding import Family

Array = npt.NDArray[Any]
KINDS = ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV")
VERSIONS = {"CONV_2D": 3, "DEPTHWISE_CONV_2D": 3, "TRANSPOSE_CONV": 3}
OPTIONS = {
    "CONV_2D": ("Conv2DOptions", schema.Conv2DOptionsT),
    "DEPTHWISE_CONV_2D": ("DepthwiseConv2DOptions", schema.DepthwiseConv2DOptionsT),
    "TRANSPOSE_CONV": ("TransposeConvOptions", schema.TransposeConvOptionsT),
}
# What fused activations are: none, ReLU, ReLU to 1, ReLU to 6.
ACTIVATIONS = range(4)

_CALL = Template("""\
    {
        ${name}_arena_t memory;
        int8_t taken[${macro}_INPUT_SIZE], given[${macro}_OUTPUT_SIZE];
        memcpy(taken, input + $taken, sizeof taken);
        ${name}_run(&memory, taken, given);
        memcpy(output + $given, given, sizeof given);
    }""")


@dataclass
class Convolution:
    """One operator. ``output`` is its output's shape for a TRANSPOSE_CONV."""

    kind: str
    shape: tuple[int, ...]
    weights: Array
    bias: Array | None
    input_scale: float
    input_zero: int
    weight_scales: Array
    output_scale: float
    output_zero: int
    options: dict[str, int] = field(default_factory=dict)
    output: tuple[int, ...] = (1, 1, 1, 1)

    def model(self) -> bytes:
        """The operator as a .tflite model."""
        int8, int32 = schema.TensorType.INT8, schema.TensorType.INT32
        axis = 3 if self.kind == "DEPTHWISE_CONV_2D" else 0
        units = self.weights.shape[axis]
        scales = np.asarray(self.weight_scales, np.float32)
        bias = np.zeros(units, np.int32) if self.bias is None else self.bias.astype(np.int32)
        graph, operator, code = schema.SubGraphT(), schema.OperatorT(), schema.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = getattr(schema.BuiltinOperator, self.kind)
        code.version = VERSIONS[self.kind]
        name, kind = OPTIONS[self.kind]
        operator.builtinOptionsType = getattr(schema.BuiltinOptions, name)
        operator.builtinOptions = kind()
        for option, value in self.options.items():
            setattr(operator.builtinOptions, option, value)
        weights = tensor("weights", self.weights.shape, int8, 2, scales.tolist())
        weights.quantization.quantizedDimension = axis
        graph.tensors = [
            tensor("input", (1, *self.shape), int8, 0, [self.input_scale], zero_point=self.input_zero),
            weights,
            tensor("bias", bias.shape, int32, 3, (np.float32(self.input_scale) * scales).tolist()),
            tensor("output", self.output, int8, 0, [self.output_scale], zero_point=self.output_zero),
            tensor("shape", (4,), int32, 1, []),
        ]
        if self.kind == "TRANSPOSE_CONV":
            operator.inputs = [4, 1, 0] if self.bias is None else [4, 1, 0, 2]
        else:
            operator.inputs = [0, 1, -1 if self.bias is None else 2]
        operator.opcodeIndex, operator.outputs = 0, [3]
        graph.inputs, graph.outputs, graph.operators, graph.name = [0], [3], [operator], "main"
        shape = np.array(self.output, np.int32)
        return pack(graph, [code], [b"", shape.tobytes(), self.weights.tobytes(), bias.tobytes()])


def random_convolution(rng: np.random.Generator, kind: str, family: Family) -> Convolution:
    """One whose outputs use the int8 range; half of them have scales of powers of two, which make exact halves.

    A third of them have inputs and kernels of height 1.
    """
    flat = rng.random() < 0.3
    kernel = (1 if flat else int(rng.integers(1, 4)), int(rng.integers(1, 6)))
    channels, units = int(rng.integers(1, 22)), int(rng.integers(1, 12))
    strides = (int(rng.integers(1, 4)), int(rng.integers(1, 4)))
    padding = int(rng.integers(0, 2))
    if kind == "TRANSPOSE_CONV" and family == "S" and padding == schema.Padding.SAME:
        strides = (min(strides[0], kernel[0]), min(strides[1], kernel[1]))
    options = {"padding": padding, "strideH": strides[0], "strideW": strides[1]}
    output: tuple[int, ...] = (1, 1, 1, 1)
    if kind == "TRANSPOSE_CONV":
        height, width = 1 if flat else int(rng.integers(1, 5)), int(rng.integers(1, 8))
        if padding == schema.Padding.SAME:
            # All of which a convolution with these strides makes the input.
            sizes = [
                int(rng.integers((length - 1) * stride + 1, length * stride + 1))
                for length, stride in ((height, strides[0]), (width, strides[1]))
            ]
        else:
            sizes = [
                (length - 1) * stride + size + int(rng.integers(0, stride))
                for length, stride, size in ((height, strides[0], kernel[0]), (width, strides[1], kernel[1]))
            ]
        output = (1, *sizes, units)
        shape, weights_shape = (height, width, channels), (units, *kernel, channels)
    else:
        dilations = (int(rng.integers(1, 4)), int(rng.integers(1, 4))) if rng.random() < 0.4 else (1, 1)
        reach = [(size - 1) * step + 1 for size, step in zip(kernel, dilations, strict=True)]
        options |= {"dilationHFactor": dilations[0], "dilationWFactor": dilations[1]}
        shape = (1 if flat else reach[0] + int(rng.integers(0, 4)), reach[1] + int(rng.integers(0, 9)), channels)
        if padding == schema.Padding.SAME and not flat and rng.random() < 0.3:
            shape = (int(rng.integers(1, 4)), int(rng.integers(1, 4)), channels)
        weights_shape = (units, *kernel, channels)
        if kind == "DEPTHWISE_CONV_2D":
            multiplier = int(rng.choice([1, 1, 2, 3, 8]))
            options["depthMultiplier"] = multiplier
            units = channels * multiplier
            weights_shape = (1, *kernel, units)
    options["fusedActivationFunction"] = int(rng.choice(ACTIVATIONS))
    scales = units if units > 1 and rng.random() < 0.5 else 1
    spread = 2.0 ** rng.uniform(-3, 13)  # of the sums, in steps of the output
    if rng.random() < 0.5:
        input_scale, weight_scales = 2.0**-4, 2.0 ** -rng.integers(3, 7, scales).astype(float)
        output_scale = input_scale * weight_scales[0] * 2.0 ** int(np.log2(spread))
    else:
        input_scale, weight_scales = rng.uniform(0.001, 0.1), rng.uniform(0.005, 0.01, scales)
        output_scale = input_scale * weight_scales[0] * spread
    limit = int(rng.choice([100, 20000]))
    return Convolution(
        kind,
        shape,
        rng.integers(-127, 128, weights_shape).astype(np.int8),
        rng.integers(-limit, limit, units) if kind != "TRANSPOSE_CONV" or rng.random() < 0.7 else None,
        float(input_scale),
        int(rng.integers(-128, 128)),
        weight_scales,
        float(output_scale),
        int(rng.integers(-128, 128)),
        options,
        output,
    )


def outputs(model: FirmwareModel, windows: Array) -> Array:
    """The reference's outputs ``(windows, size)`` of inputs ``(windows, size)``."""
    shape = model.graph.inputs[0].shape
    return np.array([model.run(window.reshape(shape)).reshape(-1) for window in windows])


def many(models: Sequence[FirmwareModel], folder: Path) -> NetworkProgram:
    """One program of models of one family: its inputs and outputs are theirs, one after the other.

    Each runs on memory of its own of exactly its sizes, so that sanitizers see what goes beyond them.
    """
    headers, bodies, calls, kernels, taken, given = [], [], [], {}, 0, 0
    for number, model in enumerate(models):
        plan, name = make_plan(model), f"many_{number}"
        text = network_text(plan, name)
        body = text.source
        for kernel in dict.fromkeys(kernel for step in plan.steps for kernel in step.code.kernels):
            kernels[kernel] = kernel_text(kernel)
            body = body.replace(kernels[kernel], "")
        headers.append(text.header)
        bodies.append(body.replace("op0_", f"{name}_op0_"))
        calls.append(_CALL.substitute(name=name, macro=name.upper(), taken=taken, given=given))
        taken, given = taken + plan.input.size, given + plan.output.size
    function = "void many_run(many_arena_t *arena, const int8_t *input, int8_t *output)"
    headers.append(
        f"#define MANY_INPUT_SIZE {taken}\n#define MANY_OUTPUT_SIZE {given}\n"
        f"typedef struct {{ uint32_t words[1]; }} many_arena_t;\n{function};\n"
    )
    body = "\n".join([*kernels.values(), *bodies, function + " {\n    (void)arena;", *calls, "}\n"])
    for path, content in pair("many", "many models", [Text("\n".join(headers), body)]).items():
        (folder / path).write_text(content, encoding="utf-8")
    return NetworkProgram("many", (folder / "many.c",), folder)
