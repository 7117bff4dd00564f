"""What to do where a part that a test needs is not here."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def missing(what: str, remedy: str) -> NoReturn:
    """Skip the test with what to do about it; in CI nothing may be missing, so there it fails."""
    message = f"{what}; try: {remedy}"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)
