"""How a simulator documents its numbers: unit, meaning and source beside each value.

``docs/simulators.md`` shows them as tables; a test compares the two. "Assumed" marks a choice of ours: a plausible
value, not a figure from a standard, a paper or a data sheet.
"""

from __future__ import annotations

from typing import Any, NamedTuple, get_type_hints


class Doc(NamedTuple):
    """What a parameter is: its unit, its meaning, and where its value comes from."""

    unit: str
    meaning: str
    source: str


def parameter_rows(parameters: Any) -> list[tuple[str, str, str, str, str]]:
    """Name, value, unit, meaning and source of every parameter of a dataclass, in order, for the documentation."""

    def shown(value: object) -> str:
        return ", ".join(f"{item:g}" for item in value) if isinstance(value, tuple) else f"{value:g}"

    hints = get_type_hints(type(parameters), include_extras=True)
    return [(name, shown(getattr(parameters, name)), *hint.__metadata__[0]) for name, hint in hints.items()]
