"""Taking checked values out of a YAML file, with errors that name the file, the line and the nearest valid word."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from vedette.errors import ConfigError, DependencyError, nearest

T = TypeVar("T")


class Entry(NamedTuple):
    """What a key stands for: the line of the key, its YAML node and its value."""

    line: int
    node: Any
    value: Any


class Section:
    """A mapping of a YAML file. Whatever was not taken out of it when :meth:`done` is called is an unknown key."""

    def __init__(self, entries: dict[str, Entry], *, path: Path, where: str, line: int) -> None:
        """``entries`` by key; ``where`` and ``line`` are the section's own place in the file."""
        self._entries = entries
        self._path, self._where, self._line = path, where, line
        self._taken: set[str] = set()

    def text(self, key: str) -> str:
        """A string that is not empty."""
        value = self._take(key)
        if not isinstance(value, str) or not value.strip():
            raise self.error(key, f"expected text, found {value!r:.60}")
        return value

    def optional_text(self, key: str) -> str | None:
        """A string, or None where the key is absent."""
        if key not in self._entries:
            self._taken.add(key)
            return None
        return self.text(key)

    def texts(self, key: str) -> list[str]:
        """A list of strings, at least one."""
        value = self._take(key)
        if not isinstance(value, list) or not value or not all(isinstance(item, str) for item in value):
            raise self.error(key, f"expected a list of words, found {value!r:.60}")
        return list(value)

    def word(self, key: str, valid: Iterable[str]) -> str:
        """One of the valid words."""
        return self._valid(key, str(self._take(key)), list(valid))

    def words(self, key: str, valid: Iterable[str]) -> list[str]:
        """A list of valid words, at least one, none of them twice."""
        words = list(valid)
        values = [self._valid(key, value, words) for value in self.texts(key)]
        for value in values:
            if values.count(value) > 1:
                raise self.error(key, f'"{value}" is there twice')
        return values

    def optional_words(self, key: str, valid: Iterable[str]) -> list[str]:
        """A list of valid words as in :meth:`words`, or an empty one where the key is absent."""
        if key not in self._entries:
            self._taken.add(key)
            return []
        return self.words(key, valid)

    def number(self, key: str) -> float:
        """A finite number of at least 0; an integer stays one."""
        value = self._take(key)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
            raise self.error(key, f"expected a number of at least 0, found {value!r:.60}")
        return value

    def count(self, key: str) -> int:
        """A whole number of at least 1."""
        value = self._take(key)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise self.error(key, f"expected a whole number of at least 1, found {value!r:.60}")
        return value

    def refuse(self, keys: Iterable[str], why: str) -> None:
        """Raise :class:`ConfigError` where one of the keys is there, with the reason why it must not be."""
        for key in keys:
            if key in self._entries:
                raise self.error(key, why)

    def skip(self, key: str, word: str) -> bool:
        """Whether the key holds that word instead of a section; then it is done with."""
        return key in self._entries and self._entries[key].value == word and self._take(key) == word

    def section(self, key: str, read: Callable[[Section], T]) -> T:
        """A nested mapping, read by ``read``, which must take every key."""
        value = self._take(key)
        inner = _section(self._entries[key].node, value, path=self._path, where=f"{self._where}{key}: ")
        result = read(inner)
        inner.done()
        return result

    def named(self, key: str, read: Callable[[str, Section], T]) -> dict[str, T]:
        """A mapping from names of one's choice to nested mappings, each read by ``read``."""
        return self.section(key, lambda inner: inner._each(read))

    def register(self, key: str, read: Callable[[str, Section], T]) -> Register[T]:
        """A mapping as in :meth:`named` whose entries other places refer to by name."""
        return self.section(key, lambda inner: Register(inner._each(read), inner))

    def done(self) -> None:
        """Raise :class:`ConfigError` where a key was not taken, which means that it is not known."""
        for key in self._entries:
            if key not in self._taken:
                raise self.error(key, f"the key is not known; {nearest(key, sorted(self._taken))}")

    def error(self, key: str, message: str) -> ConfigError:
        """The error to raise about a key's value; it names the file, the line and the place."""
        return ConfigError(f"{self._path.name}, line {self._entries[key].line}: {self._where}{key}: {message}")

    def _each(self, read: Callable[[str, Section], T]) -> dict[str, T]:
        return {name: self.section(name, partial(read, name)) for name in self._entries}

    def _valid(self, key: str, word: str, valid: list[str]) -> str:
        if word not in valid:
            raise self.error(key, f'"{word}" is not valid; {nearest(word, valid)}')
        return word

    def _take(self, key: str) -> Any:
        if key not in self._entries:
            close = difflib.get_close_matches(key, self._entries.keys() - self._taken, n=1)
            hint = f', did you mean it by "{close[0]}"?' if close else ""
            raise ConfigError(f'{self._path.name}, line {self._line}: {self._where}the key "{key}" is missing{hint}')
        self._taken.add(key)
        return self._entries[key].value


class Register(Generic[T]):
    """Entries of a YAML file that other places name, and which of them were named."""

    def __init__(self, entries: dict[str, T], section: Section) -> None:
        """``section`` is where the entries stand."""
        self._entries, self._section = entries, section
        self._named: set[str] = set()

    def pick(self, place: Section, key: str) -> T:
        """The entry that the place names. Raises :class:`ConfigError` where there is none."""
        name = place.word(key, self._entries)
        self._named.add(name)
        return self._entries[name]

    def pick_or_none(self, place: Section, key: str) -> T | None:
        """The entry that the place names, or None where it says ``none``."""
        name = place.word(key, ["none", *self._entries])
        return None if name == "none" else self.pick(place, key)

    def all_named(self) -> None:
        """Raise :class:`ConfigError` at the first entry that no place named."""
        for name in self._entries:
            if name not in self._named:
                raise self._section.error(name, "nothing refers to this entry; use it or remove it")


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
    seen: set[str] = set()
    for key_node, _ in node.value:
        if key_node.value in seen:
            place = f"{path.name}, line {key_node.start_mark.line + 1}: {where}"
            raise ConfigError(f'{place}"{key_node.value}" is there twice')
        seen.add(key_node.value)
    entries = {
        key_node.value: Entry(key_node.start_mark.line + 1, value_node, value)
        for (key_node, value_node), value in zip(node.value, values.values(), strict=True)
    }
    return Section(entries, path=path, where=where, line=line)
