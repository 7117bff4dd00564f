"""Sections and symbols of a little-endian ELF file (System V ABI, chapter 4), of 32 or 64 bits."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from vedette.errors import DataError

_SYMBOL_TABLE = 2  # SHT_SYMTAB
_NO_BITS = 8  # SHT_NOBITS
_WRITE, _ALLOC = 1, 2  # SHF_WRITE, SHF_ALLOC
_OBJECT, _FUNCTION = 1, 2  # STT_OBJECT, STT_FUNC
# Symbols that belong to no section: SHN_LORESERVE
_RESERVED = 0xFF00


@dataclass(frozen=True)
class Section:
    """A section: ``loaded`` is whether memory holds it, ``stored`` whether the file has bytes for it."""

    name: str
    size: int
    loaded: bool
    writable: bool
    stored: bool


@dataclass(frozen=True)
class Symbol:
    """A function or variable; ``address`` is relative to its section in an object file."""

    name: str
    address: int
    size: int
    section: Section
    function: bool


@dataclass(frozen=True)
class Elf:
    """What a linker or a programmer of flash would find."""

    sections: tuple[Section, ...]
    symbols: tuple[Symbol, ...]

    def symbol(self, name: str) -> Symbol:
        """The symbol of that name. Raises :class:`DataError` where there is none."""
        for symbol in self.symbols:
            if symbol.name == name:
                return symbol
        raise DataError(f"expected a symbol {name}, found {', '.join(symbol.name for symbol in self.symbols)}")

    def at(self, address: int) -> str:
        """The function of a linked program that holds that address, as ``name+0x12``; the bare address if none does."""
        for symbol in self.symbols:
            begin = symbol.address & ~1  # the lowest bit of a Thumb function's address marks it as such
            if symbol.function and begin <= address < begin + symbol.size:
                return f"{symbol.name}+{address - begin:#x}"
        return f"{address:#010x}"


def read_elf(path: Path) -> Elf:
    """Read an object file or program. Raises :class:`DataError` where it is none, or damaged."""
    data = path.read_bytes()
    if data[:4] != b"\x7fELF" or data[4:5] not in (b"\x01", b"\x02") or data[5:6] != b"\x01":
        raise DataError(f"{path}: expected a little-endian ELF file, found {data[:6]!r}")
    try:
        return _parse(data, wide=data[4] == 2)
    except (struct.error, IndexError, ValueError, OverflowError) as error:
        raise DataError(f"{path}: expected an ELF file, found a damaged one ({error})") from None


def _parse(data: bytes, *, wide: bool) -> Elf:
    (table,) = struct.unpack_from("<Q" if wide else "<I", data, 0x28 if wide else 0x20)
    entry, count, names = struct.unpack_from("<3H", data, 0x3A if wide else 0x2E)
    header = "<2I4Q2I2Q" if wide else "<10I"
    raw = [struct.unpack_from(header, data, table + entry * number) for number in range(count)]
    sections = [
        Section(
            _text(data, raw[names], header_[0]),
            header_[5],
            bool(header_[2] & _ALLOC),
            bool(header_[2] & _WRITE),
            header_[1] != _NO_BITS,
        )
        for header_ in raw
    ]
    symbols = []
    for header_ in raw:
        if header_[1] == _SYMBOL_TABLE:
            symbols += _symbols(data, header_, raw, sections, wide=wide)
    return Elf(tuple(sections), tuple(symbols))


def _symbols(
    data: bytes, table: tuple[int, ...], raw: list[tuple[int, ...]], sections: list[Section], *, wide: bool
) -> list[Symbol]:
    offset, size, strings = table[4], table[5], raw[table[6]]
    found = []
    for entry in struct.iter_unpack("<IBBHQQ" if wide else "<IIIBBH", data[offset : offset + size]):
        name, info, _, section, address, length = entry if wide else (entry[0], *entry[3:], *entry[1:3])
        kind = info & 15
        if kind in (_OBJECT, _FUNCTION) and 0 < section < _RESERVED:
            found.append(Symbol(_text(data, strings, name), address, length, sections[section], kind == _FUNCTION))
    return found


def _text(data: bytes, strings: tuple[int, ...], offset: int) -> str:
    begin = strings[4] + offset
    return data[begin : data.index(b"\0", begin)].decode("utf-8", errors="replace")
