"""The examples in the docstrings, module by module.

pytest's own --doctest-modules takes a module's name from its path, which is wrong where the package is the root folder.
"""

from __future__ import annotations

import ast
import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest

import vedette

ROOT = Path(vedette.__file__).parent
SLOW_TO_IMPORT = {"tensorflow", "tf_keras", "tensorflow_model_optimization", "matplotlib", "sklearn", "scipy", "amqtt"}
MODULES = [info.name for info in pkgutil.walk_packages([str(ROOT)], "vedette.") if not info.name.endswith("__main__")]


def imported_at_the_top(name: str) -> set[str]:
    """The modules that the module, or what it imports of vedette, imports at its top level."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        base = ROOT.joinpath(*waiting.pop().split(".")[1:])
        path = base / "__init__.py" if base.is_dir() else base.with_suffix(".py")
        for node in ast.parse(path.read_text()).body if path.exists() else []:
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            else:
                continue
            waiting += [name for name in names if name.startswith("vedette.") and name not in found]
            found.update(names)
    return found


def marks(name: str) -> list[pytest.MarkDecorator]:
    tops = {found.split(".")[0] for found in imported_at_the_top(name)}
    return [pytest.mark.slow] if tops & SLOW_TO_IMPORT else []


@pytest.mark.parametrize("name", [pytest.param(name, marks=marks(name)) for name in MODULES])
def test_the_examples_in_the_docstrings_hold(name: str) -> None:
    module = importlib.import_module(name)
    result = doctest.testmod(module, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0, f"{result.failed} of {result.attempted} examples in {name} fail (see the output above)"


def test_the_examples_are_found() -> None:
    assert "vedette.errors" in MODULES
    assert "vedette.runtime.inference.interpreter" in MODULES
