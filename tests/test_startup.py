"""What the command line loads before it knows the command. `python -m vedette.benchmarks.startup` measures the time."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {
    "amqtt",
    "cryptography",
    "jinja2",
    "matplotlib",
    "numpy",
    "paho",
    "polars",
    "rich",
    "scipy",
    "sklearn",
    "sqlite3",
    "tensorflow",
    "tf_keras",
    "yaml",
}


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["train", "--help"], ["run", "--help"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys\n"
        "from vedette.cli import main\n"
        f"sys.argv = ['vedette', *{arguments!r}]\n"
        "try:\n    main()\n"
        "except SystemExit as stop:\n    assert not stop.code, stop.code\n"
        "print('LOADED', *sorted({name.split('.')[0] for name in sys.modules}))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(result.stdout.rpartition("LOADED ")[2].split())
    assert "click" in loaded
    assert not loaded & HEAVY
