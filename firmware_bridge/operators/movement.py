"""What operators that only move bytes share: their refusals, and copies of blocks in C."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from vedette.firmware_bridge.operators.base import Code, Constant
from vedette.runtime.inference.reference.graph import MAX_DIMENSIONS, MAX_ELEMENTS, Array, Operator, Tensor


def check_moved(operator: Operator, given: Tensor) -> None:
    """Raises :class:`ModelError` unless all outputs are int8 of the input's scale and zero point.

    TFLite's kernels copy the bytes in any case, which would be other numbers.
    """
    for made in operator.outputs:
        if made.dtype != np.int8:
            raise operator.error(f"expected an int8 output, found {made.dtype.name}")
        if made.zero_point != given.zero_point or len(made.scales) != 1 or made.scale != given.scales[0]:
            raise operator.error(
                f'expected the scale and zero point of "{given.name}", {given.scales[0]} and {given.zero_point}, for '
                f'"{made.name}", found {made.scales[:4]} and {made.zero_point}; convert the model again'
            )


def check_size(operator: Operator, shape: Sequence[int]) -> None:
    """Raises :class:`ModelError` for an output of no elements or of too many."""
    if len(shape) > MAX_DIMENSIONS or any(size < 1 for size in shape) or prod(shape) > MAX_ELEMENTS:
        raise operator.error(f"an output of shape {tuple(shape)} is not possible")


def numbers(operator: Operator, given: Array | None, what: str) -> list[int]:
    """An int32 input such as axes, as a list. Raises :class:`ModelError` where it is something else."""
    if given is None or given.dtype != np.int32 or given.ndim > 1:
        raise operator.error(f"expected {what} to be int32 numbers")
    found: list[int] = given.reshape(-1).tolist()
    return found


def axis_of(operator: Operator, axis: int, dimensions: int) -> int:
    """An axis, negative ones counted from the end. Raises :class:`ModelError` where there is none such."""
    if not -dimensions <= axis < dimensions:
        raise operator.error(f"axis {axis} of {dimensions} dimensions")
    return axis % dimensions


def steps_of(shape: Sequence[int]) -> tuple[int, ...]:
    """The distance in elements between neighbours along each dimension of a whole array.

    >>> steps_of((2, 3, 4))
    (12, 4, 1)
    """
    return tuple(prod(shape[axis + 1 :]) for axis in range(len(shape)))


@dataclass(frozen=True)
class Block:
    """A block of ``sizes`` to be copied, its start and its steps in elements on both sides."""

    sizes: tuple[int, ...]
    in_steps: tuple[int, ...]
    out_steps: tuple[int, ...]
    in_start: int = 0
    out_start: int = 0

    def merged(self) -> Block:
        """The same copy with as few dimensions as it can be said in, at least one.

        >>> Block((2, 1, 3, 4), (24, 24, 4, 1), (12, 12, 4, 1)).merged()
        Block(sizes=(2, 12), in_steps=(24, 1), out_steps=(12, 1), in_start=0, out_start=0)
        """
        rows: list[tuple[int, int, int]] = []
        for size, given, made in zip(self.sizes, self.in_steps, self.out_steps, strict=True):
            if size == 1:
                continue
            if rows and rows[-1][1] == size * given and rows[-1][2] == size * made:
                rows[-1] = (rows[-1][0] * size, given, made)
            else:
                rows.append((size, given, made))
        sizes, in_steps, out_steps = zip(*(rows or [(1, 1, 1)]), strict=True)
        return Block(sizes, in_steps, out_steps, self.in_start, self.out_start)


def copies(blocks: Sequence[tuple[str, str, Block]]) -> Code:
    """C that copies each block from one pointer to another, such as ``$in0`` and ``$out0``."""
    calls, constants, kernels = [], [], []
    for number, (source, target, wanted) in enumerate(blocks):
        block = wanted.merged()
        pointers = f"{_at(source, block.in_start)}, {_at(target, block.out_start)}"
        if len(block.sizes) <= 2 and block.in_steps[-1] == block.out_steps[-1] == 1:
            rows = block.sizes[0] if len(block.sizes) == 2 else 1
            calls.append(
                f"copy_rows({pointers}, {rows}, {block.sizes[-1]}, {block.in_steps[0]}, {block.out_steps[0]});"
            )
            kernels.append("copy_rows")
        else:
            name = f"block{number}"
            values = np.array([block.sizes, block.in_steps, block.out_steps], np.int32)
            calls.append(f"copy_block({pointers}, {len(block.sizes)}, ${name});")
            constants.append(Constant(name, values, "sizes of a block, its steps in the input and in the output"))
            kernels.append("copy_block")
    return Code("\n".join(calls), tuple(constants), tuple(dict.fromkeys(kernels)))


def _at(pointer: str, start: int) -> str:
    return f"{pointer} + {start}" if start else pointer
