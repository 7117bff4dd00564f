"""The search: tries recipes until it has tried enough, and writes the smallest detector that keeps its word."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from vedette.compress.boards import get_board
from vedette.compress.compress import Workshop, save
from vedette.compress.search.candidate import Budget, Candidate, front, keeping_their_word, refusal
from vedette.compress.search.identity import identity_of
from vedette.compress.search.lab import Lab
from vedette.compress.search.space import Space, recipe_text
from vedette.compress.search.study import Study, Tally
from vedette.errors import ExportRefusedError, ModelError, OutputError
from vedette.train import model_dir
from vedette.train.model_dir import ModelDir
from vedette.train.recipe import Recipe, parse_recipe

# Recipes that are tried: the ten that every study begins with, and as many that the sampler makes of them. Takes 2 to 4
# minutes on one core.
TRIALS = 20
# What stands beside the model directory, by what is behind its name.
STUDY = ".study.db"
# How often other machines are looked at while they finish what they are at.
WAIT_S = 1.0


@dataclass(frozen=True)
class Progress:
    """How far a search is: recipes tried ``done`` of ``total``, what it is at, and the best one so far, if any."""

    done: int
    total: int
    doing: str
    best: Candidate | None


OnProgress = Callable[[Progress], None]


@dataclass(frozen=True)
class SearchResult:
    """What a search found.

    ``candidates`` are all that were measured and ``failed`` the recipes that came to nothing, with the reason;
    ``float_bytes`` is the size of the float32 .tflite. ``chosen`` was written to ``model``; both are None where the
    search was ``interrupted`` or nothing keeps its word. ``study`` is where the figures are kept.
    """

    source: ModelDir
    board: str
    budget: Budget
    float_bytes: int
    candidates: tuple[Candidate, ...]
    failed: dict[str, str]
    chosen: Candidate | None
    model: ModelDir | None
    study: str
    interrupted: bool

    @property
    def front(self) -> list[Candidate]:
        """The candidates that no other one dominates, the smallest first."""
        return front(self.candidates)

    @property
    def best(self) -> Candidate | None:
        """What was chosen, or would be."""
        return self.chosen or next(iter(keeping_their_word(self.candidates, self.budget)), None)

    def require_model(self) -> ModelDir:
        """The model directory that was written. Raises :class:`ExportRefusedError` that names the nearest candidate and
        what to relax where there is none."""
        if self.model is None:
            reason = refusal(self.candidates, self.budget, failed=self.failed)
            raise ExportRefusedError(f"{reason}. What was tried is kept in {self.study}: it is not tried again")
        return self.model


def search(
    source: Path,
    output: Path,
    board_name: str,
    *,
    max_bytes: int | None = None,
    min_auc_retention: float = 0.99,
    trials: int = TRIALS,
    study: str | None = None,
    teachers: Sequence[str] = (),
    on_progress: OnProgress = lambda progress: None,
) -> SearchResult:
    """Search for the smallest detector of a model directory that keeps its word on a board, and write it.

    It does where every promise of :mod:`vedette.compress.gate` is kept, ``min_auc_retention`` of the float model's mean
    AUC-ROC is left, and the .tflite with its prototypes has at most ``max_bytes``. ``trials`` counts what the study
    holds, so that the same call goes on where it was interrupted. ``study`` is the database that holds it: a path or an
    SQLAlchemy URL, which machines may share; by default a file beside ``output``.

    Ctrl-C ends the search and is told in the result. Raises :class:`ConfigError` for a study that cannot be used.
    """
    board = get_board(board_name)
    directory = model_dir.load(source)
    space = Space.of(directory)
    model_dir.check_writable(output)
    budget = Budget(max_bytes, min_auc_retention)
    beside = _beside(output, STUDY)
    begun = study is None and not beside.exists()
    opened = Study.open(
        study or str(beside),
        f"{directory.name} {directory.version} {board.name}",
        identity_of(directory, board, teachers),
        space,
        seed=directory.model.seed,
        own=study is None,
    )
    on_progress(Progress(0, trials, "starting TensorFlow", None))
    interrupted = False
    with _interrupts() as stopped:
        try:
            workshop = Workshop.open(directory, teachers=teachers, on_progress=lambda *round_: _check(stopped))
            lab = Lab.of(workshop, board)
        except BaseException:
            # A study of a directory that cannot be used would stand in the way of the next one.
            if begun:
                beside.unlink(missing_ok=True)
            raise
        try:
            _explore(opened, lab, budget, trials, on_progress=on_progress, stopped=stopped)
        except KeyboardInterrupt:
            interrupted = True
    found = opened.tally()
    result = SearchResult(
        source=directory,
        board=board.name,
        budget=budget,
        float_bytes=len(lab.original),
        candidates=found.candidates,
        failed=found.failed,
        chosen=None,
        model=None,
        study=opened.address,
        interrupted=interrupted,
    )
    return result if interrupted else _write(result, lab, output, trials, on_progress)


def _beside(output: Path, ending: str) -> Path:
    """A file beside a model directory; its folder is made."""
    path = output.absolute()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{path.parent}: cannot be made: {error.strerror}; give another -o") from error
    return path.with_name(path.name + ending)


def _explore(
    study: Study, lab: Lab, budget: Budget, trials: int, *, on_progress: OnProgress, stopped: Callable[[], bool]
) -> None:
    """Try recipes until the study holds ``trials``, and wait for those that other machines are at."""

    def tell(tally: Tally, doing: str) -> None:
        best = next(iter(keeping_their_word(tally.candidates, budget)), None)
        on_progress(Progress(tally.finished, trials, doing, best))

    def measure(recipe: Recipe) -> Candidate:
        tell(tally, recipe_text(recipe))
        try:
            return lab.measure(recipe)
        except Exception:
            # What Ctrl-C breaks inside TensorFlow may come out as an error of its own.
            _check(stopped)
            raise

    study.plan()
    more = True
    while True:
        _check(stopped)
        tally = study.tally()
        if more and tally.finished + tally.running < trials:
            more = study.try_next(measure)
        elif tally.running:
            tell(tally, f"waiting for {tally.running} on other machines")
            time.sleep(WAIT_S)
        else:
            return


def _write(result: SearchResult, lab: Lab, output: Path, trials: int, on_progress: OnProgress) -> SearchResult:
    """Make the smallest that keeps its word again and write it; where it does not now, as on another machine than the
    one that tried it, the next one."""
    candidates = list(result.candidates)
    for candidate in keeping_their_word(candidates, result.budget):
        on_progress(Progress(len(candidates) + len(result.failed), trials, f"writing {candidate.recipe}", candidate))
        recipe = parse_recipe(candidate.recipe, after=result.source.recipe)
        try:
            again = lab.measure(recipe)
        except ModelError:
            continue
        candidates[candidates.index(candidate)] = again
        if result.budget.met_by(again):
            draft, records = lab.make(recipe)
            model = save(lab.workshop, draft, recipe, records, output)
            return replace(result, candidates=tuple(candidates), chosen=again, model=model)
    return replace(result, candidates=tuple(candidates))


def _check(stopped: Callable[[], bool]) -> None:
    if stopped():
        raise KeyboardInterrupt


@contextmanager
def _interrupts() -> Iterator[Callable[[], bool]]:
    """Yield a function that says whether Ctrl-C was pressed. It raises KeyboardInterrupt as ever, but where that meets
    a destructor or a callback of TensorFlow, Python only reports it and goes on."""
    pressed = False

    def interrupt(number: int, frame: object) -> None:
        nonlocal pressed
        pressed = True
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGINT, interrupt)
    except ValueError:  # only the main thread gets signals
        yield lambda: False
        return
    try:
        yield lambda: pressed
    finally:
        signal.signal(signal.SIGINT, before)
