"""The Debian package: built, looked at, and installed by dpkg itself into a folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from required import missing
from test_bare_install import changed, packaged_files

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
ROOT = Path(__file__).parent.parent
# What dpkg needs to be asked, where the folder is no whole system.
INTO_A_FOLDER = ["--force-script-chrootless", "--force-depends", "--log=/dev/null"]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    wheels = list((ROOT / ".cache" / "wheel").glob("*.whl"))
    if not wheels or changed(wheels[0]) < max(changed(path) for path in packaged_files()):
        missing("the wheel is missing or older than the code", "make environments")
    if shutil.which("dpkg-deb") is None or shutil.which("systemd-sysusers") is None:
        missing("dpkg or systemd is not installed", "a Debian or Ubuntu machine")
    command = [
        sys.executable,
        "packaging/build_deb.py",
        "--wheel",
        wheels[0],
        "--constraint",
        "constraints/gateway.txt",
    ]
    folder = tmp_path_factory.mktemp("deb")
    environ = {**os.environ, "DEBFULLNAME": "Test", "DEBEMAIL": "test@example.org"}
    subprocess.run([*command, "-o", folder], cwd=ROOT, env=environ, check=True, stdout=subprocess.DEVNULL)
    (found,) = folder.glob("*.deb")
    return found


def ask(*command: str | Path) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_it_says_what_it_needs(package: Path) -> None:
    fields = ask("dpkg-deb", "--field", package)
    major, minor = sys.version_info[:2]
    assert f"python3 (>= {major}.{minor}~), python3 (<< {major}.{minor + 1}~), python3-venv" in fields
    assert f"Architecture: {ask('dpkg', '--print-architecture').strip()}" in fields


def test_it_carries_the_service_the_wheels_and_an_example(package: Path) -> None:
    listed = ask("dpkg-deb", "--contents", package)
    for path in (
        "/usr/lib/systemd/system/vedette.service",
        "/usr/lib/sysusers.d/vedette.conf",
        "/usr/lib/tmpfiles.d/vedette.conf",
        "/etc/vedette/gateway.toml",
        "/usr/lib/vedette/wheels/vedette-",
        "/usr/lib/vedette/wheels/numpy-",
        "/usr/bin/vedette -> /opt/vedette/current/bin/vedette",
    ):
        assert path in listed
    assert "/opt/vedette/current" not in listed.replace("-> /opt/vedette/current", "")
    assert all(line.split()[1] == "root/root" for line in listed.splitlines())


def test_lintian_finds_no_error(package: Path) -> None:
    if shutil.which("lintian") is None:
        missing("lintian is not installed", "make system-packages")
    done = subprocess.run(
        ["lintian", "--allow-root", "--fail-on", "error", package], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def dpkg(root: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = ["dpkg", f"--root={root}", *INTO_A_FOLDER, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_it_installs_offline_upgrades_leaves_and_is_purged(package: Path, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        missing("dpkg installs as root only", "run this test as root, for example in a container")
    for folder in ("var/lib/dpkg/info", "var/lib/dpkg/updates", "etc"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "var/lib/dpkg/status").touch()
    home, config = tmp_path / "opt/vedette", tmp_path / "etc/vedette/gateway.toml"

    installed = dpkg(tmp_path, "--install", package)
    assert installed.returncode == 0, installed.stderr
    assert "vedette, version" in ask(home / "current/bin/vedette", "--version")
    assert "vedette:x:" in (tmp_path / "etc/passwd").read_text()
    assert not list((tmp_path / "etc").glob("systemd/system/*.wants/*")), "the service is not enabled"
    first = (home / "current").resolve()
    config.write_text("# mine\n")
    outbox = tmp_path / "var/lib/vedette/outbox.db"
    outbox.touch()

    again = dpkg(tmp_path, "--install", package)
    assert again.returncode == 0, again.stderr
    assert config.read_text() == "# mine\n"
    assert [path.name for path in home.iterdir() if not path.is_symlink()] == [(home / "current").resolve().name]
    assert (home / "current").resolve() != first

    # A new version that does not install leaves the one in use as it was.
    second = (home / "current").resolve()
    for wheel in (tmp_path / "usr/lib/vedette/wheels").glob("click-*.whl"):
        wheel.unlink()
    broken = subprocess.run(
        [tmp_path / "var/lib/dpkg/info/vedette.postinst", "configure"],
        env={**os.environ, "DPKG_ROOT": str(tmp_path)},
        capture_output=True,
        check=False,
    )
    assert broken.returncode != 0
    assert (home / "current").resolve() == second
    assert len(list(home.iterdir())) == 2

    assert dpkg(tmp_path, "--remove", "vedette").returncode == 0
    assert not home.exists()
    assert outbox.exists()
    assert config.exists()
    assert dpkg(tmp_path, "--purge", "vedette").returncode == 0
    assert not outbox.exists()
    assert not config.exists()


def test_the_units_of_package_and_command_are_the_same(package: Path, tmp_path: Path) -> None:
    from vedette.runtime.operation import service

    subprocess.run(["dpkg-deb", "--extract", package, tmp_path], check=True)
    unit = (tmp_path / "usr/lib/systemd/system/vedette.service").read_text()
    assert unit == service.unit(program=Path("/opt/vedette/current/bin/vedette"), config=service.DEFAULT_CONFIG)
    with zipfile.ZipFile(next((tmp_path / "usr/lib/vedette/wheels").glob("vedette-*.whl"))) as wheel:
        assert "vedette/runtime/operation/service/vedette.service" in wheel.namelist()
