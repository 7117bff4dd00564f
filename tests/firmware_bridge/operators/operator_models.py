"""Models of one operator for the tests of firmware's operators: what interpreters, references and C make of them."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from int8_models import TFLITE_RUNTIME, pack, tensor
from required import missing

from vedette.firmware_bridge.machine.compiler import host_toolchain
from vedette.firmware_bridge.operators import ENGINE, OPERATORS
from vedette.firmware_bridge.operators.base import Step, Value
from vedette.firmware_bridge.writer.literals import array, c_type
from vedette.firmware_bridge.writer.network import kernel_text
from vedette.runtime.inference.quiet import native_stderr_hidden
from vedette.runtime.inference.reference import graph as graphs
from vedette.runtime.inference.reference.rounding import Family

Array = npt.NDArray[Any]
FAMILIES: tuple[Family, ...] = ("D", "S")
# Runs in an environment of its own: models m0, m1 ... with inputs x0_0, x0_1 ... (windows first) and their number n0.
OTHER_PROCESS = """
import sys
import numpy as np
from tflite_runtime.interpreter import Interpreter, OpResolverType
arrays = np.load(sys.argv[1])
outputs = {}
for number in range(int(arrays["count"])):
    model = Interpreter(
        model_content=arrays[f"m{number}"].tobytes(), experimental_op_resolver_type=OpResolverType.BUILTIN_REF
    )
    model.allocate_tensors()
    inputs = [arrays[f"x{number}_{i}"] for i in range(len(model.get_input_details()))]
    found = []
    for window in zip(*inputs):
        for details, x in zip(model.get_input_details(), window):
            model.set_tensor(details["index"], x)
        model.invoke()
        found.append(model.get_tensor(model.get_output_details()[0]["index"]))
    outputs[f"y{number}"] = np.stack(found)
np.savez(sys.argv[2], **outputs)
"""


@dataclass(frozen=True)
class Tensor:
    """An int8 tensor, or with int32 ``data`` a constant without a scale."""

    shape: tuple[int, ...]
    scale: float = 1.0
    zero_point: int = 0
    data: Array | None = None


@dataclass(frozen=True)
class Node:
    """An operator between numbered tensors; ``options`` is the name of its table without "Options", with ``fields``."""

    name: str
    inputs: tuple[int, ...]
    output: int
    options: str | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    version: int = 1


def network(nodes: Sequence[Node], tensors: Sequence[Tensor]) -> bytes:
    """A .tflite model, whose inputs are the tensors that are read but neither written nor constant."""
    graph = schema.SubGraphT()
    buffers, graph.tensors, graph.operators, codes = [b""], [], [], []
    for number, each in enumerate(tensors):
        kind, at = schema.TensorType.INT8, 0
        if each.data is not None:
            kind = schema.TensorType.INT32 if each.data.dtype == np.int32 else kind
            at = len(buffers)
            buffers.append(each.data.tobytes())
        scales = [each.scale] if kind == schema.TensorType.INT8 else []
        graph.tensors.append(tensor(f"t{number}", each.shape, kind, at, scales, zero_point=each.zero_point))
    for number, node in enumerate(nodes):
        operator, code = schema.OperatorT(), schema.OperatorCodeT()
        code.builtinCode = getattr(schema.BuiltinOperator, node.name)
        code.deprecatedBuiltinCode, code.version = min(code.builtinCode, 127), node.version
        if node.options is not None:
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, f"{node.options}Options")
            operator.builtinOptions = getattr(schema, f"{node.options}OptionsT")()
            for name, value in node.fields.items():
                setattr(operator.builtinOptions, name, value)
        operator.opcodeIndex, operator.inputs, operator.outputs = number, list(node.inputs), [node.output]
        graph.operators.append(operator)
        codes.append(code)
    read, written = {i for node in nodes for i in node.inputs}, {node.output for node in nodes}
    graph.inputs = sorted(i for i in read - written if tensors[i].data is None)
    graph.outputs, graph.name = [nodes[-1].output], "main"
    return pack(graph, codes, buffers)


@dataclass(frozen=True)
class Model:
    """One operator; ``options`` and ``fields`` are those of :class:`Node`."""

    name: str
    inputs: tuple[Tensor, ...]
    output: Tensor
    options: str | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    version: int = 1

    @property
    def bytes(self) -> bytes:
        """The .tflite model."""
        count = len(self.inputs)
        node = Node(self.name, tuple(range(count)), count, self.options, self.fields, self.version)
        return network([node], [*self.inputs, self.output])

    def windows(self, rng: np.random.Generator, count: int) -> list[Array]:
        """Random inputs, ``count`` of each; the first are all ends of the range."""
        given = [each for each in self.inputs if each.data is None]
        found = [rng.integers(-128, 128, (count, *each.shape)).astype(np.int8) for each in given]
        for number, x in enumerate(found):
            x[0] = 127 if number % 2 else -128
            x[1 % count] = -128 if number % 2 else 127
        return found


@dataclass(frozen=True)
class Case:
    """A model with inputs, one array ``(windows, ...)`` for each that is no constant."""

    model: Model
    inputs: list[Array]

    def operator(self) -> graphs.Operator:
        """The operator as it is read."""
        return graphs.read(self.model.bytes, ENGINE).operators[0]

    def reference(self, family: Family) -> Array:
        """The NumPy reference's outputs ``(windows, ...)``."""
        operator = self.operator()
        kernel = OPERATORS[operator.name].reference(operator, family)
        outputs = []
        for window in zip(*self.inputs, strict=True):
            given = iter(window)
            outputs.append(kernel(*[next(given) if t is None or t.data is None else t.data for t in operator.inputs]))
        return np.stack(outputs)

    def litert(self) -> Array:
        """The outputs of ai-edge-litert, with its default kernels (S)."""
        return litert(self.model.bytes, self.inputs)


def litert(model: bytes, inputs: list[Array]) -> Array:
    """The outputs of ai-edge-litert, with its default kernels (S), for one array ``(windows, ...)`` an input."""
    with native_stderr_hidden():
        interpreter = Interpreter(model_content=model, num_threads=1)
        interpreter.allocate_tensors()
    outputs = []
    for window in zip(*inputs, strict=True):
        for details, x in zip(interpreter.get_input_details(), window, strict=True):
            interpreter.set_tensor(details["index"], x)
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))
    return np.stack(outputs)


def case(rng: np.random.Generator, model: Model, windows: int = 4) -> Case:
    """A model with random inputs."""
    return Case(model, model.windows(rng, windows))


def tflite_runtime(cases: Sequence[tuple[bytes, list[Array]]], folder: Path) -> list[Array]:
    """The outputs of tflite-runtime's reference kernels (D) for each model and its inputs."""
    if not TFLITE_RUNTIME.exists():
        missing("the environment .venvs/tflite-runtime is missing", "make environments")
    arrays: dict[str, Array] = {"count": np.array(len(cases))}
    for number, (model, inputs) in enumerate(cases):
        arrays[f"m{number}"] = np.frombuffer(model, np.uint8)
        arrays |= {f"x{number}_{i}": x for i, x in enumerate(inputs)}
    np.savez(folder / "cases.npz", **arrays)  # type: ignore[arg-type]
    subprocess.run(
        [TFLITE_RUNTIME, "-c", OTHER_PROCESS, folder / "cases.npz", folder / "outputs.npz"],
        check=True,
        capture_output=True,
    )
    with np.load(folder / "outputs.npz") as outputs:
        return [outputs[f"y{number}"] for number in range(len(cases))]


def c_outputs(cases: list[Case], family: Family, folder: Path, *flags: str) -> list[Array]:
    """What the C of all cases gives, in one program, each tensor in memory of just its size.

    With sanitizers, or with ``flags`` for the compiler instead.
    """
    kernels: dict[str, None] = {}
    functions, runs, shapes = [], [], []
    for number, each in enumerate(cases):
        text, shape = _function(each, family, number, kernels)
        functions.append(text)
        shapes.append(shape)
        inputs = [t for t in each.model.inputs if t.data is None]
        sizes = [int(np.prod(t.shape)) for t in inputs] + [int(np.prod(shape))]
        runs.append(f"    run(case{number}, {len(each.inputs[0])}, {len(inputs)}, (const size_t[]){{{_list(sizes)}}});")
    source = _PROGRAM.substitute(
        kernels="\n".join(kernel_text(name) for name in kernels), functions="\n".join(functions), runs="\n".join(runs)
    )
    (folder / "cases.c").write_text(source, encoding="utf-8")
    toolchain = host_toolchain(sanitize=True)
    toolchain = replace(toolchain, flags=flags) if flags else toolchain
    program = toolchain.link(
        [toolchain.compile(folder / "cases.c", [folder], folder / "cases.o")], [], folder / "cases"
    )
    data = b"".join(x[window].tobytes() for each in cases for window in range(len(each.inputs[0])) for x in each.inputs)
    told = subprocess.run([program], input=data, capture_output=True, check=False)
    assert told.returncode == 0, told.stderr.decode()[:2000]
    found, at = [], 0
    for each, shape in zip(cases, shapes, strict=True):
        whole = (len(each.inputs[0]), *shape)
        size = int(np.prod(whole))
        found.append(np.frombuffer(told.stdout, np.int8, size, at).reshape(whole))
        at += size
    assert at == len(told.stdout)
    return found


def _function(each: Case, family: Family, number: int, kernels: dict[str, None]) -> tuple[str, tuple[int, ...]]:
    operator = each.operator()
    shape = each.reference(family).shape[1:]
    inputs = tuple(None if t is None else Value(t, t.shape, t.data) for t in operator.inputs)
    step = Step(number, operator, inputs, (Value(operator.output, shape, None),))
    emit = OPERATORS[operator.name].emit
    assert emit is not None
    code = emit(step, family)
    kernels |= dict.fromkeys(code.kernels)
    places = {constant.name: f"op{number}_{constant.name}" for constant in code.constants}
    position = 0
    for i, value in enumerate(inputs):
        if value is not None and value.data is None:
            places[f"in{i}"] = f"(const {c_type(value.tensor.dtype)} *)tensors[{position}]"
            position += 1
    places["out0"] = f"({c_type(operator.output.dtype)} *)tensors[{position}]"
    places["scratch"] = "scratch"
    scratch = f"    int32_t scratch[{-(-code.scratch_bytes // 4)}];\n" if code.scratch_bytes else ""
    constants = "\n".join(array(places[c.name], c.values, c.comment) for c in code.constants)
    call = Template(code.call).substitute(places)
    return f"{constants}\nstatic void case{number}(void *const *tensors) {{\n{scratch}{call}\n}}\n", shape


def _list(values: list[int]) -> str:
    return ", ".join(map(str, values))


_PROGRAM = Template("""\
#include <stdint.h>
#include <stddef.h>
#include <string.h>
#include <stdio.h>
#include <stdlib.h>

$kernels
$functions
static void run(void (*function)(void *const *), int windows, size_t inputs, const size_t *sizes) {
    for (int window = 0; window < windows; window++) {
        void *tensors[4];
        for (size_t i = 0; i <= inputs; i++) {
            tensors[i] = malloc(sizes[i]);
            if (i < inputs && fread(tensors[i], 1, sizes[i], stdin) != sizes[i]) {
                exit(2);
            }
        }
        function(tensors);
        fwrite(tensors[inputs], 1, sizes[inputs], stdout);
        for (size_t i = 0; i <= inputs; i++) {
            free(tensors[i]);
        }
    }
}

int main(void) {
$runs
    return 0;
}
""")
