"""Lines out of portions of bytes, in bounded memory."""

from __future__ import annotations


class LineSplitter:
    """Puts portions together and gives the lines in them, without their ends.

    Of a line that is longer than ``limit`` bytes come its first ``limit + 1`` bytes, once.

    >>> splitter = LineSplitter(4)
    >>> splitter.feed(b"ab"), splitter.feed(b"c\\nfar too long"), splitter.feed(b" a line\\nd"), splitter.end()
    ([], [b'abc', b'far t'], [], [b'd'])
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rest = b""
        self._skipping = False

    def feed(self, portion: bytes) -> list[bytes]:
        """The lines that end in this portion, and the beginning of one that is too long already."""
        *ended, self._rest = (self._rest + portion).split(b"\n")
        lines = []
        for line in ended:
            if not self._skipping:
                lines.append(line[: self._limit + 1])
            self._skipping = False
        if len(self._rest) > self._limit and not self._skipping:
            lines.append(self._rest[: self._limit + 1])
            self._skipping = True
        if self._skipping:
            self._rest = b""
        return lines

    def end(self) -> list[bytes]:
        """The last line, where it has no end of its own."""
        rest, self._rest = self._rest, b""
        return [rest] if rest else []
