"""From a network to what a board runs: quantized, calibrated and compared with the float model, all on the artefact."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from vedette.compress.boards import Board
from vedette.compress.comparison import FloatReference, compare
from vedette.compress.draft import Draft
from vedette.compress.edgetpu.rewrite import rewrite
from vedette.compress.gate import Comparison
from vedette.compress.quantize import float16_head, quantize_head
from vedette.compress.slim import slim
from vedette.compress.this_machine import invoke_us, is_this_machine
from vedette.runtime.bundles.manifest import Manifest
from vedette.runtime.inference.interpreter import Model
from vedette.train.convert import float_model
from vedette.train.held_out import calibrate_detector, draft_manifest, score_held_out
from vedette.train.model_dir import CalibrationData, ModelDir
from vedette.train.threshold import Calibration

# The interpreter that computes here as a package does on a board. Where that package cannot be installed beside
# TensorFlow, or is no package but firmware, it is the reference of its rounding family.
INSTALLED_HERE = "ai-edge-litert"


@dataclass(frozen=True)
class Artefact:
    """What a board runs, and what it was found to do.

    ``model`` is the .tflite file and ``deployed`` that file as it computes on the board. ``directory`` says how its
    residuals become scores.
    """

    directory: ModelDir
    model: bytes
    deployed: Model
    calibration: Calibration
    comparison: Comparison

    @property
    def manifest(self) -> Manifest:
        """The manifest with everything that was measured, before the board's own entries."""
        return replace(draft_manifest(self.directory, self.deployed), threshold=self.calibration.threshold)

    @property
    def prototype_bytes(self) -> int:
        """Bytes that the prototypes take beside the model."""
        nearest = self.manifest.score.nearest
        return nearest.prototypes.size if nearest else 0


def load_reference(directory: ModelDir, data: CalibrationData) -> tuple[bytes, FloatReference]:
    """The float32 .tflite that a model directory was trained to, before any compression, and what it does."""
    if directory.compressed:
        original = directory.load_original()
        directory = replace(directory, score=directory.compressed.original_score)
    else:
        original = float_model(directory, directory.load_network())
    return original, FloatReference.of(directory, data, Model(original, package=INSTALLED_HERE))


def build(
    directory: ModelDir,
    draft: Draft,
    data: CalibrationData,
    board: Board,
    reference: FloatReference,
    *,
    on_step: Callable[[str], None] = lambda step: None,
) -> Artefact:
    """Make and measure the artefact of a board. Raises :class:`ModelError` where the network cannot be quantized."""
    on_step("convert")
    model = convert_for(board, draft)
    deployed = load_as_on(board, model)
    directory = replace(directory, score=draft.score)
    on_step("calibrate")
    normal = score_held_out(directory, deployed, data)
    calibration = calibrate_detector(directory, deployed, data, normal, float_above=reference.above)
    on_step("compare with float")
    comparison = compare(reference, directory, deployed, normal, calibration.threshold)
    return Artefact(directory, model, deployed, calibration, comparison)


def convert_for(board: Board, draft: Draft) -> bytes:
    """The .tflite model in the form that the board runs best.

    Where vedette runs on that very board, the other forms that may be faster there are timed too.
    """
    converted = {
        "int8": lambda: quantize_head(
            draft.head,
            None if draft.knows_ranges else draft.representative,
            per_channel=board.per_channel,
            fixed_batch=board.fixed_batch,
        ),
        "float16": lambda: float16_head(draft.head),
    }
    if board.accelerator:
        # Not slim: whether the accelerator's compiler takes tensors without names is not known.
        return rewrite(converted[board.model.dtype](), board.accelerator)
    best = slim(converted[board.model.dtype]())
    if not is_this_machine(board) or draft.knows_ranges:
        return best
    forms = [best, *(slim(converted[dtype]()) for dtype in board.model.alternatives)]
    times = invoke_us(*(load_as_on(board, model) for model in forms))
    return forms[times.index(min(times))]


def load_as_on(board: Board, model: bytes) -> Model:
    """The model as it computes on that board."""
    package = board.interpreter.package
    here = package if package == INSTALLED_HERE else f"reference-{board.interpreter.family}"
    return Model(model, package=here, threads=board.threads)
