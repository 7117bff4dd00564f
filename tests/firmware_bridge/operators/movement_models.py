"""Small models of operators that move or convert numbers, what interpreters make of them, and what their C does."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from int8_models import pack, tensor

from vedette.firmware_bridge.machine.compiler import host_toolchain
from vedette.firmware_bridge.plan import FirmwareModel, make_plan
from vedette.firmware_bridge.writer.literals import c_type
from vedette.firmware_bridge.writer.network import kernel_text, network_text
from vedette.runtime.inference.reference.rounding import Family

Array = npt.NDArray[Any]
TYPES = {"int8": schema.TensorType.INT8, "int32": schema.TensorType.INT32, "float32": schema.TensorType.FLOAT32}
# The version that an operator on int8 needs, where it is not 2.
VERSIONS = {"EXPAND_DIMS": 1, "SHAPE": 1, "SQUEEZE": 1, "RESHAPE": 1, "PACK": 1}


@dataclass(frozen=True)
class Case:
    """A model and one input for it."""

    model: bytes
    x: Array


class ModelBuilder:
    """A graph that grows operator by operator; the methods return indices of tensors."""

    def __init__(self) -> None:
        self._tensors: list[schema.TensorT] = []
        self._operators: list[schema.OperatorT] = []
        self._codes: list[schema.OperatorCodeT] = []
        self._buffers = [b""]

    def activation(
        self,
        shape: tuple[int, ...],
        dtype: str = "int8",
        scale: float = 0.1,
        zero_point: int = 0,
        **options: bool,
    ) -> int:
        """A tensor that is computed, or the model's input; ``options`` are those of :func:`int8_models.tensor`."""
        return self._tensor(shape, dtype, 0, scale, zero_point, **options)

    def constant(self, values: Any, dtype: str = "int32", scale: float = 0.1, zero_point: int = 0) -> int:
        """A tensor with its content in the model."""
        array = np.asarray(values, dtype)
        self._buffers.append(array.tobytes())
        return self._tensor(array.shape, dtype, len(self._buffers) - 1, scale, zero_point)

    def add(self, name: str, inputs: list[int], outputs: list[int], version: int | None = None, **options: Any) -> None:
        """An operator; ``options`` by their names in the schema, with the name of their table as ``table``."""
        code, operator = schema.OperatorCodeT(), schema.OperatorT()
        code.builtinCode = getattr(schema.BuiltinOperator, name)
        code.deprecatedBuiltinCode, code.version = min(code.builtinCode, 127), version or VERSIONS.get(name, 2)
        table = "".join(part.capitalize() for part in name.split("_")) + "Options"
        if name != "PADV2":
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, table)
            operator.builtinOptions = getattr(schema, f"{table}T")()
        for field, value in options.items():
            assert hasattr(operator.builtinOptions, field)
            setattr(operator.builtinOptions, field, value)
        operator.opcodeIndex, operator.inputs, operator.outputs = len(self._codes), inputs, outputs
        self._codes.append(code)
        self._operators.append(operator)

    def bytes(self, given: int, made: int) -> bytes:
        """The .tflite model from input ``given`` to output ``made``."""
        graph = schema.SubGraphT()
        graph.tensors, graph.operators, graph.name = self._tensors, self._operators, "main"
        graph.inputs, graph.outputs = [given], [made]
        return pack(graph, self._codes, self._buffers)

    def _tensor(
        self,
        shape: tuple[int, ...],
        dtype: str,
        buffer: int,
        scale: float,
        zero_point: int,
        **options: bool,
    ) -> int:
        scales = [scale] if dtype == "int8" else []
        name = f"t{len(self._tensors)}"
        self._tensors.append(tensor(name, shape, TYPES[dtype], buffer, scales, zero_point=zero_point, **options))
        return len(self._tensors) - 1


def litert_output(case: Case) -> Array:
    """What ai-edge-litert gives, on this machine."""
    interpreter = Interpreter(model_content=case.model, num_threads=1)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], case.x)
    interpreter.invoke()
    found: Array = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    return found


def reference_output(case: Case, family: Family) -> Array:
    """What the NumPy references give."""
    return FirmwareModel(case.model, family).run(case.x)


def c_outputs(cases: list[Case], family: Family, folder: Path) -> list[Array]:
    """What the generated C of all cases gives, in one program with sanitizers, memory filled with rubbish before."""
    texts, kernels, calls, inputs, sizes = [], dict[str, None](), [], [], []
    for number, case in enumerate(cases):
        plan = make_plan(FirmwareModel(case.model, family))
        name = f"m{number}"
        text = network_text(plan, name)
        source = text.source
        for planned in plan.steps:
            for kernel in planned.code.kernels:
                kernels[kernel] = None
                source = source.replace(kernel_text(kernel), "")
        texts.append(text.header + re.sub(r"\bop(\d+)_", f"{name}_op\\1_", source))
        types = [c_type(value.tensor.dtype) for value in (plan.input, plan.output)]
        calls.append(
            f"    {{ {types[0]} *in = get({plan.input.bytes}); {types[1]} *out = get({plan.output.bytes}); "
            f"{name}_arena_t *arena = get({name.upper()}_ARENA_BYTES + 1); take(in, {plan.input.bytes}); "
            f"{name}_run(arena, in, out); give(out, {plan.output.bytes}); free(in); free(out); free(arena); }}"
        )
        inputs.append(np.ascontiguousarray(case.x).tobytes())
        sizes.append((plan.output.bytes, plan.output.tensor.dtype, plan.output.shape))
    source_text = "\n".join([_BEFORE, *map(kernel_text, kernels), *texts, _MAIN.replace("CALLS", "\n".join(calls))])
    (folder / "cases.c").write_text(source_text, encoding="utf-8")
    (folder / "input.bin").write_bytes(b"".join(inputs))
    toolchain = host_toolchain(sanitize=True)
    program = toolchain.link([toolchain.compile(folder / "cases.c", [], folder / "cases.o")], [], folder / "cases")
    subprocess.run([program, "input.bin", "output.bin"], cwd=folder, check=True, timeout=300)
    data, outputs, at = (folder / "output.bin").read_bytes(), [], 0
    for size, dtype, shape in sizes:
        outputs.append(np.frombuffer(data[at : at + size], dtype).reshape(shape))
        at += size
    assert at == len(data)
    return outputs


_BEFORE = """\
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
"""
_MAIN = """\
static FILE *source, *target;
static void *get(size_t size) {
    void *found = malloc(size);
    if (!found) exit(2);
    return memset(found, 0xA5, size);
}
static void take(void *to, size_t size) {
    if (fread(to, 1, size, source) != size) exit(3);
}
static void give(const void *from, size_t size) {
    if (fwrite(from, 1, size, target) != size) exit(4);
}
int main(int count, char **names) {
    if (count != 3) return 1;
    source = fopen(names[1], "rb");
    target = fopen(names[2], "wb");
    if (!source || !target) return 1;
CALLS
    fclose(source);
    return fclose(target);
}
"""
