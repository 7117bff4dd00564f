"""``vedette export``: what each board runs best, calibrated and compared on itself, packed as one file a board."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vedette.compress import artefact
from vedette.compress.artefact import INSTALLED_HERE, Artefact
from vedette.compress.boards import Board, get_board
from vedette.compress.compress import Workshop
from vedette.compress.draft import Draft
from vedette.compress.edgetpu.report import ForAccelerator, prepare
from vedette.compress.fit import need, require_fit
from vedette.compress.gate import Comparison, require_promises
from vedette.compress.this_machine import is_this_machine
from vedette.errors import ConfigError, VedetteError
from vedette.runtime.bundles import bundle
from vedette.runtime.bundles.bundle import Golden
from vedette.runtime.bundles.manifest import Manifest, RuntimeSpec
from vedette.runtime.bundles.selftest import replay
from vedette.train import model_dir
from vedette.train.config import AUTO
from vedette.train.model_dir import ModelDir
from vedette.train.recipe import QUANTIZERS, Recipe, parse_recipe

OnStep = Callable[[str], None]


@dataclass(frozen=True)
class Exported:
    """A written bundle and what its making showed; ``notes`` are for the user."""

    path: Path
    manifest: Manifest
    comparison: Comparison
    model_bytes: int
    float_bytes: int
    notes: tuple[str, ...]


class Exporter:
    """A model directory, open for export: what is the same for every board is worked out once."""

    def __init__(self, directory: Path, *, on_step: OnStep = lambda step: None) -> None:
        """Load a model directory. Raises :class:`ModelError`."""
        self._on_step = on_step
        self.directory = model_dir.load(directory)
        self._workshop = Workshop.open(self.directory)
        on_step("measure the float model")
        self._original, self._reference = artefact.load_reference(self.directory, self._workshop.data)
        self._drafts: dict[Recipe, Draft] = {}

    def export(self, board: Board, path: Path, *, accept: bool = False) -> Exported:
        """Export for one board to a file.

        Raises :class:`ExportRefusedError` where compression breaks the promises, unless ``accept``, which the manifest
        records, and :class:`BoardError` where the detector does not fit the board.
        """
        model_dir.check_writable(path)
        recipe = self._recipe(board)
        made = artefact.build(
            self.directory,
            self._draft(recipe),
            self._workshop.data,
            board,
            self._reference,
            on_step=self._on_step,
        )
        if board.is_mcu:
            require_fit(board, need(made.model, made.manifest.signal, made.manifest.score))
        if not accept:
            require_promises(made.comparison)
        accelerated = prepare(made.model, board.accelerator, path) if board.accelerator else ForAccelerator(None, ())
        self._on_step("pack")
        manifest = self._manifest(made, board, recipe, accept=accept)
        data = self._workshop.data
        golden = Golden(data.golden, *replay(manifest, made.deployed, data.golden))
        bundle.write(path, bundle.pack(manifest, made.model, golden, compiled=accelerated.compiled))
        notes = (*accelerated.notes, *_notes(board))
        return Exported(path, manifest, made.comparison, len(made.model), len(self._original), notes)

    def _recipe(self, board: Board) -> Recipe:
        """The steps that are left to do: a compressed directory has had its own, and is quantized at the least."""
        done = self.directory.recipe
        if any(step in QUANTIZERS for step in done):
            return ()
        if done:
            return parse_recipe(["ptq"], after=done)
        wanted = self.directory.compress.recipe
        if wanted == AUTO:
            raise ConfigError(
                f'{self.directory.path}: its project says compress.recipe = "auto", and a search takes a while; run it '
                f"first: vedette compress {self.directory.path} -o DIR --board {board.name}, then export DIR"
            )
        words = wanted or board.recipe
        return parse_recipe(words if any(word in QUANTIZERS for word in words) else [*words, "ptq"])

    def _done(self, recipe: Recipe) -> Recipe:
        behind = parse_recipe(self.directory.recipe) if self.directory.recipe else ()
        return (*behind, *recipe)

    def _draft(self, recipe: Recipe) -> Draft:
        if recipe not in self._drafts:
            self._drafts[recipe], _ = self._workshop.run(recipe, on_step=lambda step: self._on_step(str(step)))
        return self._drafts[recipe]

    def _manifest(self, made: Artefact, board: Board, recipe: Recipe, *, accept: bool) -> Manifest:
        comparison, draft = made.comparison, self._draft(recipe)
        return replace(
            made.manifest,
            board=board.resolved(),
            runtime=_runtime(made, board),
            calibration=made.calibration.to_dict(),
            accuracy={**comparison.to_dict(), "accepted": comparison.broken_promises() if accept else []},
            recipe=[str(step) for step in self._done(recipe)],
            provenance=_provenance(self.directory, made, per_channel=board.per_channel and not draft.knows_ranges),
        )


def export_all(
    directory: Path,
    boards: Sequence[Board],
    output: Path | None,
    *,
    accept: bool = False,
    on_step: OnStep = lambda step: None,
    on_board: Callable[[Board, Exported | VedetteError], None] = lambda board, outcome: None,
) -> list[Exported]:
    """Export a model directory for boards; a board that is refused does not keep the others from their bundles.

    ``output`` is the bundle's file, a folder where there are several boards, or None for :func:`bundle_name` here.
    ``on_board`` is told what became of each. Raises the error of the first board that was refused, after the last.
    """
    exporter = Exporter(directory, on_step=on_step)
    exported, refused = list[Exported](), list[VedetteError]()
    for board in boards:
        name = Path(bundle_name(exporter.directory, board))
        path = output / name if output and len(boards) > 1 else output or name
        try:
            exported.append(exporter.export(board, path, accept=accept))
            on_board(board, exported[-1])
        except VedetteError as error:
            if len(boards) == 1:
                raise
            refused.append(error)
            on_board(board, error)
    if refused:
        raise type(refused[0])(f"{len(refused)} of {len(boards)} boards were refused, see above")
    return exported


def export(
    directory: Path, board_name: str, output: Path | None, *, accept: bool = False, on_step: OnStep = lambda step: None
) -> Exported:
    """Export a model directory as a bundle for one board."""
    return export_all(directory, [get_board(board_name)], output, accept=accept, on_step=on_step)[0]


def bundle_name(directory: ModelDir, board: Board) -> str:
    """``NAME-VERSION-BOARD.vdt``."""
    return f"{directory.name}-{directory.version}-{board.name}.vdt"


def _notes(board: Board) -> Iterator[str]:
    """What only the board itself can tell."""
    if board.model.alternatives and not is_this_machine(board):
        others = " or ".join(board.model.alternatives)
        yield f"{others} may be faster than {board.model.dtype} there: exported on the board itself, both are timed"


def _runtime(made: Artefact, board: Board) -> RuntimeSpec:
    """What runs the model on the board: the interpreter here where that is the same, else the board's own."""
    package, oldest = board.interpreter.package, board.interpreter.min_version
    version = made.deployed.version if package == INSTALLED_HERE or oldest is None else oldest.value
    return RuntimeSpec(package, version, board.interpreter.family, board.threads)


def _provenance(directory: ModelDir, made: Artefact, *, per_channel: bool) -> dict[str, object]:
    """How the bundle was made: training's own record, compression's, and what export adds. ``per_channel`` says how the
    weights of dense layers are scaled: training with quantization knows one scale for a layer."""
    return {
        **directory.provenance,
        "training_calibration": directory.calibration,
        "compression": list(directory.compressed.steps) if directory.compressed else [],
        "weights": "per-channel" if per_channel else "per-tensor",
        "calibrated_on": f"{made.deployed.package} {made.deployed.version}, rounding family {made.deployed.family}",
        "export_packages": {name: importlib.metadata.version(name) for name in ("tensorflow", INSTALLED_HERE)},
    }
