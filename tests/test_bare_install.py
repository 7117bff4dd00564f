"""A gateway has the wheel and its few dependencies, nothing of the desktop (`make environments` creates two)."""

from __future__ import annotations

import json
import os
import subprocess
import zipfile
from pathlib import Path

import pytest
from required import missing

ROOT = Path(__file__).parent.parent
FOLDERS = {"benchmarks", "compress", "firmware_bridge", "runtime", "train"}
ENVIRONMENTS = sorted({"gateway", "tflite-runtime"} | {path.name for path in (ROOT / ".venvs").glob("gateway-*")})
DESKTOP = ["tensorflow", "tf_keras", "yaml", "polars", "sklearn", "scipy", "matplotlib", "rich", "pytest"]


def packaged_files() -> list[Path]:
    """The files of the source tree that the wheel must carry."""
    files = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.is_file()]
    files += [*ROOT.glob("*.py"), ROOT / "boards.yaml", ROOT / "py.typed"]
    return [path for path in files if "__pycache__" not in path.parts]


def changed(path: Path) -> float:
    """When the file was last written; 0 where there is none."""
    return path.stat().st_mtime if path.exists() else 0.0


@pytest.fixture(params=ENVIRONMENTS)
def environment(request: pytest.FixtureRequest) -> Path:
    folder = ROOT / ".venvs" / request.param
    if changed(folder / ".wheel") < max(changed(path) for path in packaged_files()):
        missing(
            f"{f'the environment {folder.relative_to(ROOT)}'} is missing or older than the code", "make environments"
        )
    return folder


@pytest.fixture(scope="module")
def wheel() -> zipfile.ZipFile:
    found = list((ROOT / ".cache" / "wheel").glob("*.whl"))
    if not found or changed(found[0]) < max(changed(path) for path in packaged_files()):
        missing(f"{'the wheel'} is missing or older than the code", "make environments")
    return zipfile.ZipFile(found[0])


def run(environment: Path, folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a program of the environment away from the source tree, so that only what is installed can be imported."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    program = [str(environment / "bin" / command[0]), *command[1:]]
    return subprocess.run(program, cwd=folder, env=clean, capture_output=True, text=True, check=False)


def test_every_package_is_listed_for_installation() -> None:
    import tomllib

    listed = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    inits = [path for folder in FOLDERS for path in (ROOT / folder).rglob("__init__.py")]
    found = {".".join(["vedette", *path.parent.relative_to(ROOT).parts]) for path in inits}
    assert listed == found | {"vedette"}


@pytest.mark.slow
def test_the_wheel_installs_one_name_only(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert tops == {"vedette", f"vedette-{wheel_version(wheel)}.dist-info"}


def wheel_version(wheel: zipfile.ZipFile) -> str:
    return Path(str(wheel.filename)).name.split("-")[1]


@pytest.mark.slow
def test_the_wheel_carries_every_module_and_data_file(wheel: zipfile.ZipFile) -> None:
    expected = {f"vedette/{path.relative_to(ROOT)}" for path in packaged_files()}
    carried = {name for name in wheel.namelist() if name.startswith("vedette/")}
    assert carried == expected


@pytest.mark.slow
def test_the_command_line_starts_without_the_desktop(environment: Path, tmp_path: Path) -> None:
    result = run(environment, tmp_path, "vedette", "--help")
    assert result.returncode == 0, result.stderr
    assert "selftest" in result.stdout


@pytest.mark.slow
def test_nothing_of_the_desktop_is_installed(environment: Path, tmp_path: Path) -> None:
    code = f"import importlib.util, json; print(json.dumps([n for n in {DESKTOP} if importlib.util.find_spec(n)]))"
    result = run(environment, tmp_path, "python", "-c", code)
    assert json.loads(result.stdout) == []


@pytest.mark.slow
def test_each_interpreter_is_alone(environment: Path, tmp_path: Path) -> None:
    code = (
        "import importlib.util, json, numpy; "
        "both = ['ai_edge_litert', 'tflite_runtime']; "
        "print(json.dumps([[n for n in both if importlib.util.find_spec(n)], int(numpy.__version__[0])]))"
    )
    interpreters, numpy_major = json.loads(run(environment, tmp_path, "python", "-c", code).stdout)
    if environment.name == "tflite-runtime":
        assert (interpreters, numpy_major) == (["tflite_runtime"], 1)
    else:
        assert (interpreters, numpy_major) == (["ai_edge_litert"], 2)


@pytest.mark.slow
def test_golden_windows_give_what_the_bundle_promises(environment: Path, tmp_path: Path, tiny_bundle: Path) -> None:
    interpreter = "tflite-runtime" if environment.name == "tflite-runtime" else "ai-edge-litert"
    result = run(environment, tmp_path, "vedette", "selftest", str(tiny_bundle), "--interpreter", interpreter)
    assert result.returncode == 0, result.stdout + result.stderr
