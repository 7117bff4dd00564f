"""The systemd service: what the unit says, how closed it is, and that a gateway works inside it."""

from __future__ import annotations

import ctypes
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command import vedette
from conftest import Gateway, incident
from required import missing

from vedette.errors import ConfigError
from vedette.runtime.operation import service

PROGRAM, CONFIG = Path("/opt/vedette/current/bin/vedette"), Path("/etc/vedette/gateway.toml")
# From <linux/prctl.h>: no memory of this process becomes executable any more.
PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN = 65, 1


def tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        missing(f"{name} is not installed", "make system-packages")
    return found


def test_the_unit_is_printed_with_the_program_and_the_configuration() -> None:
    printed = vedette("service", "--program", PROGRAM, "--credential", "mqtt-password", "--credential", "gw7.key")
    assert printed.code == 0
    lines = printed.stdout.splitlines()
    for line in (
        "Type=notify",
        f"ExecStart={PROGRAM} run {CONFIG}",
        "LoadCredential=mqtt-password:/etc/vedette/mqtt-password",
        "LoadCredential=gw7.key:/etc/vedette/gw7.key",
        "WatchdogSec=60",
        "User=vedette",
    ):
        assert line in lines
    assert "@" not in re.sub(r"@(system-service|privileged|resources)", "", printed.stdout)


def test_the_unit_without_credentials_names_none() -> None:
    assert "LoadCredential" not in service.unit(program=PROGRAM, config=CONFIG)


@pytest.mark.parametrize("path", ["relative", "/with space", "/percent%h", "/quote'", "/dollar$x", "/line\nbreak"])
def test_a_path_that_systemd_would_read_as_something_else_is_refused(path: str) -> None:
    with pytest.raises(ConfigError, match="expected an absolute path"):
        service.unit(program=Path(path), config=CONFIG)
    with pytest.raises(ConfigError, match="expected an absolute path"):
        service.unit(program=PROGRAM, config=Path(path))


@pytest.mark.parametrize("name", ["../shadow", "", "a b", "a:b", "-x"])
def test_a_credential_is_a_plain_file_name(name: str) -> None:
    with pytest.raises(ConfigError, match="expected the name of a file in /etc/vedette"):
        service.unit(program=PROGRAM, config=CONFIG, credentials=[name])


def write(root: Path, *devices: str) -> Path:
    options = [option for device in devices for option in ("--device", device)]
    written = vedette("service", "--program", PROGRAM, "-o", root, *options)
    assert written.code == 0
    assert "systemctl enable --now vedette" in written.stderr
    paths = [Path(line) for line in written.stdout.splitlines()]
    assert [path.relative_to(root).parts[:2] for path in paths[:3]] == [
        ("etc", "systemd"),
        ("etc", "sysusers.d"),
        ("etc", "tmpfiles.d"),
    ]
    assert all(path.is_file() for path in paths)
    return paths[0]


@pytest.mark.slow
@pytest.mark.parametrize(("devices", "most"), [((), 1.5), (("serial",), 1.8), (("coral",), 1.8)])
def test_the_sandbox_leaves_little_open(tmp_path: Path, devices: tuple[str, ...], most: float) -> None:
    write(tmp_path, *devices)
    command = [tool("systemd-analyze"), "security", "--offline=true", f"--root={tmp_path}", "vedette.service"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    score = re.search(r"Overall exposure level for vedette.service: ([\d.]+)", done.stdout)
    assert score is not None
    assert float(score[1]) <= most


@pytest.mark.slow
def test_systemd_understands_every_line(tmp_path: Path) -> None:
    program = tmp_path / "vedette"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    unit = tmp_path / "vedette.service"
    unit.write_text(service.unit(program=program, config=CONFIG, credentials=["mqtt-password"]))
    done = subprocess.run([tool("systemd-analyze"), "verify", unit], capture_output=True, text=True, check=False)
    assert "vedette.service" not in done.stdout + done.stderr
    for name, folder in ((service.USER, "sysusers"), (service.FOLDERS, "tmpfiles")):
        root = tmp_path / folder
        (root / "etc").mkdir(parents=True)
        (root / "users.conf").write_text(service.template(service.USER))
        subprocess.run([tool("systemd-sysusers"), f"--root={root}", root / "users.conf"], check=True)
        assert re.search(r"^vedette:x:\d+:\d+:vedette gateway:/var/lib/vedette:", (root / "etc/passwd").read_text())
        if name == service.FOLDERS and os.geteuid() == 0:
            (root / "folders.conf").write_text(service.template(name))
            subprocess.run([tool("systemd-tmpfiles"), f"--root={root}", "--create", root / "folders.conf"], check=True)
            assert (root / "var/lib/vedette/models").stat().st_mode & 0o777 == 0o750


def allowed_calls() -> set[str]:
    """The system calls that the unit's filter lets through, in the words of this machine's systemd."""
    allowed: set[str] = set()
    for line in re.findall(r"^SystemCallFilter=(.*)$", service.template(service.UNIT), re.M):
        names = set().union(*(_members(name) for name in line.lstrip("~").split()))
        allowed = allowed - names if line.startswith("~") else allowed | names
    return allowed


def _members(name: str) -> set[str]:
    if not name.startswith("@"):
        return {name}
    command = [tool("systemd-analyze"), "syscall-filter", name]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[1:]
    names = [line.strip() for line in listed if line.strip() and not line.strip().startswith("#")]
    return set().union(*(_members(found) for found in names))


def refuse_executable_memory() -> None:
    """In the child before it starts: what MemoryDenyWriteExecute= does; older kernels know only systemd's own way."""
    ctypes.CDLL(None).prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0)


def sandboxed(*command: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run Python with every other system call refused, as the unit does, and no writable code."""
    others = "!" + ",".join(f"?{name}" for name in sorted(allowed_calls()))
    return subprocess.run(
        [
            tool("strace"),
            "-f",
            "-qq",
            "-o",
            "/dev/null",
            "-e",
            f"inject={others}:error=EPERM",
            sys.executable,
            *command,
        ],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        preexec_fn=refuse_executable_memory,
    )


@pytest.mark.slow
def test_the_sandbox_lets_the_clock_be_asked_and_refuses_what_it_should() -> None:
    code = (
        "import os, time\nfrom vedette.runtime.delivery.cloudevents import clock_synced\n"
        "print(clock_synced() is not None)\n"
        "try:\n    os.sched_setaffinity(0, {0})\nexcept PermissionError:\n    print('refused')"
    )
    done = sandboxed("-c", code)
    assert done.stdout == "True\nrefused\n", done.stderr


@pytest.mark.slow
def test_a_gateway_works_with_no_more_system_calls_and_no_writable_code(gateway: Gateway) -> None:
    config = gateway.configure("{ stdin = true }")
    done = sandboxed("-m", "vedette", "run", config, "--log", "json", stdin="\n".join(incident(0.0)))
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stderr.splitlines()]
    assert events[-1]["counters"]["alerts_raised"] == 2
    assert not [event for event in events if event["level"] in ("error", "critical")]
