"""Taking checked values out of a parsed JSON object, with errors that name the place."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from vedette.errors import BundleError, VedetteError, nearest

T = TypeVar("T")


class Keys:
    """A JSON object whose values are checked as they are taken out."""

    def __init__(self, document: Any, where: str, error: type[VedetteError] = BundleError) -> None:
        """``where`` names the object in errors, which are of the class ``error``."""
        if not isinstance(document, dict):
            raise error(f"{where}: expected an object, found {type(document).__name__}")
        self.document: dict[str, Any] = document
        self.where = where
        self.error = error

    def get(self, key: str, kind: type[T] | tuple[type[T], ...]) -> T:
        """The value of ``key``, which must be of that type."""
        value = self.document.get(key)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            wanted = kind.__name__ if isinstance(kind, type) else "number"
            raise self.error(f"{self.where}: {key}: expected {wanted}, found {value!r:.40}")
        return value

    def text(self, key: str) -> str:
        """A string."""
        return self.get(key, str)

    def integer(self, key: str, *, low: int, high: int = 2**53) -> int:
        """An integer from ``low`` to ``high``."""
        value = self.get(key, int)
        if not low <= value <= high:
            raise self.error(f"{self.where}: {key}: expected {low} to {high}, found {value}")
        return value

    def number(self, key: str, *, low: float = -math.inf, above: float = -math.inf) -> float:
        """A finite number of at least ``low`` and greater than ``above``."""
        value = float(self.get(key, (int, float)))
        if not math.isfinite(value) or value < low or value <= above:
            raise self.error(f"{self.where}: {key}: expected a number of at least {max(low, above)}, found {value}")
        return value

    def section(self, key: str) -> Keys:
        """A nested object."""
        return Keys(self.document.get(key), f"{self.where}: {key}", self.error)

    def items(self, key: str, read: Callable[[Keys], T]) -> tuple[T, ...]:
        """A list of objects, each read by ``read``."""
        return tuple(
            read(Keys(item, f"{self.where}: {key}[{i}]", self.error)) for i, item in enumerate(self.get(key, list))
        )

    def only(self, known: Iterable[str]) -> None:
        """Refuse keys that are not among the ``known``."""
        valid = list(known)
        for key in self.document:
            if key not in valid:
                raise self.error(f'{self.where}: unknown key "{key}"; {nearest(key, valid)}')

    def optional(self, key: str, read: Callable[[str], T]) -> T | None:
        """None where the key is absent or null, else what ``read`` makes of it."""
        return None if self.document.get(key) is None else read(key)
