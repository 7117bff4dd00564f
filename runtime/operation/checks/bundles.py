"""Bundles: whole, unchanged, and giving the promised outputs on this machine."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from vedette.errors import SelfTestError, VedetteError
from vedette.runtime.bundles import bundle as bundles
from vedette.runtime.bundles.selftest_child import self_test_apart
from vedette.runtime.config.gateway import StreamConfig
from vedette.runtime.operation.checks.findings import Finding, fail, ok, warn


def check_bundle(path: Path, streams: Sequence[StreamConfig], *, interpreter: str | None) -> Iterator[Finding]:
    """Checksums, whether it fits its ``streams``, who could replace it, and the self-test."""
    try:
        bundle = bundles.read(path)
    except VedetteError as error:
        yield fail("bundle", str(error), f"copy the bundle here again, then: vedette inspect {path}")
        return
    manifest = bundle.manifest
    yield ok("bundle", f"{path}: {manifest.name} {manifest.version}, checksums match (sha256 {bundle.sha256[:12]}…)")
    yield warn(
        "bundle",
        f"{path}: unsigned: the checksums show damage, not who made it",
        "let only the service's user and root write its folder",
    )
    for stream in streams:
        try:
            unsure = stream.check(manifest.signal)
        except VedetteError as error:
            yield fail("bundle", str(error), "correct the stream, or give it the bundle that was made for it")
        else:
            yield from (warn("bundle", f"stream {stream.name}: {text}", "a bundle that says it") for text in unsure)
    for place in (path, path.parent):
        mode = place.stat().st_mode
        if mode & stat.S_IWOTH and not (place.is_dir() and mode & stat.S_ISVTX):
            yield fail("bundle", f"{place}: everybody can replace the model", f"chmod o-w {place}")
    yield _self_test(path, interpreter)


def _self_test(path: Path, interpreter: str | None) -> Finding:
    try:
        return ok("bundle", f"{path}: self-test {self_test_apart(path, interpreter=interpreter)}")
    except SelfTestError as error:
        return fail("bundle", str(error), "export it again for this board")
