"""Who may import whom, and what a gateway may need (the import-linter contracts are in pyproject.toml)."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
RUNTIME_MAY_IMPORT = {"ai_edge_litert", "click", "cryptography", "numpy", "paho", "tflite_runtime", "tomli", "vedette"}
COMMANDS_MAY_IMPORT = {"click", "vedette"}


def top_level_names(statements: list[ast.stmt]) -> set[str]:
    """The first names of what the statements import, without those inside functions unless they are passed in."""
    names: set[str] = set()
    for statement in statements:
        if isinstance(statement, ast.Import):
            names |= {alias.name.split(".")[0] for alias in statement.names}
        elif isinstance(statement, ast.ImportFrom):
            names.add((statement.module or "").split(".")[0])
    return names


def test_the_folders_import_only_what_the_map_allows() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    result = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("path", sorted(ROOT.glob("runtime/**/*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_the_runtime_imports_only_the_gateway_core_anywhere(path: Path) -> None:
    statements = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.stmt)]
    foreign = top_level_names(statements) - set(sys.stdlib_module_names) - RUNTIME_MAY_IMPORT
    assert not foreign, f"{path.name} imports {sorted(foreign)}, which a gateway does not have"


@pytest.mark.parametrize("path", sorted(ROOT.glob("*/commands.py")), ids=lambda path: path.parent.name)
def test_command_modules_import_only_light_modules_at_the_top(path: Path) -> None:
    foreign = top_level_names(ast.parse(path.read_text()).body) - set(sys.stdlib_module_names) - COMMANDS_MAY_IMPORT
    assert not foreign, f"{path.parent.name}/commands.py imports {sorted(foreign)} before any command runs"
