"""Run Google's ``edgetpu_compiler`` where it is installed; it exists for x86-64 Debian only.

https://coral.ai/docs/edgetpu/compiler tells how to install it and what it prints.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vedette.compress import flatbuffer
from vedette.compress.edgetpu.check import COMPILED
from vedette.errors import ModelError

TIMEOUT_S = 180.0
SOURCE, RESULT = "model.tflite", "model_edgetpu.tflite"
# The lines of its output that an error shows: the last ones say what went wrong.
SHOWN_LINES = 12


@dataclass(frozen=True)
class Compiled:
    """A compiled model, how many operators of the one it was made of run on the chip and on the CPU, and the log."""

    model: bytes
    mapped: int
    on_cpu: int
    log: str


def command(path: Path, compiler: str) -> str:
    """The command line that compiles a .tflite file, to run where the compiler is installed."""
    return shlex.join([compiler, "--show_operations", "--out_dir", str(path.parent), str(path)])


def compile_model(model: bytes, compiler: str, *, timeout_s: float = TIMEOUT_S) -> Compiled | None:
    """Compile a .tflite model, or return None where no program of the name ``compiler`` is installed.

    Raises :class:`ModelError` with the compiler's own words where it fails, maps nothing, takes longer than
    ``timeout_s``, or writes a model with other inputs and outputs.
    """
    program = shutil.which(compiler)
    if program is None:
        return None
    with tempfile.TemporaryDirectory(prefix="vedette-edgetpu-") as folder:
        source, result = Path(folder) / SOURCE, Path(folder) / RESULT
        source.write_bytes(model)
        code, log = _run([program, "--show_operations", "--out_dir", folder, str(source)], folder, timeout_s)
        if code is None:
            raise ModelError(f"{compiler} was stopped after {timeout_s:g} s:\n{_tail(log)}")
        if code != 0 or not result.is_file():
            ended = f"stopped by signal {-code}" if code < 0 else f"exit code {code}"
            raise ModelError(f"{compiler} could not compile the model ({ended}):\n{_tail(log)}")
        compiled = result.read_bytes()
    mapped, on_cpu = _counts(log, operators=len(flatbuffer.read(model).subgraphs[0].operators))
    if mapped == 0 or not _has_compiled_operator(compiled):
        raise ModelError(f"{compiler} mapped no operator to the Edge TPU:\n{_tail(log)}")
    if _ends(compiled) != _ends(model):
        raise ModelError(f"{compiler} wrote a model with other inputs or outputs than it was given:\n{_tail(log)}")
    return Compiled(compiled, mapped, on_cpu, log)


def _run(arguments: list[str], folder: str, timeout_s: float) -> tuple[int | None, str]:
    """Exit code, or None where it took too long, and all it printed. The compiler works in a child of its own."""
    log = Path(folder) / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            arguments,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code: int | None = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    return code, log.read_text(errors="replace")


def _tail(log: str) -> str:
    lines = [line for line in log.splitlines() if line.strip()]
    return "\n".join(lines[-SHOWN_LINES:]) or "(it printed nothing)"


def _counts(log: str, *, operators: int) -> tuple[int, int]:
    """Operators on the chip and on the CPU. Where all are on the chip, some versions print neither number."""
    on_cpu = _number(log, "Number of operations that will run on CPU")
    mapped = _number(log, "Number of operations that will run on Edge TPU")
    if on_cpu is None:
        on_cpu = 0 if mapped is None else operators - mapped
    return operators - on_cpu if mapped is None else mapped, on_cpu


def _number(log: str, label: str) -> int | None:
    found = re.search(rf"{label}:\s*(\d+)", log)
    return int(found[1]) if found else None


def _has_compiled_operator(model: bytes) -> bool:
    graph = flatbuffer.read(model)
    return any(flatbuffer.operator_name(graph, operator) == COMPILED for operator in graph.subgraphs[0].operators)


def _ends(model: bytes) -> list[Any]:
    """Shape, type and scale of each input and output."""
    subgraph = flatbuffer.read(model).subgraphs[0]
    tensors = [subgraph.tensors[index] for index in (*subgraph.inputs, *subgraph.outputs)]
    return [
        (
            tensor.shape.tolist(),
            tensor.type,
            None if (scale := getattr(tensor.quantization, "scale", None)) is None else scale.tolist(),
            None if (zero := getattr(tensor.quantization, "zeroPoint", None)) is None else zero.tolist(),
        )
        for tensor in tensors
    ]
