"""Build the root folder of an aarch64 gateway, without being root: ``build.py FOLDER`` (``make environments`` runs it).

``FOLDER/root`` has Python and its libraries as this machine's Debian release packages them for arm64, and
``FOLDER/gateway`` and ``FOLDER/tflite-runtime`` the wheels of the two gateway environments. Nothing is installed: the
packages are downloaded through an apt state of its own, with this machine's sources and keys, and unpacked.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
CONSTRAINTS = HERE.parent.parent / "constraints"
# What the wheels need beside Python.
LIBRARIES = ["libgcc-s1", "libstdc++6"]
# Wheels are chosen by the glibc that they were built for: up to that of Debian 12, the oldest release with Python 3.11.
PLATFORMS = ["manylinux2014_aarch64", *(f"manylinux_2_{minor}_aarch64" for minor in range(17, 37))]
REMEDY = (
    "Check that this machine is online and that its apt sources offer arm64 packages (Debian's do; Ubuntu keeps them\n"
    "on a server of their own, to be added as a source for arm64), then run: make environments"
)
PIN = re.compile(r'(?P<name>[\w.-]+)==(?P<version>\S+)(?: ; python_version == "(?P<python>[\d.]+)")?')


class BuildError(Exception):
    """A step that failed, with what its program said."""


def run(what: str, *command: str | Path) -> str:
    """Run a program silently; the end of what it said on stderr. Raises :class:`BuildError`."""
    try:
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    except FileNotFoundError:
        raise BuildError(f"{what}: {command[0]} is not here; this needs Debian, or a system made from it") from None
    except subprocess.CalledProcessError as error:
        raise BuildError(f"{what} failed:\n{_end(error.stderr or error.stdout)}") from error
    return _end(done.stderr)


def _end(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-5:])


def unpack_debian(state: Path, root: Path) -> str:
    """Download and unpack the packages; the version of their Python, as "3.11"."""
    for folder in ("lists/partial", "archives/partial"):
        (state / folder).mkdir(parents=True)
    (state / "status").touch()
    settings = {
        "APT::Architecture": "arm64",
        "APT::Architectures": "arm64",
        "APT::Sandbox::User": "root",  # apt's own user may not enter this folder
        "Acquire::Languages": "none",
        "Dir::State": state,
        "Dir::State::status": state / "status",
        "Dir::Cache": state,
    }
    apt = ["apt-get", "-q", *(f"-o{key}={value}" for key, value in settings.items())]
    warnings = run("reading the lists of arm64 packages", *apt, "update")
    install = ["install", "-y", "--download-only", "--no-install-recommends", "python3", *LIBRARIES]
    try:
        run("downloading arm64 packages", *apt, *install)
    except BuildError as error:  # apt only warns of lists that it could not read
        raise BuildError(f"{error}\n{warnings}".rstrip()) from error
    for package in sorted((state / "archives").glob("*.deb")):
        run(f"unpacking {package.name}", "dpkg", "-x", package, root)
    if not (root / "lib").exists():  # from Debian 13 on, another package brings this link
        (root / "lib").symlink_to("usr/lib")
    return (root / "usr/bin/python3").readlink().name.removeprefix("python")


def pins(path: Path, python: str) -> dict[str, str]:
    """Package -> version, as a file of constraints names them for that Python."""
    found = [PIN.fullmatch(line) for line in path.read_text().splitlines() if not line.startswith("#")]
    return {pin["name"]: pin["version"] for pin in found if pin and pin["python"] in (None, python)}


def install_wheels(folder: Path, versions: dict[str, str], python: str) -> None:
    """Unpack exactly those wheels for aarch64 into a folder."""
    # pip holds requires-python against the Python that runs it, not the one it installs for; the pins are exact anyway.
    options = ["--quiet", "--no-deps", "--no-compile", "--only-binary=:all:", "--ignore-requires-python"]
    target = ["--implementation", "cp", "--python-version", python, *(f"--platform={name}" for name in PLATFORMS)]
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install"]
    wheels = [f"{name}=={version}" for name, version in versions.items()]
    run(f"downloading the wheels of {folder.name}", *pip, *options, *target, "--target", folder, *wheels)


def build(folder: Path) -> None:
    """Make the folder whole or not at all. Raises :class:`BuildError`."""
    part = folder.with_name(f"{folder.name}.part")
    for old in (folder, part):
        shutil.rmtree(old, ignore_errors=True)
    try:
        (part / "root").mkdir(parents=True)
        python = unpack_debian(part.resolve() / "apt", part / "root")
        shutil.rmtree(part / "apt")
        gateway = pins(CONSTRAINTS / "gateway.txt", python) | pins(HERE / "constraints.txt", python)
        install_wheels(part / "gateway", gateway, python)
        if python in ("3.10", "3.11"):  # tflite-runtime has no wheels for newer ones
            install_wheels(part / "tflite-runtime", pins(CONSTRAINTS / "tflite-runtime.txt", python), python)
        (part / ".dependencies").touch()
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


if __name__ == "__main__":
    try:
        build(Path(sys.argv[1]))
    except BuildError as failure:
        sys.exit(f"no emulated aarch64 gateway: {failure}\n{REMEDY}")
