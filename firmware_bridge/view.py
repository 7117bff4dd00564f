"""Tables of plain text, which need no terminal."""

from __future__ import annotations

from collections.abc import Sequence

from vedette.firmware_bridge.fit import Fit


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Aligned columns; those whose heading begins with ">" to the right.

    >>> print(table(["board", ">flash"], [["m4", "1,024"], ["esp32-s3", "2"]]))
    board     flash
    m4        1,024
    esp32-s3      2
    """
    right = [heading.startswith(">") for heading in headings]
    lines = [[heading.lstrip(">") for heading in headings], *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in lines
    )


def fit_table(found: Sequence[Fit]) -> str:
    """The boards, the verdict of each, and where the estimates come from."""
    sources = list(dict.fromkeys(fit.estimate.source for fit in found if fit.estimate))
    rows = [
        [
            fit.board,
            "fits" if fit.fits else "does not fit",
            _of(fit.flash_bytes, fit.flash_have),
            _of(fit.ram_bytes, fit.ram_have),
            f"about {fit.estimate.milliseconds:.2g} ms [{sources.index(fit.estimate.source) + 1}]"
            if fit.estimate
            else "-",
            "; ".join(fit.problems),
        ]
        for fit in found
    ]
    lines = [table(["board", "", ">flash", ">RAM", ">one inference", "why not"], rows), ""]
    lines.append("flash, RAM: constants and memory of the detector before code and stack, of what the chip has")
    lines += [
        f"[{number}] estimated, by multiply-accumulates, from {source}: another program's speed"
        for number, source in enumerate(sources, start=1)
    ]
    return "\n".join(lines)


def _estimate(fit: Fit, sources: list[str]) -> str:
    found = fit.estimate
    return f"about {found.milliseconds:.2g} ms [{sources.index(found.source) + 1}]" if found else "-"


def _of(need: int, have: int | None) -> str:
    return f"{need:,} B" if have is None else f"{need:,} B of {have // 1024:,} kB"
