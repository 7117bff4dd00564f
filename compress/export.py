"""``vedette export``: quantize, calibrate on the artefact's own scores, compare with float, pack, write."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from vedette.compress.boards import Board, get_board
from vedette.compress.comparison import Comparison, compare, require_promises
from vedette.compress.ptq import quantize_model
from vedette.runtime import bundle
from vedette.runtime.bundle import Golden
from vedette.runtime.interpreter import Model
from vedette.runtime.manifest import Manifest
from vedette.runtime.selftest import replay
from vedette.train import model_dir
from vedette.train.convert import float_model
from vedette.train.held_out import calibrate_detector, draft_manifest, score_held_out
from vedette.train.model_dir import ModelDir

RECIPE = ["ptq"]


@dataclass(frozen=True)
class Exported:
    """A written bundle and what its making showed."""

    path: Path
    manifest: Manifest
    comparison: Comparison
    model_bytes: int
    float_bytes: int


def export(
    directory: Path,
    board_name: str,
    output: Path | None,
    *,
    accept: bool = False,
    on_step: Callable[[str], None] = lambda step: None,
) -> Exported:
    """Export a model directory as a bundle for one board.

    ``output`` None names the file ``NAME-VERSION-BOARD.vdt`` in the working directory. ``on_step`` is told each step.
    Raises :class:`ExportRefusedError` where int8 breaks the promises, unless ``accept``, which the manifest records.
    """
    board = get_board(board_name)
    model = model_dir.load(directory)
    data = model.load_calibration_data()
    path = output or Path(f"{model.name}-{model.version}-{board.name}.vdt")
    model_dir.check_writable(path)
    on_step("quantize")
    reference = float_model(model, model.load_core())
    quantized = quantize_model(model, data.representative, per_channel=board.per_channel, fixed_batch=board.fixed_batch)
    on_step("calibrate")
    deployed = Model(quantized, package=board.interpreter.package, threads=board.threads)
    normal = score_held_out(model, deployed, data)
    calibration = calibrate_detector(model, deployed, data, normal)
    on_step("compare with float")
    comparison = compare(
        model,
        data,
        float_model=Model(reference, package=board.interpreter.package),
        int8_model=deployed,
        int8_normal=normal,
        int8_threshold=calibration.threshold,
    )
    if not accept:
        require_promises(comparison)
    on_step("pack")
    manifest = replace(
        draft_manifest(model, deployed, threads=board.threads),
        threshold=calibration.threshold,
        board=board.resolved(),
        calibration=calibration.to_dict(),
        accuracy={**comparison.to_dict(), "accepted": comparison.broken_promises() if accept else []},
        recipe=RECIPE,
        provenance=_provenance(model, board),
    )
    golden = Golden(data.golden, *replay(manifest, deployed, data.golden))
    bundle.write(path, bundle.pack(manifest, quantized, golden))
    return Exported(path, manifest, comparison, len(quantized), len(reference))


def _provenance(model: ModelDir, board: Board) -> dict[str, object]:
    """How the bundle was made: training's own record, and what export adds."""
    return {
        **model.provenance,
        "training_calibration": model.calibration,
        "weights": "per-channel" if board.per_channel else "per-tensor",
        "export_packages": {
            name: importlib.metadata.version(name) for name in ("tensorflow", board.interpreter.package)
        },
    }
