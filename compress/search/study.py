"""The study: every recipe that was tried, in a database that outlives the process and that machines may share.

A trial carries its candidate in its user attributes, so that nothing is trained twice: not after an interruption, not
for another budget, and not on another machine. Trials whose machine fell silent are given up and tried again.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import optuna
import sqlalchemy
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.trial import FrozenTrial, TrialState

from vedette.compress.search.candidate import Candidate
from vedette.compress.search.space import Space, recipe_text
from vedette.errors import ConfigError, ModelError
from vedette.train.recipe import Recipe

# A machine tells this often that it is still at a trial, and is given up after so many seconds of silence.
HEARTBEAT_S, SILENCE_S = 10, 60
# A local database that another process writes to is waited for.
LOCKED_S = 30
# Two machines that begin a study at once may both make its tables: so often it is tried, with so many seconds between.
CREATIONS, CREATED_S = 3, 0.5
RECIPE, REASON, IDENTITY = "recipe", "reason", "made_of"
_FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)


class _TakenError(Exception):
    """The recipe of a trial is another trial's."""


@dataclass(frozen=True)
class Tally:
    """``candidates`` in the order of trial, recipes that ``failed`` with the reason, and how many trials run now."""

    candidates: tuple[Candidate, ...]
    failed: dict[str, str]
    running: int

    @property
    def finished(self) -> int:
        """Recipes that were tried."""
        return len(self.candidates) + len(self.failed)


@dataclass(frozen=True)
class Study:
    """An open study; ``address`` is its database as it may be shown, without a password."""

    address: str
    space: Space
    _study: optuna.Study

    @classmethod
    def open(cls, storage: str, name: str, identity: dict[str, str], space: Space, *, seed: int, own: bool) -> Study:
        """Open the study of that name, or begin it. ``own`` says that the database is for this study alone.

        Raises :class:`ConfigError` where the database cannot be used, or the study is of something else.
        """
        url, address = _address(storage)
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        with explained(address), _experimental():
            store = _storage(url)
            others = [other for other in optuna.get_all_study_names(store) if other != name]
            if own and others:
                raise ConfigError(
                    f'{address} holds the study of "{others[0]}", and this is "{name}": remove it, or give another -o '
                    "or --study"
                )
            study = optuna.create_study(
                storage=store,
                study_name=name,
                load_if_exists=True,
                directions=["minimize", "minimize", "maximize"],
            )
            # What was tried seeds the sampler too, so that machines that share a study do not draw alike.
            study.sampler = optuna.samplers.TPESampler(seed=seed + len(study.get_trials(deepcopy=False)))
            found = study.user_attrs.setdefault(IDENTITY, identity)
            if found is identity:
                study.set_user_attr(IDENTITY, identity)
                study.set_metric_names(["log2_bytes", "log2_arithmetic", "auc_roc"])
        changed = [what for what in identity if found.get(what) != identity[what]]
        if changed:
            raise ConfigError(
                f'{address}: the study "{name}" is of another {changed[0]} (expected {identity[changed[0]]}, found '
                f"{found.get(changed[0])}), so its figures do not hold here: remove it, or give another -o or --study"
            )
        return cls(address, space, study)

    def tally(self) -> Tally:
        """What is known now, on all machines."""
        with explained(self.address), _experimental():
            optuna.storages.fail_stale_trials(self._study)
            trials = self._study.get_trials(deepcopy=False)
        complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
        # Two machines may have begun the same recipe within the same milliseconds.
        candidates = {trial.user_attrs[RECIPE]: Candidate.from_dict(trial.user_attrs) for trial in reversed(complete)}
        failed = {t.user_attrs[RECIPE]: t.user_attrs[REASON] for t in trials if t.state == TrialState.PRUNED}
        running = sum(trial.state == TrialState.RUNNING for trial in trials)
        return Tally(tuple(reversed(candidates.values())), failed, running)

    def plan(self) -> None:
        """Put what is tried first into the queue, but what was tried or is in it."""
        with explained(self.address):
            trials = self._study.get_trials(deepcopy=False)
            waiting = [t.system_attrs["fixed_params"] for t in trials if t.state == TrialState.WAITING]
            known = _recipes(trials, (*_FINISHED, TrialState.RUNNING))
            known |= {recipe_text(self.space.recipe(parameters)) for parameters in waiting}
            for parameters in self.space.first():
                if recipe_text(self.space.recipe(parameters)) not in known:
                    self._study.enqueue_trial(parameters)

    def try_next(self, measure: Callable[[Recipe], Candidate]) -> bool:
        """Try the next recipe, unless that is another trial's; False where there is nothing left to try.

        ``measure`` is given the recipe; where it raises :class:`ModelError`, the reason is kept.
        """
        left = True

        def objective(trial: optuna.Trial) -> tuple[float, float, float]:
            nonlocal left
            parameters = self.space.suggest(trial)
            recipe = self.space.recipe(parameters)
            text = recipe_text(recipe)
            tried = self._taken(trial.number)
            if text in tried:
                nearest = self.space.nearest_untried(parameters, tried)
                left = nearest is not None
                if nearest:
                    self._study.enqueue_trial(nearest)
                raise _TakenError
            trial.set_user_attr(RECIPE, text)
            try:
                candidate = measure(recipe)
            except ModelError as error:
                trial.set_user_attr(REASON, str(error))
                raise optuna.TrialPruned from error
            for key, value in candidate.to_dict().items():
                trial.set_user_attr(key, value)
            trial.set_constraint("broken_promises", float(len(candidate.broken)))
            # A factor in size counts the same for the small as for the large.
            return _log2(candidate.bytes), _log2(candidate.arithmetic), candidate.int8_auc_roc

        with explained(self.address):
            # The networks of a trial refer to themselves: without a collection they would pile up.
            self._study.optimize(objective, n_trials=1, catch=(_TakenError,), gc_after_trial=True)
        return left

    def _taken(self, number: int) -> set[str]:
        """The recipes that were tried, or that a trial before this one is at."""
        trials = [trial for trial in self._study.get_trials(deepcopy=False) if trial.number != number]
        earlier = [trial for trial in trials if trial.number < number]
        return _recipes(trials, _FINISHED) | _recipes(earlier, (TrialState.RUNNING,))


@contextmanager
def explained(address: str) -> Iterator[None]:
    """Turn what a database may raise into :class:`ConfigError` with a remedy."""
    try:
        yield
    except (sqlalchemy.exc.SQLAlchemyError, StorageInternalError) as error:
        cause = error.__cause__ if isinstance(error, StorageInternalError) and error.__cause__ else error
        reason = str(getattr(cause, "orig", None) or cause).splitlines()[0]
        raise ConfigError(
            f"the study at {address} cannot be used: {reason}; expected a database that can be written to, "
            "such as --study sqlite:///study.db or --study postgresql://USER@HOST/DATABASE"
        ) from error


@contextmanager
def _experimental() -> Iterator[None]:
    """Optuna calls heartbeats and the names of objectives experimental, for years now."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        yield


def _storage(url: str) -> optuna.storages.RDBStorage:
    """The database, made where there is none."""
    shown = _address(url)[1]
    local = url.startswith("sqlite")
    arguments = {"connect_args": {"timeout": LOCKED_S}} if local else {"pool_pre_ping": True}

    def make() -> optuna.storages.RDBStorage:
        return optuna.storages.RDBStorage(
            url, engine_kwargs=arguments, heartbeat_interval=HEARTBEAT_S, grace_period=SILENCE_S
        )

    try:
        for _ in range(CREATIONS - 1):
            with suppress(sqlalchemy.exc.DBAPIError):
                return make()
            time.sleep(CREATED_S)
        return make()
    except ImportError as error:
        driver = getattr(error.__cause__, "name", None) or "the driver"
        raise ConfigError(f"--study {shown}: its driver is not installed; try: pip install {driver}") from error
    except RuntimeError as error:
        raise ConfigError(f"--study {shown}: {error}") from error


def _address(storage: str) -> tuple[str, str]:
    """A database's URL, and the same without its password; a path is that of an SQLite file."""
    if "://" not in storage:
        storage = sqlalchemy.URL.create("sqlite", database=storage).render_as_string()
    try:
        return storage, sqlalchemy.make_url(storage).render_as_string(hide_password=True)
    except (sqlalchemy.exc.ArgumentError, ValueError) as error:
        raise ConfigError(
            "--study: expected the path of an SQLite file or the URL of a database, such as "
            "postgresql://USER:PASSWORD@HOST/DATABASE; found something else"
        ) from error


def _recipes(trials: Sequence[FrozenTrial], states: tuple[TrialState, ...]) -> set[str]:
    return {trial.user_attrs[RECIPE] for trial in trials if trial.state in states and RECIPE in trial.user_attrs}


def _log2(value: int) -> float:
    return math.log2(max(value, 1))
