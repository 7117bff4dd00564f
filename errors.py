"""The one error family of vedette.

Every failure a user can cause or meet is a :class:`VedetteError`. The message says what was expected,
what was found and what to do next; the exit code sits on the class and is a documented contract of the
command line (``docs/reference/exit-codes.md`` is checked against this module).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class VedetteError(Exception):
    """A failure that is explained to the user without a traceback."""

    exit_code = 1


class DataError(VedetteError):
    """Input data that cannot be used: missing, unreadable, of the wrong shape or content."""

    exit_code = 10


class ConfigError(VedetteError):
    """A configuration file or value that is not valid."""

    exit_code = 11


class BundleError(VedetteError):
    """A bundle that is damaged, incomplete, of another format version, or not a bundle."""

    exit_code = 12


class BoardError(VedetteError):
    """A board that is not known, or on which the model cannot run."""

    exit_code = 13


class OutputError(VedetteError):
    """An output that exists already or cannot be written."""

    exit_code = 14


class ModelError(VedetteError):
    """A model directory or model file that cannot be used."""

    exit_code = 15


class DependencyError(VedetteError):
    """A package that this command needs is not installed, or does not work here."""

    exit_code = 16


class BrokerError(VedetteError):
    """The MQTT broker cannot be reached or refuses us."""

    exit_code = 17


class SelfTestError(VedetteError):
    """The golden windows do not give the outputs that the bundle promises."""

    exit_code = 18


class ExportRefusedError(VedetteError):
    """The compressed model lost more than the promise allows, so no bundle was written."""

    exit_code = 19


def nearest(word: str, valid: Iterable[str]) -> str:
    """Return a hint that names the nearest valid word, if one is near, and all valid words.

    >>> nearest("rpi44", ["rpi4", "rpi5", "x86-64"])
    'did you mean "rpi4"? Valid: rpi4, rpi5, x86-64'
    >>> nearest("zebra", ["rpi4"])
    'valid: rpi4'
    """
    words = [str(item) for item in valid]
    close = difflib.get_close_matches(word, words, n=1)
    listed = ", ".join(words)
    return f'did you mean "{close[0]}"? Valid: {listed}' if close else f"valid: {listed}"
