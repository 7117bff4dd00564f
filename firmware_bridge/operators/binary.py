"""What operators of two int8 tensors share: their operands, broadcasting, and loops over it in C."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from vedette.firmware_bridge.operators.base import Code, Constant, Step
from vedette.firmware_bridge.operators.lookup import require_int8_output
from vedette.runtime.inference.reference.graph import Array, Operator, Tensor
from vedette.runtime.inference.reference.rounding import ACTIVATIONS

# Field of AddOptions, SubOptions and MulOptions.
ACTIVATION = 0
# Dimensions that TFLite's kernels broadcast over.
MAX_BROADCAST = 4


def operands(operator: Operator) -> tuple[Tensor, Tensor]:
    """Both inputs, of which one may be a constant. Raises :class:`ModelError` for what no kernel computes."""
    found = []
    for number in range(2):
        tensor = operator.inputs[number]
        if tensor is None or tensor.dtype != np.int8:
            raise operator.error(f"expected input {number} to be int8")
        if len(tensor.scales) != 1:
            raise operator.error(f"expected input {number} to have one scale, found {len(tensor.scales)}")
        found.append(tensor)
    require_int8_output(operator)
    if found[0].data is not None and found[1].data is not None:
        raise operator.error("both of its inputs are constants; convert the model again, with constants folded")
    if (activation := operator.small_option(ACTIVATION)) not in ACTIVATIONS:
        raise operator.error(f"fused activation {activation} is not known; use ReLU, ReLU6 or none")
    return found[0], found[1]


def broadcast(operator: Operator, a: Array, b: Array) -> tuple[Array, Array]:
    """Both arrays in the output's shape. Raises :class:`ModelError` where there is none."""
    try:
        first, second = np.broadcast_arrays(a, b)
    except ValueError:
        raise operator.error(f"inputs of the shapes {a.shape} and {b.shape} do not go together") from None
    if a.shape != b.shape and first.ndim > MAX_BROADCAST:
        raise operator.error(f"expected at most {MAX_BROADCAST} dimensions to broadcast over, found {first.ndim}")
    return first, second


@dataclass(frozen=True)
class _Axis:
    """Neighbouring dimensions that are alike: how many elements, and how far apart in each operand and the output."""

    size: int
    a: int
    b: int
    out: int


def broadcast_code(step: Step, function: str, arguments: str, kernels: tuple[str, ...]) -> Code:
    """A call of ``function(a, b, out, size, step_a, step_b, arguments)`` for each row, in as few rows as possible."""
    pointers, constants = zip(*(_operand(step, number) for number in range(2)), strict=True)
    a, b = (value for value in step.inputs[:2])
    assert a is not None and b is not None
    *outer, row = _axes(a.shape, b.shape, step.output.shape)
    places = [*pointers, "$out0"]
    lines, depth = [], 0
    for depth, axis in enumerate(outer):
        index = f"i{depth}"
        lines.append(f"{'    ' * depth}for (int32_t {index} = 0; {index} < {axis.size}; {index}++) {{")
        for number, stride in enumerate((axis.a, axis.b, axis.out)):
            places[number] += f" + {index} * {stride}" if stride else ""
    indent = "    " * len(outer)
    lines.append(f"{indent}{function}({', '.join(places)}, {row.size}, {row.a}, {row.b},")
    lines.append(f"{indent}    {arguments});")
    lines += ["    " * level + "}" for level in reversed(range(len(outer)))]
    return Code("\n".join(lines), tuple(c for c in constants if c is not None), kernels)


def _operand(step: Step, number: int) -> tuple[str, Constant | None]:
    value = step.inputs[number]
    assert value is not None
    if value.data is None:
        return f"$in{number}", None
    return "$operand", Constant("operand", value.data, f"input {number}, {'x'.join(map(str, value.shape))}")


def _axes(a: tuple[int, ...], b: tuple[int, ...], out: tuple[int, ...]) -> list[_Axis]:
    """The output's dimensions from the outermost, those of one element left out and neighbours put together."""
    shapes = [(1,) * (len(out) - len(shape)) + shape for shape in (a, b)]
    found: list[_Axis] = []
    for number, size in enumerate(out):
        if size == 1:
            continue
        strides = [math.prod(shape[number + 1 :]) if shape[number] > 1 else 0 for shape in shapes]
        axis = _Axis(size, strides[0], strides[1], math.prod(out[number + 1 :]))
        last = found[-1] if found else None
        if last is not None and (last.a, last.b) == (axis.a * size, axis.b * size):
            axis = _Axis(last.size * size, axis.a, axis.b, axis.out)
            found.pop()
        found.append(axis)
    return found or [_Axis(1, 0, 0, 0)]
