"""What generated firmware takes of a microcontroller: instructions, flash and RAM, against what was promised and peers.

Run it with ``python -m vedette.benchmarks.firmware --models DIR``; it needs arm-none-eabi-gcc and qemu-system-arm. The
models are an autoencoder 256-64-16-64-256 (``own/ae_pc.tflite``) and MLPerf Tiny's anomaly detector
(``mlperf_tiny/ad01_int8.tflite``); without DIR, dense networks of the same sizes with random weights stand in, which
take the same instructions but for the requantization. The peers' figures were measured once, on the same emulator with
the same compiler; instructions are counted by QEMU, and say nothing of milliseconds.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import numpy as np

from vedette.benchmarks.random_detector import dense_model, random_detector
from vedette.compress.boards import get_board
from vedette.errors import VedetteError
from vedette.firmware_bridge.fit import multiply_accumulates
from vedette.firmware_bridge.machine.emulator import EmulatedBoard
from vedette.firmware_bridge.machine.program import DetectorProgram, Program
from vedette.firmware_bridge.machine.proof import outcomes, samples
from vedette.firmware_bridge.plan import FirmwareModel, make_plan
from vedette.firmware_bridge.proving import written
from vedette.firmware_bridge.source import Source
from vedette.runtime.bundles.manifest import RuntimeSpec

M4, M7, M55 = "qemu-cortex-m4", "qemu-cortex-m7", "qemu-cortex-m55"
AUTOENCODER, ANOMALY = (256, 64, 16, 64, 256), (640, 128, 128, 128, 128, 8, 128, 128, 128, 128, 640)
MODELS = {"autoencoder": "own/ae_pc.tflite", "MLPerf Tiny AD": "mlperf_tiny/ad01_int8.tflite"}
# Instructions for one inference of the autoencoder (TFLite Micro 2025, bakenn 1.0, emlearn 0.23; November 2026).
PEERS = {
    "TFLite Micro + CMSIS-NN": {M4: 90_118, M7: 90_146, M55: 24_673},
    "TFLite Micro, reference kernels": {M4: 234_715, M7: 233_911, M55: 200_512},
    "bakenn": {M4: 240_049, M7: 241_931, M55: 202_026},
    "emlearn (float)": {M4: 217_798},
}
PROMISED = {M4: 72_000, M7: 72_000, M55: 20_000}
# The autoencoder's weights, biases and shifts as the peers' flash was measured with, and 3.0 kB; RAM with input and
# output, without the stack; the rest of a detector, as a part of the inference.
PROMISED_FLASH, PROMISED_RAM, PROMISED_PART = 36_900 + 3_000, 1300, 0.15
WINDOW, CHANNELS = 64, 4


@dataclass(frozen=True)
class Taken:
    """What one program takes on one core; ``parameters`` are bytes of weights and biases."""

    what: str
    board: str
    instructions: int
    multiply_accumulates: int
    flash: int
    parameters: int
    ram: int
    stack: int


def measure(source: Source, what: str, *, whole: bool) -> Taken:
    """Run one source on its board: the network, or the ``whole`` detector. Raises :class:`VedetteError`."""
    plan = make_plan(source.model)
    with written(source) as network:
        program: Program = network
        inputs: Any = np.random.default_rng(0).integers(-128, 128, (8, plan.input.size)).astype(np.int8)
        expected = np.array([source.model.run(row.reshape(plan.input.shape)).reshape(-1) for row in inputs])
        ram = plan.input.bytes + plan.output.bytes
        if whole:
            program = DetectorProgram(network.name, network.sources, network.include_dir)
            values = np.random.default_rng(0).normal(size=(2 * WINDOW, CHANNELS)).astype(np.float32)
            inputs, expected, ram = samples(np.arange(2 * WINDOW, dtype=np.uint32) * 1000, values), inputs[:1], 0
            expected = np.zeros(2 * WINDOW, np.int8)
        outcome = next(outcomes(program, inputs, expected, [EmulatedBoard(source.board)]))
    if outcome.failure or outcome.footprint is None or (outcome.differing and not whole):
        raise VedetteError(f"{what} on {source.board.name}: {outcome.failure or 'bytes differ'}")
    parameters = sum(
        constant.values.nbytes
        for planned in plan.steps
        for constant in planned.code.constants
        if constant.name in ("weights", "bias")
    )
    return Taken(
        what,
        source.board.name,
        outcome.run.most_instructions or 0,
        multiply_accumulates(plan),
        outcome.footprint.flash,
        parameters,
        outcome.footprint.ram + ram,
        outcome.run.stack_bytes or 0,
    )


def network(data: bytes, board: str) -> Source:
    """A bare model on a board."""
    target = get_board(board)
    return Source("net", "network", target, FirmwareModel(data, "D"), data, None)


def detector(board: str) -> Source:
    """A whole detector with random weights, window 64 x 4, stride 1, around the autoencoder's hidden layers."""
    target = get_board(board)
    bundle = random_detector(window=WINDOW, channels=CHANNELS)
    channels = tuple(replace(channel, mean=0.3, scale=1.7) for channel in bundle.manifest.signal.channels)
    manifest = replace(
        bundle.manifest,
        signal=replace(bundle.manifest.signal, channels=channels, sample_period_s=1.0),
        runtime=RuntimeSpec("firmware", "1", "D", 1),
        board=target.resolved(),
    )
    found = replace(bundle, manifest=manifest)
    return Source("det", "detector", target, FirmwareModel(bundle.model_bytes, "D"), bundle.model_bytes, found)


def broken_promises(networks: Sequence[Taken], inference: Taken, whole: Taken) -> list[str]:
    """What was promised and not kept."""
    broken = []
    own = {taken.board: taken for taken in networks if taken.what == "autoencoder"}
    for board, most in PROMISED.items():
        if own[board].instructions > most:
            broken.append(f"autoencoder on {board}: {own[board].instructions:,} instructions, promised {most:,}")
    m4 = own[M4]
    if m4.flash > PROMISED_FLASH:
        broken.append(f"autoencoder: {m4.flash:,} bytes of flash, promised {PROMISED_FLASH:,}")
    if m4.ram > PROMISED_RAM:
        broken.append(f"autoencoder: {m4.ram:,} bytes of RAM, promised {PROMISED_RAM:,}")
    each = {taken.what: taken.instructions / taken.multiply_accumulates for taken in networks if taken.board == M4}
    if each["MLPerf Tiny AD"] > each["autoencoder"]:
        broken.append("MLPerf Tiny AD takes more instructions for a multiply-accumulate than the autoencoder")
    if whole.instructions - inference.instructions > PROMISED_PART * m4.instructions:
        broken.append(f"the rest of a detector: {whole.instructions - inference.instructions:,} instructions")
    return broken


@click.command()
@click.option("--models", type=click.Path(path_type=Path, file_okay=False), help="Folder with the models.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(*, models: Path | None, as_json: bool) -> None:
    """Measure; exit 1 where a promise is not kept."""
    data = {
        what: (models / path).read_bytes() if models else dense_model(sizes, seed=0)
        for (what, path), sizes in zip(MODELS.items(), (AUTOENCODER, ANOMALY), strict=True)
    }
    networks = [
        measure(network(content, board), what, whole=False) for what, content in data.items() for board in PROMISED
    ]
    source = detector(M4)
    inference = measure(replace(source, bundle=None), "its network", whole=False)
    whole = measure(source, "detector", whole=True)
    broken = broken_promises(networks, inference, whole)
    if as_json:
        rows = [vars(taken) for taken in (*networks, inference, whole)]
        click.echo(json.dumps({"rows": rows, "peers": PEERS, "broken": broken}, indent=1))
    else:
        for taken in (*networks, inference, whole):
            click.echo(
                f"{taken.what:<16} {taken.board:<16} {taken.instructions:>9,} instructions "
                f"({taken.instructions / taken.multiply_accumulates:.2f} a product), flash {taken.flash:,} B "
                f"({taken.flash - taken.parameters:,} beside weights), RAM {taken.ram:,} B, stack {taken.stack:,} B"
            )
        for name, figures in PEERS.items():
            told = ", ".join(f"{board} {count:,}" for board, count in figures.items())
            click.echo(f"peer, autoencoder: {name}: {told}")
        for text in broken:
            click.echo(f"NOT KEPT: {text}")
    sys.exit(bool(broken))


if __name__ == "__main__":
    try:
        main()
    except VedetteError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
