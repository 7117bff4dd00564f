"""Numbers and arrays as C writes them, without losing a bit."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

C_TYPES = {
    "int8": "int8_t",
    "uint8": "uint8_t",
    "int16": "int16_t",
    "uint16": "uint16_t",
    "int32": "int32_t",
    "uint32": "uint32_t",
    "float32": "float",
    "float64": "double",
}
LINE = 116


def c_type(dtype: np.dtype[np.generic]) -> str:
    """The C type of an array's elements."""
    return C_TYPES[dtype.name]


def number(value: np.generic | float, dtype: np.dtype[np.generic]) -> str:
    """A literal that reads back as the very same number; floats are hexadecimal (C99).

    >>> number(np.float32(0.1), np.dtype("f4")), number(np.int32(-2147483648), np.dtype("i4"))
    ('0x1.99999ap-4f', '(-2147483647 - 1)')
    """
    if dtype.kind == "f":
        text = float(value).hex()
        mantissa, exponent = text.split("p")
        if "." in mantissa:
            mantissa = mantissa.rstrip("0").rstrip(".")
        return f"{mantissa}p{exponent}{'f' if dtype.itemsize == 4 else ''}"
    whole = int(value)
    if whole == -(2**31):
        return "(-2147483647 - 1)"
    return f"{whole}u" if dtype.name == "uint32" else str(whole)


def comment(text: str) -> str:
    """Text from a model as it may stand in a C comment, which nothing in it can end.

    >>> comment("dense/*; */ #include <x>")
    'dense/ *; * / #include <x>'
    """
    plain = "".join(char if char.isprintable() and char.isascii() else "?" for char in text[:LINE])
    return plain.replace("\\", "|").replace("*/", "* /").replace("/*", "/ *")


def array(name: str, values: npt.NDArray[np.generic], meaning: str) -> str:
    """The definition of a constant array, as many numbers in a line as fit."""
    flat = values.reshape(-1)
    return f"/* {meaning} */\nstatic const {c_type(flat.dtype)} {name}[{len(flat)}] = {{\n{words(flat)}\n}};\n"


def words(values: npt.NDArray[np.generic]) -> str:
    """The numbers of a flat array as indented lines of a list."""
    return "\n".join(f"    {line}" for line in _filled(number(value, values.dtype) for value in values))


def _filled(texts: Iterable[str]) -> list[str]:
    lines: list[str] = []
    line = ""
    for word in texts:
        if line and len(line) + len(word) + 2 > LINE:
            lines.append(line)
            line = ""
        line += f" {word}," if line else f"{word},"
    return [*lines, line]
