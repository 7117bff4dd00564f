"""The compression steps, one module each. A new step is one module of its name here, and its name in ``train.recipe``.

Every module has one entry point, ``apply(draft, bench, amount)``, which returns the compressed draft and what it did,
as JSON types for the record. None is changed in place: a step may be tried and thrown away.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Protocol, cast

from vedette.compress.draft import Bench, Draft
from vedette.train.recipe import STEPS as NAMES


class CompressionStep(Protocol):
    """What a module of this package provides."""

    def apply(self, draft: Draft, bench: Bench, amount: float | None) -> tuple[Draft, dict[str, Any]]:
        """The compressed draft, and what was done; ``amount`` None leaves that to the step."""


STEPS = {name: cast(CompressionStep, import_module(f"{__name__}.{name}")) for name in NAMES}
