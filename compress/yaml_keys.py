"""Taking checked values out of a YAML file, with errors that name the file, the line and the nearest valid word."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from vedette.errors import ConfigError, DependencyError, nearest

T = TypeVar("T")


class Section:
    """A mapping of a YAML file. Whatever was not taken out of it when :meth:`done` is called is an unknown key."""

    def __init__(self, entries: dict[str, Any], *, path: Path, where: str, line: int, values: dict[str, Any]) -> None:
        """``entries`` are the YAML nodes by key, ``values`` what they stand for, ``where`` and ``line`` the place."""
        self._entries, self._values = entries, values
        self._path, self._where, self._line = path, where, line
        self._taken: set[str] = set()

    def text(self, key: str) -> str:
        """A string that is not empty."""
        value = self._take(key)
        if not isinstance(value, str) or not value.strip():
            raise self._error(key, f"expected text, found {value!r:.60}")
        return value

    def optional_text(self, key: str) -> str | None:
        """A string, or None where the key is absent."""
        if key not in self._entries:
            self._taken.add(key)
            return None
        return self.text(key)

    def texts(self, key: str) -> list[str]:
        """A list of strings."""
        value = self._take(key)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self._error(key, f"expected a list of words, found {value!r:.60}")
        return list(value)

    def word(self, key: str, valid: Iterable[str]) -> str:
        """One of the valid words."""
        words = list(valid)
        value = str(self._take(key))
        if value not in words:
            raise self._error(key, f'"{value}" is not valid; {nearest(value, words)}')
        return value

    def number(self, key: str) -> float:
        """A finite number of at least 0; an integer stays one."""
        value = self._take(key)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
            raise self._error(key, f"expected a number of at least 0, found {value!r:.60}")
        return value

    def skip(self, key: str, word: str) -> bool:
        """Whether the key holds that word instead of a section; then it is done with."""
        return self._values.get(key) == word and self._take(key) == word

    def section(self, key: str, read: Callable[[Section], T]) -> T:
        """A nested mapping, read by ``read``, which must take every key."""
        self._take(key)
        inner = _section(self._entries[key], self._values[key], path=self._path, where=f"{self._where}{key}: ")
        result = read(inner)
        inner.done()
        return result

    def named(self, key: str, read: Callable[[str, Section], T]) -> dict[str, T]:
        """A mapping from names of one's choice to nested mappings, each read by ``read``."""

        def read_all(inner: Section) -> dict[str, T]:
            return {name: inner.section(name, partial(read, name)) for name in inner._entries}

        return self.section(key, read_all)

    def done(self) -> None:
        """Raise :class:`ConfigError` where a key was not taken, which means that it is not known."""
        for key in self._entries:
            if key not in self._taken:
                raise self._error(key, f"the key is not known; {nearest(key, sorted(self._taken))}")

    def _take(self, key: str) -> Any:
        if key not in self._entries:
            close = difflib.get_close_matches(key, self._entries.keys() - self._taken, n=1)
            hint = f', did you mean it by "{close[0]}"?' if close else ""
            raise ConfigError(f'{self._path.name}, line {self._line}: {self._where}the key "{key}" is missing{hint}')
        self._taken.add(key)
        return self._values[key]

    def _error(self, key: str, message: str) -> ConfigError:
        line = self._entries[key].start_mark.line + 1
        return ConfigError(f"{self._path.name}, line {line}: {self._where}{key}: {message}")


def parse(path: Path) -> Section:
    """Read a YAML file whose top is a mapping. Raises :class:`ConfigError` where it is not one."""
    try:
        import yaml
    except ImportError:
        raise DependencyError('reading YAML needs PyYAML; try: pip install "vedette[desktop]"') from None
    try:
        loader = yaml.SafeLoader(path.read_text(encoding="utf-8"))
        node = loader.get_single_node()
        values = loader.construct_document(node) if node is not None else None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path.name}: not valid YAML: {' '.join(str(error).split())}") from error
    if node is None:
        raise ConfigError(f"{path.name}: expected a mapping, found an empty file")
    return _section(node, values, path=path, where="")


def _section(node: Any, values: Any, *, path: Path, where: str) -> Section:
    line = node.start_mark.line + 1
    place = f"{path.name}, line {line}: {where}"
    if not isinstance(values, dict):
        raise ConfigError(f"{place}expected keys and values, found {values!r:.60}")
    entries: dict[str, Any] = {}
    for key_node, value_node in node.value:
        if key_node.value in entries:
            raise ConfigError(
                f'{path.name}, line {key_node.start_mark.line + 1}: {where}"{key_node.value}" is there twice'
            )
        entries[key_node.value] = value_node
    return Section(entries, path=path, where=where, line=line, values={str(key): item for key, item in values.items()})
