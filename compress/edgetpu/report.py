"""What export does about the Edge TPU: check, compile where that is possible, and say what to expect."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vedette.compress.board import Accelerator
from vedette.compress.edgetpu.check import check
from vedette.compress.edgetpu.compiler import command, compile_model
from vedette.compress.edgetpu.speed import estimate
from vedette.errors import ModelError


@dataclass(frozen=True)
class ForAccelerator:
    """The compiled model, None where it was not compiled, and what the user should know."""

    compiled: bytes | None
    notes: tuple[str, ...]


def prepare(model: bytes, accelerator: Accelerator, bundle: Path) -> ForAccelerator:
    """Check a .tflite model against an accelerator's rules and compile it where its compiler is installed.

    ``bundle`` is where the bundle goes: the command to compile by hand takes a model file beside it.
    """
    report = check(model, accelerator)
    notes = [f"{report}", *(str(finding) for finding in report.findings)]
    compiled = None
    try:
        found = compile_model(model, accelerator.compiler)
    except ModelError as error:
        notes.append(f"not compiled, the bundle runs on the CPU: {error}")
    else:
        if found is None:
            notes += _by_hand(accelerator, bundle)
        else:
            compiled = found.model
            notes.append(f"compiled: {found.mapped} operators on the Edge TPU, {found.on_cpu} on the CPU")
    speed = estimate(
        model,
        invoke_us=accelerator.invoke_us.value,
        cpu_macs_per_us=accelerator.cpu_macs_per_us.value,
        tops=accelerator.tops.value,
    )
    return ForAccelerator(compiled, (*notes, str(speed)))


def _by_hand(accelerator: Accelerator, bundle: Path) -> Iterator[str]:
    model = bundle.with_suffix(".tflite")
    yield f"{accelerator.compiler} is not installed here, so the bundle runs on the CPU"
    yield f"to compile it elsewhere: unzip -p {bundle} model.tflite > {model} && {command(model, accelerator.compiler)}"
