"""Hostile bytes out of good ones, with nothing but the standard library; the same seed gives the same bytes."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

# What has broken parsers before, and what means something in JSON, CSV, TOML, topics and paths.
_TOKENS: tuple[bytes, ...] = (
    *(
        b"NaN",
        b"Infinity",
        b"-Infinity",
        b"1e999",
        b"-0.0",
        b"1e-400",
        b"9" * 25,
        b"9" * 5000,
        b"1.7976931348623159e308",
    ),
    *(b"1e36", b"0x10", b"1_0", b"null", b"true", b"false", b'""', b"{}", b"[]", b"[[]]", b'{"x": {"x": 1}}'),
    *(b'"x": 1, "x": 2', b'"time": null', b'"time": 1e15', b'"time": -1e15', b'"time": true', b'"time": "now"'),
    *(b'"x"', b'"y"', b'"z"', b'"time"', b'"timestamp"', b'"ids"', b"[" * 3000, b"]" * 3000, b'{"a":' * 2000),
    *(
        b"\\ud800",
        b"\\udc00\\ud800",
        b"\\u0000",
        b"\xff",
        b"\xc0\xaf",
        b"\xed\xa0\x80",
        b"\xef\xbb\xbf",
        b"\xfe\xff",
        b"\0",
    ),
    *(b"+", b"#", b"$", b"/", b"//", b"%2F", b"%00", b"..", b"../../etc/passwd", b"\x1b[2J", b"\x7f", b"\r\n", b"\n"),
    *(
        b",",
        b";",
        b'"',
        b"'",
        b"'''",
        b"#",
        b"=",
        b"[[",
        b"]]",
        b"[[stream]]",
        b".",
        b"[0]",
        b"[-1]",
        b"nan",
        b"inf",
        b"NA",
    ),
    *(b"0001-01-01T00:00:00Z", b"9999-12-31T23:59:59.999999999Z", b"2026-02-30", b"1970-01-01", b"T24:00", b"+99:99"),
    *("\u202e".encode(), "٣".encode(), "é".encode(), "\ufeff".encode(), "\U0001d7d9".encode(), b"\xcc\x81"),
)
_LONGEST = 8192
_WORD = re.compile(rb'"[^"]*"|-?[0-9][0-9.eE+-]*|[A-Za-z_]+|\[[^\[\]]*\]|\{[^{}]*\}')
_WORDS = tuple(token for token in _TOKENS if token[:1] in b'N-I91nt"{[0' and len(token) < 100)


def payloads(seeds: tuple[bytes, ...], *, seed: int) -> Iterator[bytes]:
    """Mutants of the seeds and of other mutants, without end; a tenth are random bytes, and a few are the seeds."""
    chance = random.Random(seed)
    pool = list(seeds)
    while True:
        kind = chance.random()
        if kind < 0.1:
            yield chance.randbytes(chance.randrange(60))
            continue
        data = chance.choice(seeds if chance.random() < 0.6 else pool)
        if kind > 0.15:
            # Half of them keep the grammar mostly, so that what is behind the parser is reached too.
            mutate = _mutate if chance.random() < 0.5 else _replace_word
            for _ in range(1 + int(chance.expovariate(1.0))):
                data = mutate(chance, data)
        yield data
        if kind > 0.97 and len(data) < 1000:
            if len(pool) < 50 + len(seeds):
                pool.append(data)
            else:
                pool[chance.randrange(len(seeds), len(pool))] = data


def _replace_word(chance: random.Random, data: bytes) -> bytes:
    """Put another word in place of one, double it, or leave it out; a word is a number, a text, a name or a table."""
    words = list(_WORD.finditer(data))
    if not words:
        return data
    word = chance.choice(words)
    kind = chance.randrange(8)
    if kind == 0:
        new = b""
    elif kind == 1:
        new = word[0] + b", " + word[0]
    elif kind == 2:
        new = chance.choice(words)[0]
    elif kind < 6:
        new = str(_number(chance)).encode()
    else:
        new = chance.choice(_WORDS)
    return (data[: word.start()] + new + data[word.end() :])[:_LONGEST]


def _number(chance: random.Random) -> float:
    kind = chance.randrange(4)
    if kind == 0:
        return chance.randrange(-(2**70), 2**70)
    return chance.uniform(-1e4, 1e4) + (1.8e9 if kind == 1 else 0.0) if kind < 3 else chance.randrange(-5, 6)


def _mutate(chance: random.Random, data: bytes) -> bytes:
    start = chance.randrange(len(data) + 1)
    stop = min(len(data), start + int(chance.expovariate(0.2)))
    kind = chance.randrange(7)
    if kind == 0:
        return data[:start] + data[stop:]
    if kind == 1:
        return data[:start] + data[start:stop] * chance.randrange(2, 5) + data[stop:]
    if kind == 2 and data:
        place = chance.randrange(len(data))
        return data[:place] + bytes((data[place] ^ 1 << chance.randrange(8),)) + data[place + 1 :]
    if kind == 3:
        return data[:start] + chance.randbytes(chance.randrange(1, 5)) + data[stop:]
    if kind == 4:
        return data[:start] + str(_number(chance)).encode() + data[stop:]
    return (data[:start] + chance.choice(_TOKENS) + (data[stop:] if kind == 5 else data[start:]))[:_LONGEST]
