"""Tables of plain text, which need no terminal."""

from __future__ import annotations

from collections.abc import Sequence

from vedette.firmware_bridge.fit import Fit
from vedette.firmware_bridge.machine.sizes import Footprint
from vedette.firmware_bridge.proving import Tested

# Functions and tables that are told one by one.
LARGEST = 12


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


def size_table(title: str, found: Footprint) -> str:
    """What a program takes, and its largest functions and tables."""
    own = found.own
    libraries = "not known without a linker" if found.libraries is None else f"{found.libraries:,} B"
    rows = [
        ["code", f"{own.text:,} B", "flash"],
        ["constants", f"{own.rodata:,} B", "flash"],
        ["of the compiler's libraries", libraries, "flash"],
        ["context of the caller", f"{found.context:,} B", "RAM"],
        ["variables", f"{own.ram:,} B", "RAM"],
    ]
    lines = [title, "", table(["", ">bytes", "in"], rows), ""]
    lines.append(
        f"flash {found.flash:,} B as used (the self-test only where it is called), RAM {found.ram:,} B and stack"
    )
    symbols = [[symbol.name, f"{symbol.size:,}", symbol.section] for symbol in own.symbols[:LARGEST]]
    return "\n".join([*lines, "", table(["largest", ">bytes", "section"], symbols)])


def proof_table(title: str, found: Sequence[Tested]) -> str:
    """One row for each machine; what is not counted there is "-"."""
    rows = [
        [
            tested.part,
            tested.outcome.machine,
            tested.outcome.failure or f"{tested.outcome.differing:,} of {tested.outcome.total:,}",
            _count(tested.outcome.run.most_instructions),
            _count(tested.outcome.footprint.flash if tested.outcome.footprint else None),
            _count(tested.outcome.footprint.ram if tested.outcome.footprint else None),
            _count(tested.outcome.run.stack_bytes),
        ]
        for tested in found
    ]
    headings = ["part", "machine", ">bytes that differ", ">instructions", ">flash", ">RAM", ">stack"]
    notes = "instructions: of the longest call measured, counted by the emulator; they say nothing of milliseconds"
    return "\n".join([title, "", table(headings, rows), "", notes])


def progress(tested: Tested) -> str:
    """One line when a machine is done."""
    return f"{tested.part} on {tested.outcome.machine}: {'ok' if tested.outcome.holds else 'NOT the same bytes'}"


def _count(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _estimate(fit: Fit, sources: list[str]) -> str:
    found = fit.estimate
    return f"about {found.milliseconds:.2g} ms [{sources.index(found.source) + 1}]" if found else "-"


def _of(need: int, have: int | None) -> str:
    return f"{need:,} B" if have is None else f"{need:,} B of {have // 1024:,} kB"
