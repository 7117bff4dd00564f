"""What an operator is to the generator of firmware.

An operator's module defines one :class:`OperatorKind`. Its ``reference`` is the truth: it refuses what cannot be
computed, its result's shape is the shape of the output, and the C must give its bytes. Its ``emit`` writes the C for
one operator of a model, whose shapes are fixed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vedette.runtime.inference.reference.graph import Array, Kernel, Operator, Support, Tensor
from vedette.runtime.inference.reference.rounding import Family


@dataclass(frozen=True)
class Value:
    """A tensor with its shape fixed for one window: an activation, or a constant with ``data``."""

    tensor: Tensor
    shape: tuple[int, ...]
    data: Array | None

    @property
    def size(self) -> int:
        """Elements."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def bytes(self) -> int:
        """Bytes of all elements."""
        return self.size * self.tensor.dtype.itemsize

    @property
    def scale(self) -> np.float32:
        """The scale of an activation."""
        return self.tensor.scale

    @property
    def zero_point(self) -> int:
        """The zero point of an activation."""
        return self.tensor.zero_point


@dataclass(frozen=True)
class Step:
    """One operator of a model, with all shapes known. A missing optional input is None."""

    number: int
    operator: Operator
    inputs: tuple[Value | None, ...]
    outputs: tuple[Value, ...]

    @property
    def input(self) -> Value:
        """The first input, which every operator has."""
        found = self.inputs[0]
        assert found is not None
        return found

    @property
    def output(self) -> Value:
        """The output of an operator that has one."""
        return self.outputs[0]


@dataclass(frozen=True)
class Constant:
    """An array that goes into flash. ``name`` is unique within its operator; ``comment`` says what its rows are.

    ``dtype`` of ``values`` gives the C type: int8, uint8, int16, int32, uint32 or float32.
    """

    name: str
    values: npt.NDArray[np.generic]
    comment: str


@dataclass(frozen=True)
class Code:
    """The C of one operator.

    ``call`` are statements in which ``$in0``, ``$in1`` … and ``$out0`` … stand for pointers to activations (``const
    int8_t *``, ``int8_t *``, or float), ``$scratch`` for a pointer to ``scratch_bytes`` of four-byte-aligned memory
    that is nobody else's during the call, and ``$name`` for each constant. ``kernels`` are names of files in
    ``firmware_bridge/kernels`` (without ``.h``) whose functions the statements call, each after those that it needs
    itself. Operators that only look at the same bytes in another shape have no code at all: their output is where
    their input is.
    """

    call: str
    constants: tuple[Constant, ...] = ()
    kernels: tuple[str, ...] = ()
    scratch_bytes: int = 0


@dataclass(frozen=True)
class OperatorKind:
    """An operator that firmware can run.

    ``emit`` is None for an operator whose output is its input's bytes. ``in_place`` says that the C may write its
    output over its first input, element by element, where both take the same room.
    """

    support: Support
    reference: Callable[[Operator, Family], Kernel]
    emit: Callable[[Step, Family], Code] | None
    in_place: bool = False
