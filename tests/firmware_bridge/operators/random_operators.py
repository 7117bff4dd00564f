"""Random models of one operator, whose outputs use much of the int8 range."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from operator_models import Model, Tensor


def scale(rng: np.random.Generator, low: float = -7.0, high: float = 1.0, *, times: float = 1.0) -> float:
    """A float32 scale, ``times`` two to a power; whole powers, half of the time, make exact halves."""
    exponent = rng.uniform(low, high)
    return float(np.float32(times * 2.0 ** (exponent if rng.random() < 0.5 else round(exponent))))


def zero(rng: np.random.Generator) -> int:
    """Any zero point, the ends more often."""
    return int(rng.choice([-128, 127, 0, *rng.integers(-128, 128, 3)]))


def table(name: str) -> Callable[[np.random.Generator], Model]:
    """An operator of one input, any shape."""

    def model(rng: np.random.Generator) -> Model:
        shape = (1, *rng.integers(1, 6, int(rng.integers(1, 4))).tolist(), 64)
        given = Tensor(shape, scale(rng), zero(rng))
        fixed = {"LOGISTIC": (2.0**-8, -128), "TANH": (2.0**-7, 0)}
        quantization = fixed.get(name, (scale(rng, -3, 3, times=given.scale), zero(rng)))
        return Model(name, (given,), Tensor(shape, *quantization))

    return model


def binary(name: str) -> Callable[[np.random.Generator], Model]:
    """ADD, SUB or MUL of two activations, or of one and a constant, with and without broadcasting."""

    def model(rng: np.random.Generator) -> Model:
        whole = (1, *rng.integers(1, 7, int(rng.integers(1, 4))).tolist())
        shapes = [whole, whole]
        if rng.random() < 0.6:
            one = int(rng.integers(2))
            few = [size if rng.random() < 0.5 else 1 for size in whole]
            shapes[one] = tuple(few[int(rng.integers(len(few))) :] if rng.random() < 0.3 else few)
            if rng.random() < 0.2:
                shapes[1 - one] = tuple(
                    1 if a > 1 and rng.random() < 0.5 else b for a, b in zip(few, whole, strict=True)
                )
                shapes[one] = tuple(few)
        scales = [scale(rng), 0.0]
        scales[1] = scale(rng, -6, 6, times=scales[0])
        out = max(scales) if name != "MUL" else scales[0] * scales[1] * 128
        made = Tensor(np.broadcast_shapes(*shapes), scale(rng, -2, 2, times=out), zero(rng))
        # What converters make constant is never of more dimensions than the activation.
        constant = (
            int(rng.integers(4)) if len(shapes[0]) == len(shapes[1]) else int(np.argmin([len(s) for s in shapes]))
        )
        inputs = [
            Tensor(
                shape,
                each,
                zero(rng),
                rng.integers(-128, 128, shape).astype(np.int8) if number == constant else None,
            )
            for number, (shape, each) in enumerate(zip(shapes, scales, strict=True))
        ]
        fields = {"fusedActivationFunction": int(rng.integers(4))}
        return Model(name, tuple(inputs), made, name.capitalize(), fields, version=2)

    return model


def pool(name: str) -> Callable[[np.random.Generator], Model]:
    """AVERAGE_POOL_2D or MAX_POOL_2D."""

    def model(rng: np.random.Generator) -> Model:
        window, stride = rng.integers(1, 5, 2).tolist(), rng.integers(1, 4, 2).tolist()
        padding = int(rng.integers(2))
        least = window if padding else [1, 1]
        size = [int(low + rng.integers(0, 8)) for low in least]
        batch, channels = int(rng.choice([1, 1, 2])), int(rng.integers(1, 9))
        same = (scale(rng, -5, 4), zero(rng))
        sides = [
            -(-n // step) if padding == 0 else (n - each) // step + 1
            for n, each, step in zip(size, window, stride, strict=True)
        ]
        fields = {
            "padding": padding,
            "filterHeight": window[0],
            "filterWidth": window[1],
            "strideH": stride[0],
            "strideW": stride[1],
            "fusedActivationFunction": int(rng.integers(4)),
        }
        given, made = Tensor((batch, *size, channels), *same), Tensor((batch, *sides, channels), *same)
        return Model(name, (given,), made, "Pool2D", fields, version=2)

    return model


def mean(rng: np.random.Generator) -> Model:
    """MEAN over any axes, of any number of dimensions, most often over height and width."""
    sides = (1, 9) if rng.random() < 0.8 else (1, 40)
    shape = (1, *rng.integers(*sides, int(rng.integers(1, 4))).tolist())
    choice = rng.permutation(len(shape))[: int(rng.integers(1, len(shape) + 1))].astype(np.int32)
    over = np.array([1, 2], np.int32) if len(shape) == 4 and rng.random() < 0.5 else choice
    keep = bool(rng.integers(2))
    left = tuple(1 if axis in over else size for axis, size in enumerate(shape) if keep or axis not in over)
    given = Tensor(shape, scale(rng), zero(rng))
    made = Tensor(left, scale(rng, -5, 3, times=given.scale), zero(rng))
    negative = np.where(rng.random(len(over)) < 0.3, over - len(shape), over).astype(np.int32)
    axes = Tensor((len(over),), data=negative)
    return Model("MEAN", (given, axes), made, "Reducer", {"keepDims": keep}, version=2)


def softmax(rng: np.random.Generator) -> Model:
    """SOFTMAX over the last axis."""
    shape = (1, *rng.integers(1, 5, int(rng.integers(0, 3))).tolist(), int(rng.integers(1, 60)))
    beta = 1.0 if rng.random() < 0.7 else float(np.float32(rng.uniform(0.2, 3)))
    given = Tensor(shape, scale(rng, -9, 1), zero(rng))
    return Model("SOFTMAX", (given,), Tensor(shape, 2.0**-8, -128), "Softmax", {"beta": beta}, version=2)


OPERATORS: dict[str, Callable[[np.random.Generator], Model]] = {
    **{name: table(name) for name in ("RELU", "RELU6", "RELU_N1_TO_1", "LOGISTIC", "TANH")},
    **{name: binary(name) for name in ("ADD", "SUB", "MUL")},
    **{name: pool(name) for name in ("AVERAGE_POOL_2D", "MAX_POOL_2D")},
    "MEAN": mean,
    "SOFTMAX": softmax,
}
