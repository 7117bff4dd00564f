"""Random one-operator models of the operators that move or convert numbers, by the operator's name."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from movement_models import TYPES, Array, Case, ModelBuilder

Rng = np.random.Generator


def int8(rng: Rng, shape: tuple[int, ...]) -> Array:
    """Any bytes."""
    return rng.integers(-128, 128, shape).astype(np.int8)


def shape(rng: Rng, dimensions: int | None = None, *, most: int = 6) -> tuple[int, ...]:
    """A shape with a batch of 1, often with more ones."""
    count = int(rng.integers(2, 5)) if dimensions is None else dimensions
    return (1, *(int(size) for size in rng.integers(1, most + 1, count - 1)))


def quantized(rng: Rng) -> tuple[float, int]:
    """A scale, of which half are powers of two, and a zero point, often one at the end of the range."""
    scale = float(2.0 ** -rng.integers(2, 9)) if rng.random() < 0.5 else float(np.float32(rng.uniform(0.002, 0.3)))
    return scale, int(rng.choice([-128, 0, 127, rng.integers(-128, 128)]))


def _axis(rng: Rng, axis: int, dimensions: int) -> int:
    """The same axis, by either of its numbers."""
    return int(axis - dimensions if rng.random() < 0.5 else axis)


def _moved(rng: Rng, given: tuple[int, ...]) -> tuple[ModelBuilder, int, tuple[float, int], Array]:
    """A builder, its int8 input, the quantization of that, and content for it."""
    builder, parameters = ModelBuilder(), quantized(rng)
    return builder, builder.activation(given, "int8", *parameters), parameters, int8(rng, given)


def quantize_float(rng: Rng) -> Case:
    """Numbers around the int8 range and beyond, half of them at or beside the border between two steps."""
    builder, (scale, zero_point), size = ModelBuilder(), quantized(rng), int(rng.integers(1, 400))
    halves = rng.integers(-600, 600, size).astype(np.float32) * np.float32(0.5) * np.float32(scale)
    beside = np.nextafter(halves, np.float32(rng.choice([-1e9, 1e9])))
    wild = (rng.normal(size=size) * scale * 10.0 ** rng.integers(-2, 6)).astype(np.float32)
    x = np.choose(rng.integers(0, 4, size), [halves, beside, wild, wild]).astype(np.float32)[None]
    given = builder.activation(x.shape, "float32")
    made = builder.activation(x.shape, "int8", scale, zero_point)
    builder.add("QUANTIZE", [given], [made], int(rng.integers(1, 3)))
    return Case(builder.bytes(given, made), x)


def quantize_int8(rng: Rng) -> Case:
    """All bytes, to another scale, up to 1/256 and 128 of the first."""
    scale, zero_point = quantized(rng)
    ratio = (
        2.0 ** rng.integers(-7, 9) if rng.random() < 0.3 else 2.0 ** rng.uniform(-3 if rng.random() < 0.6 else -6.9, 3)
    )
    builder, x = ModelBuilder(), np.arange(-128, 128).astype(np.int8)[None]
    given = builder.activation(x.shape, "int8", scale, zero_point)
    made = builder.activation(x.shape, "int8", float(np.float32(scale * ratio)), quantized(rng)[1])
    builder.add("QUANTIZE", [given], [made])
    return Case(builder.bytes(given, made), x)


def dequantize(rng: Rng) -> Case:
    """All bytes, as real numbers."""
    x = np.arange(-128, 128).astype(np.int8)[None]
    builder, (scale, zero_point) = ModelBuilder(), quantized(rng)
    given = builder.activation(x.shape, "int8", scale, zero_point)
    made = builder.activation(x.shape, "float32")
    builder.add("DEQUANTIZE", [given], [made])
    return Case(builder.bytes(given, made), x)


def concatenation(rng: Rng) -> Case:
    """One to four parts along any axis but the batch: the input, perhaps twice, and constants."""
    given_shape = shape(rng)
    builder, given, parameters, x = _moved(rng, given_shape)
    axis = int(rng.integers(1, x.ndim))
    parts, total = [], 0
    for _ in range(int(rng.integers(0, 4))):
        if rng.random() < 0.3:
            parts.append(given)
            total += x.shape[axis]
        else:
            size = int(rng.integers(1, 5))
            part_shape = (*x.shape[:axis], size, *x.shape[axis + 1 :])
            parts.append(builder.constant(int8(rng, part_shape), "int8", *parameters))
            total += size
    parts.insert(int(rng.integers(0, len(parts) + 1)), given)
    total += x.shape[axis]
    made = builder.activation((*x.shape[:axis], total, *x.shape[axis + 1 :]), "int8", *parameters)
    builder.add("CONCATENATION", parts, [made], axis=_axis(rng, axis, x.ndim))
    return Case(builder.bytes(given, made), x)


def squeeze(rng: Rng) -> Case:
    """Ones left out, then a PAD, as a model must do more than look at its input."""
    given_shape = (1, *rng.permutation([2, *rng.choice([1, 1, 2, 3], int(rng.integers(1, 4)))]).tolist())
    builder, given, parameters, x = _moved(rng, given_shape)
    ones = [axis for axis in range(1, x.ndim) if x.shape[axis] == 1]
    left_out = [axis for axis in ones if rng.random() < 0.5]
    kept = tuple(size for axis, size in enumerate(x.shape) if axis not in left_out)
    if not left_out:  # then all
        kept = tuple(size for size in x.shape if size != 1)
    narrow = builder.activation(kept, "int8", *parameters)
    builder.add("SQUEEZE", [given], [narrow], squeezeDims=[_axis(rng, axis, x.ndim) for axis in left_out])
    back = builder.activation((1, *kept), "int8", *parameters)
    builder.add("EXPAND_DIMS", [narrow, builder.constant(0)], [back])
    return Case(builder.bytes(given, _padded(builder, back, (1, *kept), parameters)), x)


def expand_dims(rng: Rng) -> Case:
    """A one put in after the batch, then a PAD."""
    builder, given, parameters, x = _moved(rng, shape(rng, int(rng.integers(1, 5))))
    axis = int(rng.integers(1, x.ndim + 1))
    wider = np.expand_dims(x, axis).shape
    wide = builder.activation(wider, "int8", *parameters)
    number = _axis(rng, axis, x.ndim + 1)
    builder.add("EXPAND_DIMS", [given, builder.constant(number if rng.random() < 0.5 else [number])], [wide])
    return Case(builder.bytes(given, _padded(builder, wide, wider, parameters)), x)


def pad(rng: Rng) -> Case:
    """Zeros on any side of any axis but the batch."""
    return _pad(rng, value=False)


def padv2(rng: Rng) -> Case:
    """Any byte on any side of any axis but the batch."""
    return _pad(rng, value=True)


def _pad(rng: Rng, *, value: bool) -> Case:
    builder, given, parameters, x = _moved(rng, shape(rng))
    paddings = np.array([[0, 0], *rng.integers(0, 4, (x.ndim - 1, 2))]) * (rng.random((x.ndim, 1)) < 0.7)
    made = builder.activation(tuple(map(int, x.shape + paddings.sum(axis=1))), "int8", *parameters)
    inputs = [given, builder.constant(paddings)]
    if value:
        inputs.append(builder.constant([int(rng.integers(-128, 128))], "int8", *parameters))
    builder.add("PADV2" if value else "PAD", inputs, [made])
    return Case(builder.bytes(given, made), x)


def transpose(rng: Rng) -> Case:
    """Any order of the axes after the batch."""
    builder, given, parameters, x = _moved(rng, shape(rng, int(rng.integers(2, 6)), most=5))
    order = [0, *(int(axis) for axis in 1 + rng.permutation(x.ndim - 1))]
    made = builder.activation(x.transpose(order).shape, "int8", *parameters)
    builder.add("TRANSPOSE", [given, builder.constant(order)], [made])
    return Case(builder.bytes(given, made), x)


def split(rng: Rng) -> Case:
    """One to four parts, of which one, or all in another order, are put together again."""
    parts, dimensions = int(rng.integers(1, 5)), int(rng.integers(2, 5))
    axis = int(rng.integers(1, dimensions))
    given_shape = list(shape(rng, dimensions, most=4))
    part_shape = tuple(given_shape)
    given_shape[axis] *= parts
    builder, given, parameters, x = _moved(rng, tuple(given_shape))
    outputs = [builder.activation(part_shape, "int8", *parameters) for _ in range(parts)]
    builder.add("SPLIT", [builder.constant(_axis(rng, axis, dimensions)), given], outputs, numSplits=parts)
    if rng.random() < 0.5:
        return Case(builder.bytes(given, outputs[int(rng.integers(0, parts))]), x)
    made = builder.activation(tuple(given_shape), "int8", *parameters)
    order = [outputs[int(number)] for number in rng.permutation(parts)]
    builder.add("CONCATENATION", order, [made], axis=axis)
    return Case(builder.bytes(given, made), x)


def strided_slice(rng: Rng) -> Case:
    """Ranges in both directions, with begins and ends beyond the axis, masks, and places; of some axes or all."""
    builder, given, parameters, x = _moved(rng, shape(rng, most=8))
    count = int(rng.integers(1, x.ndim + 1))
    begins, ends, steps, masks = [0], [1], [1], [0, 0, 0]
    picked: list[slice | int] = [slice(0, 1)]
    for axis in range(1, count):
        size, bit = x.shape[axis], 1 << axis
        if rng.random() < 0.25:
            begin = int(rng.integers(-size, size))
            begins.append(begin)
            ends.append(begin + 1)
            steps.append(1)
            masks[2] |= bit
            picked.append(begin)
            continue
        while True:
            begin, end = (int(place) for place in rng.integers(-size - 2, size + 3, 2))
            step = int(rng.choice([-3, -2, -1, 1, 1, 1, 2, 3]))
            masked = rng.random(2) < 0.3
            part = slice(None if masked[0] else begin, None if masked[1] else end, step)
            if len(range(size)[part]):
                break
        begins.append(begin)
        ends.append(end)
        steps.append(step)
        masks[0] |= bit * int(masked[0])
        masks[1] |= bit * int(masked[1])
        picked.append(part)
    made = builder.activation(x[tuple(picked)].shape, "int8", *parameters)
    inputs = [given, *(builder.constant(part) for part in (begins, ends, steps))]
    names = ("beginMask", "endMask", "shrinkAxisMask")
    builder.add("STRIDED_SLICE", inputs, [made], **dict(zip(names, masks, strict=True)))
    return Case(builder.bytes(given, made), x)


def resize_nearest_neighbor(rng: Rng) -> Case:
    """Images made larger or smaller, in each of the four ways to count places."""
    builder, given, parameters, x = _moved(rng, shape(rng, 4, most=12) if rng.random() < 0.7 else (1, *_image(rng), 1))
    wanted = _image(rng)
    made = builder.activation((1, *wanted, x.shape[3]), "int8", *parameters)
    align, half = [(0, 0), (1, 0), (0, 1), (1, 1)][int(rng.integers(0, 4))]
    builder.add(
        "RESIZE_NEAREST_NEIGHBOR",
        [given, builder.constant(wanted)],
        [made],
        3 if align or half else 2,
        alignCorners=bool(align),
        halfPixelCenters=bool(half),
    )
    return Case(builder.bytes(given, made), x)


def _image(rng: Rng) -> list[int]:
    return [int(size) for size in rng.integers(1, 200, 2)]


def shape_arithmetic(rng: Rng) -> Case:
    """A flattening whose shape is found from the input's: SHAPE, STRIDED_SLICE, PACK and RESHAPE, then a PAD."""
    builder, parameters, given_shape = ModelBuilder(), quantized(rng), shape(rng)
    given = builder.activation(given_shape, "int8", *parameters, open_batch=True)
    x, size = int8(rng, given_shape), int(np.prod(given_shape))
    found, batch, wanted = (builder.activation(part, "int32") for part in ((len(given_shape),), (), (2,)))
    builder.add("SHAPE", [given], [found], outType=TYPES["int32"])
    ranges = [builder.constant([value]) for value in (0, 1, 1)]
    builder.add("STRIDED_SLICE", [found, *ranges], [batch], 1, shrinkAxisMask=1)
    builder.add("PACK", [batch, builder.constant(size)], [wanted], valuesCount=2)
    flat = builder.activation((1, size), "int8", *parameters, open_batch=True)
    builder.add("RESHAPE", [given, wanted], [flat])
    return Case(builder.bytes(given, _padded(builder, flat, (1, size), parameters)), x)


def _padded(builder: ModelBuilder, given: int, given_shape: tuple[int, ...], parameters: tuple[float, int]) -> int:
    paddings = [[0, 0]] * (len(given_shape) - 1) + [[1, 2]]
    made = builder.activation((*given_shape[:-1], given_shape[-1] + 3), "int8", *parameters)
    builder.add("PAD", [given, builder.constant(paddings)], [made])
    return made


CASES: dict[str, Callable[[Rng], Case]] = {
    "QUANTIZE float32": quantize_float,
    "QUANTIZE int8": quantize_int8,
    "DEQUANTIZE": dequantize,
    "CONCATENATION": concatenation,
    "SQUEEZE": squeeze,
    "EXPAND_DIMS": expand_dims,
    "PAD": pad,
    "PADV2": padv2,
    "TRANSPOSE": transpose,
    "SPLIT": split,
    "STRIDED_SLICE": strided_slice,
    "RESIZE_NEAREST_NEIGHBOR": resize_nearest_neighbor,
    "SHAPE": shape_arithmetic,
}
