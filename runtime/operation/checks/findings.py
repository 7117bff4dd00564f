"""One line of ``vedette check``: what was looked at, how it is, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

State = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Finding:
    """``check`` is the part (config, bundle, broker …), ``remedy`` is empty where nothing is to be done."""

    check: str
    state: State
    text: str
    remedy: str = ""

    def line(self) -> str:
        """For people.

        >>> Finding("clock", "warn", "not synchronised", "timedatectl set-ntp true").line()
        'warn  clock    not synchronised; try: timedatectl set-ntp true'
        """
        told = f"{self.text}; try: {self.remedy}" if self.remedy else self.text
        return f"{self.state:<4}  {self.check:<7}  " + told.replace("\n", " | ")


def ok(check: str, text: str) -> Finding:
    """Nothing is wrong."""
    return Finding(check, "ok", text)


def warn(check: str, text: str, remedy: str) -> Finding:
    """It will work, but not as well as it could or as somebody may think."""
    return Finding(check, "warn", text, remedy)


def fail(check: str, text: str, remedy: str) -> Finding:
    """It will not work, or not safely."""
    return Finding(check, "fail", text, remedy)


def as_document(findings: Iterable[Finding]) -> dict[str, Any]:
    """For machines: ``ok`` and the findings."""
    listed = list(findings)
    return {"ok": all(found.state != "fail" for found in listed), "findings": [asdict(found) for found in listed]}
