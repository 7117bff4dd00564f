"""Files: the configuration's and the secrets' permissions, and room for the outbox."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509

from vedette.runtime.config.gateway import LEAST_OUTBOX_MB
from vedette.runtime.delivery.database import bytes_of, files_of
from vedette.runtime.mqtt.connection import MqttConfig
from vedette.runtime.operation.checks.findings import Finding, fail, ok, warn

RENEW_WITHIN = timedelta(days=30)
_MB = 2**20
# File systems that forget everything with the power.
_VOLATILE = ("tmpfs", "ramfs")


def check_config_files(path: Path) -> Iterator[Finding]:
    """Whoever can change the configuration commands the gateway."""
    for file in (path, *sorted((path.parent / "conf.d").glob("*.toml"))):
        if stat.S_IMODE(file.stat().st_mode) & 0o002:
            yield fail("files", f"{file}: everybody can change it", f"chmod o-w {file}")


def check_readable(mqtt: MqttConfig) -> Iterator[Finding]:
    """Secrets and certificates can be read by us (the configuration has refused those that everybody can read)."""
    tls = (mqtt.tls.ca, mqtt.tls.cert, mqtt.tls.key) if mqtt.tls else ()
    files = [file for file in (mqtt.password_file, *tls) if file is not None]
    unreadable = [file for file in files if not os.access(file, os.R_OK)]
    for file in unreadable:
        yield fail(
            "files",
            f"{file}: we may not read it",
            f"chgrp vedette {file} && chmod g+r {file}, or LoadCredential= in the unit",
        )
    if files and not unreadable:
        yield ok("files", f"secrets and certificates: {len(files)}, readable by us, secrets not by everybody")
    for file in tls[:2]:
        if file is not None and file not in unreadable:
            yield from _check_validity(file)


def _check_validity(file: Path) -> Iterator[Finding]:
    """Certificates end, and with them the alerts."""
    try:
        certificates = x509.load_pem_x509_certificates(file.read_bytes())
    except (OSError, ValueError):
        yield fail("files", f"{file}: expected certificates in PEM, found something else", "the file of the right name")
        return
    now = datetime.now(timezone.utc)
    for certificate in certificates:
        name, end = certificate.subject.rfc4514_string() or "certificate", certificate.not_valid_after_utc
        if end <= now:
            yield fail("files", f"{file}: {name} expired on {end:%Y-%m-%d}", "renew it")
        elif end <= now + RENEW_WITHIN:
            yield warn("files", f"{file}: {name} expires on {end:%Y-%m-%d}", "renew it")


def check_outbox(path: Path, *, max_bytes: int) -> Iterator[Finding]:
    """The outbox can be written, keeps what it is given, and has its quota's room. Leaves nothing behind."""
    folder = next(parent for parent in path.parents if parent.exists())
    wrong = _not_writable(path, folder)
    if wrong is not None:
        yield wrong
        return
    kind = _file_system(folder)
    if kind in _VOLATILE:
        yield warn("outbox", f"{path}: {kind} loses all alerts when the power goes", "set [outbox] path to a disk")
    used = bytes_of(path)
    room = os.statvfs(folder)
    free = room.f_bavail * room.f_frsize
    told = f"{path}: free {free // _MB:,} MB, used {used // _MB:,} MB of the quota's {max_bytes // _MB:,} MB"
    if free + used < LEAST_OUTBOX_MB * _MB:
        yield fail("outbox", told, "free some space")
    elif free + used < max_bytes:
        yield warn(
            "outbox", f"{told}: the disk will be full before the quota is", "free space, or lower [outbox] max_mb"
        )
    else:
        yield ok("outbox", told)


def _not_writable(path: Path, folder: Path) -> Finding | None:
    if path.is_dir() or not folder.is_dir():
        return fail("outbox", f"{path}: expected a file in a folder", "another [outbox] path")
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(bytes(4096))
            os.fsync(probe.fileno())
    except OSError as error:
        return fail(
            "outbox", f"{folder}: cannot be written: {error.strerror}", f"chown vedette {folder}, or another path"
        )
    for file in files_of(path):
        if not os.access(file, os.W_OK):
            return fail("outbox", f"{file}: we may not write it", f"chown --reference={folder} {file}")
        if os.geteuid() == 0 and file.stat().st_uid != folder.stat().st_uid:
            return fail(
                "outbox", f"{file}: belongs to another user than its folder", f"chown --reference={folder} {file}"
            )
    return None


def _file_system(folder: Path) -> str:
    """The kind of file system that a folder is on, as the kernel names it; empty where that is not known."""
    try:
        mounts = [line.split() for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError):
        return ""
    place, found, longest = str(folder.resolve()), "", -1
    for _, point, kind, *_ in mounts:
        inside = point in ("/", place) or place.startswith(f"{point}/")
        if inside and len(point) >= longest:
            found, longest = kind, len(point)
    return found
