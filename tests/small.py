"""Small model directories for the compression steps: every kind, predictive or not, with random weights.

They have four channels, so that there are prototypes. They know nothing: what a step must keep is the same as in a good
detector, and there is much that it can make better.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny import POLICY
from trained import CHANNELS, KINDS, machine

from vedette.compress import trial, tuning
from vedette.compress.compress import Workshop
from vedette.compress.steps import distill, prune, qat, sparsify
from vedette.runtime.detection.signal import FloatArray
from vedette.train import model_dir, pipeline
from vedette.train.config import ModelConfig, SignalConfig, ThresholdConfig
from vedette.train.data.prepare import prepare
from vedette.train.data.table import Table
from vedette.train.model_dir import ModelDir
from vedette.train.models import MODEL_KINDS
from vedette.train.score_terms import score_spec

Case = tuple[str, bool]
# Every model kind, once predictive and once not.
CASES: tuple[Case, ...] = tuple((kind, predictive) for kind in KINDS for predictive in (True, False))
ROWS, WINDOW, WIDTH, HIDDEN = 1500, 16, 4, 16


def name(case: Case) -> str:
    """What a test of that case is called."""
    kind, predictive = case
    return f"{kind}-{'predictive' if predictive else 'copying'}"


def small_dir(
    path: Path,
    case: Case,
    *,
    hidden: int = HIDDEN,
    scale: float = 1.0,
    names: tuple[str, ...] = CHANNELS[:WIDTH],
    **signal: Any,
) -> ModelDir:
    """A model directory; ``scale`` multiplies the readings, and ``signal`` is of the project file."""
    kind, predictive = case
    values = machine(ROWS, 1)[:, : len(names)] * scale
    table = Table(names, values, "time", np.arange(ROWS) * 2.0, None, "0" * 64, ())
    data = prepare(table, SignalConfig(**{"window": WINDOW, **signal}))
    config = ModelConfig(kind=kind, hidden=hidden, seed=5, predictive=predictive)  # type: ignore[arg-type]
    core = MODEL_KINDS[kind].build(data.signal.window, len(names), config)
    rng = np.random.default_rng(5)
    core.set_weights([_random(rng, values.shape) for values in core.get_weights()])
    head = MODEL_KINDS[kind].head(core, len(names))
    model = ModelDir(
        path=path,
        name="machine",
        version="1",
        sequence=1,
        model=config,
        threshold=ThresholdConfig(),
        alert=POLICY,
        signal=data.signal,
        score=score_spec(data, head, config),
        calibration={"threshold": 1.0},
        provenance={},
    )
    model_dir.save(model, core, pipeline._calibration_data(data, head))
    return model_dir.load(model.path)


def _random(rng: np.random.Generator, shape: tuple[int, ...]) -> FloatArray:
    """Weights that keep the spread of what they are given, and small biases."""
    inputs = np.prod(shape[:-1]) if len(shape) > 1 else 100.0
    return rng.normal(0.0, inputs**-0.5, shape).astype(np.float32)


def outputs(head: Any, windows: FloatArray) -> FloatArray:
    """What a network expects."""
    found: FloatArray = head.predict(windows, batch_size=1024, verbose=0)
    return found


def blind(head: Any, windows: FloatArray) -> bool:
    """Whether a network's output is the same whatever the newest row of a window is."""
    expected = outputs(head, windows)
    for newest in (6.0, -6.0, 0.0, windows[::-1, -WIDTH:]):
        changed = windows.copy()
        changed[:, -WIDTH:] = newest
        if not np.array_equal(outputs(head, changed), expected):
            return False
    return True


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Case], ModelDir]:
    """The model directory of a case, made when it is first asked for."""
    made: dict[Case, ModelDir] = {}

    def get(case: Case) -> ModelDir:
        if case not in made:
            made[case] = small_dir(tmp_path_factory.mktemp(name(case)) / "model", case)
        return made[case]

    return get


@pytest.fixture(scope="session")
def workshop(small: Callable[[Case], ModelDir]) -> Callable[[Case], Workshop]:
    """The workshop of a case, which no step may change."""
    made: dict[Case, Workshop] = {}

    def get(case: Case) -> Workshop:
        if case not in made:
            made[case] = Workshop.open(small(case))
        return made[case]

    return get


@pytest.fixture(scope="module")
def one_round() -> Iterator[None]:
    """Every step trains for one round, and what TensorFlow is given at a time is small, so that it is soon compiled.
    What came of it is compared on few anomalies."""
    with pytest.MonkeyPatch.context() as patch:
        for step in (distill, prune, sparsify, qat):
            patch.setattr(step, "ROUNDS", 1)
        patch.setattr(tuning, "STEPS_PER_CALL", 1)
        patch.setattr(trial, "SCORED_ROWS", 1)
        patch.setattr(trial, "FEWEST", 2)
        yield
