"""Builds the Debian package of a gateway: wheels of vedette and all it needs, the service, an example configuration.

``dpkg-deb`` packs it. The environment under /opt/vedette is made on the gateway, by the package's own scripts and from
these wheels alone: an environment holds absolute paths and belongs to one Python, so it does not travel. The package is
for one architecture and for the Python that downloads the wheels; it says so in its dependencies.

    python packaging/build_deb.py --wheel vedette-….whl --constraint constraints/gateway.txt -o dist [--arch arm64]
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from email.utils import formatdate
from pathlib import Path

from vedette.runtime.operation import service

HERE = Path(__file__).parent
PROGRAM, CONFIG = Path("/opt/vedette/current/bin/vedette"), Path("/etc/vedette/gateway.toml")
# Debian's name of an architecture -> that of the wheels. There is no numpy for 32-bit ARM.
ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64"}
# The glibc of the oldest system that may be served (Debian 12: 2.36); wheels for an older one are taken too.
NEWEST_GLIBC = 36

CONTROL = """\
Package: vedette
Version: {version}
Architecture: {arch}
Maintainer: {maintainer}
Installed-Size: {size}
Depends: python3 (>= {python}~), python3 (<< {next_python}~), python3-venv, libc6 (>= 2.{glibc}), systemd
Section: net
Priority: optional
Description: gateway that scores sensor streams and sends alerts over MQTT
 Scores samples from MQTT, files or standard input with a small int8 model and
 sends only alerts, through an outbox that survives power cuts.
 .
 The wheels of all that it needs are in the package. They are installed into
 an environment of their own, /opt/vedette, which takes about 190 MB more.
 The service is neither enabled nor started: configure it first.
"""

CHANGELOG = """\
vedette ({version}) unstable; urgency=medium

  * See CHANGELOG.md of the project.

 -- {maintainer}  {date}
"""


def main() -> None:
    """Build the package and print its path."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--wheel", type=Path, required=True, help="vedette's own")
    parser.add_argument("--constraint", type=Path, required=True, help="the versions of the others")
    parser.add_argument("--python", default=sys.executable, help="of the gateway's version, with pip")
    parser.add_argument("--arch", choices=ARCHITECTURES, default=_native(), help="of the gateway")
    parser.add_argument("-o", dest="folder", type=Path, required=True, help="where the package goes")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        stage = Path(scratch) / "stage"
        wheels = stage / "usr/lib/vedette/wheels"
        wheels.mkdir(parents=True)
        download(options.wheel, options.constraint, options.python, options.arch, wheels)
        version = options.wheel.name.split("-")[1]
        lay_out(stage, version)
        describe(stage, version=version, arch=options.arch, python=_python_version(options.python))
        options.folder.mkdir(parents=True, exist_ok=True)
        package = options.folder / f"vedette_{version}_{options.arch}.deb"
        command = ["dpkg-deb", "--root-owner-group", "-Zxz", "-z1", "--build", stage, package]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    print(package)  # noqa: T201


def download(wheel: Path, constraint: Path, python: str, arch: str, folder: Path) -> None:
    """Put the wheel and those that it needs into a folder; nothing is built from source."""
    command = [python, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--only-binary=:all:"]
    if arch != _native():
        machine = ARCHITECTURES[arch]
        for minor in range(17, NEWEST_GLIBC + 1):
            command += ["--platform", f"manylinux_2_{minor}_{machine}"]
        command += ["--platform", f"manylinux2014_{machine}"]
    subprocess.run([*command, "--constraint", constraint, "--dest", folder, wheel], check=True)


def lay_out(stage: Path, version: str) -> None:
    """Everything but the wheels and the package's own description."""
    units = {
        "usr/lib/systemd/system/vedette.service": service.unit(program=PROGRAM, config=CONFIG),
        "usr/lib/sysusers.d/vedette.conf": service.template(service.USER),
        "usr/lib/tmpfiles.d/vedette.conf": service.template(service.FOLDERS),
        "etc/vedette/gateway.toml": (HERE / "gateway.toml").read_text(encoding="utf-8"),
        "usr/share/doc/vedette/copyright": (HERE / "copyright").read_text(encoding="utf-8"),
    }
    for device in service.DEVICES:
        units[f"usr/share/doc/vedette/examples/{device}.conf"] = service.template(f"{device}.conf")
    for name, text in units.items():
        path = stage / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    changelog = CHANGELOG.format(version=version, maintainer=_maintainer(), date=formatdate(_build_time()))
    (stage / "usr/share/doc/vedette/changelog.gz").write_bytes(gzip.compress(changelog.encode(), 9, mtime=0))
    (stage / "usr/bin").mkdir(parents=True)
    (stage / "usr/bin/vedette").symlink_to(PROGRAM)


def describe(stage: Path, *, version: str, arch: str, python: tuple[int, int]) -> None:
    """The DEBIAN folder, and the modes of all files."""
    files = sorted(path for path in stage.rglob("*") if path.is_file() and not path.is_symlink())
    for path in stage.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o644)
    stage.chmod(0o755)
    control = stage / "DEBIAN"
    control.mkdir(mode=0o755)
    text = CONTROL.format(
        version=version,
        arch=arch,
        maintainer=_maintainer(),
        size=sum(path.stat().st_size for path in files) // 1024,
        python=f"{python[0]}.{python[1]}",
        next_python=f"{python[0]}.{python[1] + 1}",
        glibc=least_glibc([path.name for path in files if path.suffix == ".whl"]),
    )
    (control / "control").write_text(text, encoding="utf-8")
    (control / "conffiles").write_text(f"{CONFIG}\n", encoding="utf-8")
    sums = [f"{hashlib.md5(path.read_bytes()).hexdigest()}  {path.relative_to(stage)}\n" for path in files]
    (control / "md5sums").write_text("".join(sums), encoding="utf-8")
    for name in ("postinst", "prerm", "postrm"):
        script = (HERE / name).read_text(encoding="utf-8").replace("@VERSION@", version)
        (control / name).write_text(script, encoding="utf-8")
        (control / name).chmod(0o755)


def least_glibc(wheels: list[str]) -> int:
    """The minor version of the glibc 2.x that runs all of these wheels.

    >>> least_glibc(["a-1-cp311-cp311-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl", "b-1-py3-none-any.whl"])
    27
    """
    needed = [17]
    for name in wheels:
        if found := [int(minor) for minor in re.findall(r"manylinux_2_(\d+)_", name)]:
            needed.append(min(found))
    return max(needed)


def _native() -> str:
    machine = os.uname().machine
    return next((arch for arch, name in ARCHITECTURES.items() if name == machine), "amd64")


def _python_version(python: str) -> tuple[int, int]:
    code = "import sys; print(*sys.version_info[:2])"
    out = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout
    major, minor = map(int, out.split())
    return major, minor


def _maintainer() -> str:
    """As Debian's own tools take it."""
    return f"{os.environ.get('DEBFULLNAME', 'vedette')} <{os.environ.get('DEBEMAIL', 'root@localhost')}>"


def _build_time() -> float:
    """Fixed where a reproducible build asks for it."""
    return float(os.environ.get("SOURCE_DATE_EPOCH", time.time()))


if __name__ == "__main__":
    if shutil.which("dpkg-deb") is None:
        sys.exit("dpkg-deb is needed; try: apt-get install dpkg")
    main()
