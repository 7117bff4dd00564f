"""``vedette firmware export`` as a user runs it: what it writes compiles; what it cannot use is refused in words."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from command import Outcome, Refused, vedette
from required import missing
from tiny import tiny_model

from vedette.errors import BoardError, ModelError, OutputError, VedetteError

STRICT = ["-std=c99", "-O1", "-Wall", "-Wextra", "-Werror", "-Wconversion", "-Wshadow", "-pedantic"]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "Pump 3.tflite"
    path.write_bytes(tiny_model())
    return path


def export(model: Path, folder: Path, *options: str) -> Outcome:
    outcome = vedette("firmware", "export", model, "--board", "nucleo-f446re", "-o", folder, *options)
    assert outcome.code == 0, outcome.stderr
    assert all(Path(line).is_file() for line in outcome.stdout.splitlines())
    return outcome


def compiler(name: str) -> str:
    found = shutil.which(name)
    return found or missing(f"{name} is not installed", "make system-packages")


def test_the_plain_folder_compiles_without_a_warning_and_runs(model: Path, tmp_path: Path) -> None:
    export(model, tmp_path / "out")
    sources = [tmp_path / "out" / name for name in ("pump_3.c", "main.c")]
    subprocess.run([compiler("gcc"), *STRICT, *sources, "-o", tmp_path / "example"], check=True)
    subprocess.run([tmp_path / "example"], check=True)


def test_the_header_is_cpp_too(model: Path, tmp_path: Path) -> None:
    export(model, tmp_path / "out")
    (tmp_path / "user.cpp").write_text('#include "pump_3.h"\nint main() { return PUMP_3_INPUT_SIZE == 0; }\n')
    subprocess.run(
        [compiler("g++"), "-std=c++11", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-I", tmp_path / "out",
         tmp_path / "user.cpp"],
        check=True,
    )  # fmt: skip


@pytest.mark.slow
def test_the_cmake_folder_is_a_package(model: Path, tmp_path: Path) -> None:
    export(model, tmp_path / "out", "--layout", "cmake")
    build, installed = tmp_path / "build", tmp_path / "installed"
    cmake = compiler("cmake")
    subprocess.run([cmake, "-S", tmp_path / "out", "-B", build, f"-DCMAKE_INSTALL_PREFIX={installed}"], check=True)
    subprocess.run([cmake, "--build", build, "--target", "install"], check=True)
    user = tmp_path / "user"
    user.mkdir()
    shutil.copy(tmp_path / "out" / "example" / "main.c", user)
    (user / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.13)\nproject(user C)\nfind_package(pump_3 REQUIRED)\n"
        "add_executable(user main.c)\ntarget_link_libraries(user pump_3::pump_3)\n"
    )
    subprocess.run([cmake, "-S", user, "-B", user / "build", f"-DCMAKE_PREFIX_PATH={installed}"], check=True)
    subprocess.run([cmake, "--build", user / "build"], check=True)
    subprocess.run([user / "build" / "user"], check=True)


def test_the_arduino_folder_has_what_a_library_must_have(model: Path, tmp_path: Path) -> None:
    export(model, tmp_path / "out", "--layout", "arduino")
    properties = dict(line.split("=", 1) for line in (tmp_path / "out" / "library.properties").read_text().splitlines())
    assert {"name", "version", "author", "maintainer", "sentence", "paragraph", "category", "url"} <= set(properties)
    assert properties["includes"] == "pump_3.h"
    subprocess.run(
        [compiler("gcc"), *STRICT, "-c", tmp_path / "out" / "src" / "pump_3.c", "-o", tmp_path / "o"], check=True
    )


def test_files_for_tflite_micro_name_exactly_the_operators(model: Path, tmp_path: Path) -> None:
    export(model, tmp_path / "out", "--format", "tflm")
    header = (tmp_path / "out" / "pump_3_model.h").read_text()
    assert "constexpr int pump_3_operators = 1;" in header
    assert header.count("resolver.Add") == 1 and "resolver.AddFullyConnected();" in header
    source = (tmp_path / "out" / "pump_3_model.cc").read_text()
    numbers = source[source.index("= {") + 3 : source.rindex("}")].replace(",", " ").split()
    assert bytes(map(int, numbers)) == tiny_model()


def test_a_folder_with_something_in_it_is_left_alone_unless_told(model: Path, tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    command = ("firmware", "export", model, "--board", "nucleo-f446re", "-o", tmp_path / "out")
    refused(OutputError, ["--force"], *command)
    assert vedette(*command, "--force").code == 0
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("options", "error", "told"),
    [
        ((), BoardError, "--board NAME"),
        (("--board", "rpi4"), BoardError, "vedette run there"),
        (("--board", "nucleo-f446"), BoardError, 'did you mean "nucleo-f446re"'),
        (("--board", "nucleo-f446re", "--name", "3pump"), OutputError, "lower-case letters"),
        (("--board", "nucleo-f446re", "--name", "while"), OutputError, "lower-case letters"),
    ],
)
def test_what_cannot_be_is_told(
    model: Path, refused: Refused, options: tuple[str, ...], error: type[VedetteError], told: str
) -> None:
    refused(error, [told], "firmware", "export", model, "-o", model.parent / "out", *options)


@pytest.mark.parametrize("kept", [8, 200])
def test_a_damaged_model_is_refused(tmp_path: Path, refused: Refused, kept: int) -> None:
    path, data = tmp_path / "m.tflite", tiny_model()
    path.write_bytes(data[:kept] + bytes(len(data) - kept))
    refused(ModelError, [], "firmware", "export", path, "--board", "nucleo-f446re", "-o", tmp_path / "out")
