"""Resolve the exact versions of each environment and write them to ``constraints/*.txt`` (``make lock``).

pip resolves the requirements of ``pyproject.toml`` on every supported Python, without installing anything, so each of
those Pythons must be on PATH. A version that differs between them gets a marker.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import tomllib

HERE = Path(__file__).parent
# Environment -> the extras it has, the base dependencies it goes without, and the Pythons it supports.
ENVIRONMENTS: dict[str, tuple[list[str], list[str], list[str]]] = {
    "desktop": (["desktop", "dev"], [], ["3.11", "3.12", "3.13"]),
    "gateway": (["serial"], [], ["3.10", "3.11", "3.12", "3.13"]),
    "tflite-runtime": (["tflite-runtime"], ["ai-edge-litert"], ["3.10", "3.11"]),
}


def requirements(extras: list[str], without: list[str]) -> list[str]:
    """The requirements that ``pyproject.toml`` declares for the extras, less the named packages."""
    project = tomllib.loads((HERE.parent / "pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] + [item for extra in extras for item in project["optional-dependencies"][extra]]
    return [item for item in wanted if re.split(r"[^\w.-]", item)[0] not in without]


def resolve(python: str, wanted: list[str]) -> dict[str, str]:
    """Package -> version, as pip under ``python`` would install ``wanted`` into an empty environment."""
    command = [f"python{python}", "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet", "--report", "-"]
    report = subprocess.run([*command, *wanted], check=True, stdout=subprocess.PIPE).stdout
    found = [item["metadata"] for item in json.loads(report)["install"]]
    return {re.sub(r"[-_.]+", "-", item["name"]).lower(): item["version"] for item in found}


def lines(resolved: dict[str, dict[str, str]]) -> list[str]:
    """One line for a version that all Pythons share, else one for each Python that has the package."""
    result = []
    for package in sorted({name for versions in resolved.values() for name in versions}):
        versions = {python: found.get(package) for python, found in resolved.items()}
        if len(set(versions.values())) == 1:
            result.append(f"{package}=={next(iter(versions.values()))}")
            continue
        result += [f'{package}=={v} ; python_version == "{python}"' for python, v in versions.items() if v]
    return result


def main() -> None:
    """Write the file of every environment."""
    for name, (extras, without, pythons) in ENVIRONMENTS.items():
        wanted = requirements(extras, without)
        pins = lines({python: resolve(python, wanted) for python in pythons})
        head = f"# Resolved by pip for Python {', '.join(pythons)}. Written by `make lock`; do not edit."
        (HERE / f"{name}.txt").write_text("\n".join([head, *pins]) + "\n")
        sys.stderr.write(f"constraints/{name}.txt: {len(pins)} lines\n")


if __name__ == "__main__":
    main()
