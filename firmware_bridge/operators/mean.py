"""MEAN over constant axes.

D: ``QuantizedMeanOrSum`` in ``tensorflow/lite/kernels/internal/reference/reduce.h``, which puts the number of elements
into the 31-bit multiplier. S: XNNPACK's ``qs8-rsum`` and ``qs8-rdsum`` with the conversion of ``src/operators/
reduce-nd.c``: float32, halves to even.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from vedette.firmware_bridge.operators.base import Code, OperatorKind, Step
from vedette.firmware_bridge.operators.lookup import require_int8_output
from vedette.firmware_bridge.writer.literals import number
from vedette.runtime.inference.reference.graph import Array, Kernel, Operator, Support
from vedette.runtime.inference.reference.rounding import MULTIPLIER_LIMIT, Family, fixed_point

# Field of ReducerOptions.
KEEP_DIMENSIONS = 0
# Elements whose sum, less their zero points, is in int32 for certain. Multipliers that shift it to the left are those
# of so few elements that it stays there.
LARGEST = 2**22


def axes(operator: Operator, dimensions: int) -> tuple[int, ...]:
    """The axes over which the mean is taken, in order. Raises :class:`ModelError` where there are no such."""
    given = operator.constant(1, np.int32)
    if given is None or given.data is None or given.data.size == 0:
        raise operator.error("expected constant axes, and some")
    found = [int(axis) for axis in given.data.reshape(-1)]
    if any(not -dimensions <= axis < dimensions for axis in found):
        raise operator.error(f"expected axes of {dimensions} dimensions, found {found}")
    return tuple(sorted({axis % dimensions for axis in found}))


@dataclass(frozen=True)
class _Fixed:
    """D: ``requantize(sum + bias)``."""

    bias: int
    multiplier: int
    shift: int


def _fixed(operator: Operator, count: int) -> _Fixed:
    given, made = operator.int8_input(), operator.output
    multiplier, shift = fixed_point(float(given.scale) / float(made.scale))
    # As many bits as keep the multiplier's 31 after the division.
    bits = min(count.bit_length() - 1, 32, 31 + shift)
    return _Fixed(-count * given.zero_point, (multiplier << bits) // count, shift - bits)


def _single(operator: Operator, count: int) -> tuple[np.float32, np.float32]:
    """S: the multiplier of the raw sum, and what is added to the product."""
    given, made = operator.int8_input(), operator.output
    multiplier = (given.scale / made.scale) * (np.float32(1) / np.float32(count))
    return multiplier, np.float32(made.zero_point) - np.float32(count * given.zero_point) * multiplier


def reference(operator: Operator, family: Family) -> Kernel:
    """The mean over the axes, which stay as dimensions of one element where the options say so."""
    given, made = operator.int8_input(), operator.output
    require_int8_output(operator)
    if given.scale / made.scale >= MULTIPLIER_LIMIT:
        raise operator.error(
            f"its scales multiply the mean by {given.scale / made.scale:g}; kernels take less than {MULTIPLIER_LIMIT:g}"
        )
    keep = bool(operator.small_option(KEEP_DIMENSIONS))

    def run(values: Array, _: Array) -> Array:
        over = axes(operator, values.ndim)
        count = math.prod(values.shape[axis] for axis in over)
        if count > LARGEST:
            raise operator.error(f"a mean of {count:,} elements; kernels add up at most {LARGEST:,} without overflow")
        _parts(operator, values.shape)
        sums = values.astype(np.int64).sum(axis=over, keepdims=keep)
        if family == "S":
            multiplier, offset = _single(operator, count)
            steps = np.rint(sums.astype(np.float32) * multiplier + offset)
        else:
            fixed = _fixed(operator, count)
            steps = _requantized(sums + fixed.bias, fixed.multiplier, fixed.shift) + made.zero_point
        found: Array = np.clip(steps, -128, 127).astype(np.int8)
        return found

    return run


def _requantized(sums: Array, multiplier: int, shift: int) -> Array:
    """``MultiplyByQuantizedMultiplier`` with gemmlowp's two roundings, int64."""
    left, right = max(shift, 0), max(-shift, 0)
    high = ((sums << left) * multiplier + (1 << 30)) >> 31
    return (high + ((1 << right) >> 1) - ((high < 0) & (right > 0))) >> right


@dataclass(frozen=True)
class _Part:
    """Neighbouring dimensions that are all kept, or all reduced: how many elements, and how far apart."""

    size: int
    stride: int
    reduced: bool


def _parts(operator: Operator, shape: tuple[int, ...]) -> list[_Part]:
    over = axes(operator, len(shape))
    found: list[_Part] = []
    for axis, size in enumerate(shape):
        part = _Part(size, math.prod(shape[axis + 1 :]), axis in over)
        if size == 1:
            continue
        if found and found[-1].reduced == part.reduced:
            part = _Part(found.pop().size * size, part.stride, part.reduced)
        found.append(part)
    if sum(part.reduced for part in found) > 2:
        raise operator.error(f"axes {over} of the shape {shape} lie apart in more than two places; use two operators")
    return found


def emit(step: Step, family: Family) -> Code:
    """A call for each output."""
    operator, shape = step.operator, step.input.shape
    parts = _parts(operator, shape)
    reduced = [(part.size, part.stride) for part in parts if part.reduced]
    kept = [part for part in parts if not part.reduced]
    count = math.prod(size for size, _ in reduced)
    sizes = ", ".join(f"{size}, {stride}" for size, stride in [(1, 0)] * (2 - len(reduced)) + reduced)
    if family == "S":
        kernels: tuple[str, ...] = ("clamp", "nearest", "mean_s")
        arguments = ", ".join(number(value, value.dtype) for value in _single(operator, count))
    else:
        kernels = ("clamp", "requantize_d", "mean_d")
        fixed = _fixed(operator, count)
        arguments = f"{fixed.bias}, {fixed.multiplier}, {fixed.shift}, {step.output.zero_point}"
    lines, given, made = [], "$in0", ""
    for depth, part in enumerate(kept):
        index = f"i{depth}"
        lines.append(f"{'    ' * depth}for (int32_t {index} = 0; {index} < {part.size}; {index}++) {{")
        given += f" + {index} * {part.stride}"
        stride = math.prod(after.size for after in kept[depth + 1 :])
        made += f"{' + ' if made else ''}{index} * {stride}"
    lines.append(f"{'    ' * len(kept)}($out0)[{made or 0}] = mean({given}, {sizes}, {arguments});")
    lines += ["    " * level + "}" for level in reversed(range(len(kept)))]
    return Code("\n".join(lines), (), kernels)


MEAN = OperatorKind(Support(version=2, required=2, inputs=2), reference, emit)
