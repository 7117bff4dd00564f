"""The machine: its clock, and the interpreter that runs the models."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import sys
import time

from vedette.runtime.delivery.cloudevents import clock_synced
from vedette.runtime.inference.interpreter import PACKAGES
from vedette.runtime.operation.checks.findings import Finding, fail, ok, warn
from vedette.runtime.times import iso_time

# Before this version was written: 2026-01-01.
_LEAST_TIME_S = 1_767_225_600.0


def check_clock() -> Finding:
    """The time on alerts is right only if this machine's is."""
    now, synced = time.time(), clock_synced()
    if now < _LEAST_TIME_S:
        return fail("clock", f"it is {iso_time(now)} here, which is long ago", "timedatectl set-ntp true")
    if synced is None:
        return warn("clock", "the kernel does not say whether it is synchronised", "timedatectl")
    if not synced:
        return warn("clock", "not synchronised, and alerts will say so", "timedatectl set-ntp true; then wait a minute")
    return ok("clock", f"synchronised, {iso_time(now)}")


def check_interpreter(wanted: str | None) -> Finding:
    """The TFLite package that will be used is installed; the self-test of a bundle says whether it works."""
    python = "Python {}.{}.{}".format(*sys.version_info)
    for package in [wanted] if wanted else PACKAGES:
        if importlib.util.find_spec(PACKAGES[package][0]) is not None:
            return ok("runtime", f"{package} {importlib.metadata.version(package)}, {python}")
    missing = wanted or " or ".join(PACKAGES)
    extra = f"[{wanted}]" if wanted == "tflite-runtime" else ""
    return fail("runtime", f"{missing} is not installed ({python})", f'pip install "vedette{extra}"')
