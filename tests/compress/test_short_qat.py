"""The trap of quantization-aware training: stopped early with the library's own ranges, it leaves a broken model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from trained import TRAIN_ROWS, write_csv

from vedette.compress import artefact, tuning
from vedette.compress.boards import get_board
from vedette.compress.compress import Workshop
from vedette.compress.gate import Comparison, require_promises
from vedette.compress.network import rebuilt
from vedette.compress.steps import qat
from vedette.errors import ExportRefusedError
from vedette.train.config import ModelConfig, ProjectConfig
from vedette.train.pipeline import train
from vedette.train.recipe import parse_recipe
from vedette.train.representative import weighted

pytestmark = pytest.mark.slow

# Activations beyond the +-6 that the library's ranges start at, as channels with heavy tails have them.
LARGER = 8.0


def tones(count: int) -> npt.NDArray[np.float64]:
    """Six channels that can be predicted, ``(count, channels)``: a detector of them has something to lose."""
    time = 2 * np.pi * np.arange(count)
    slow, fast, other = np.sin(time / 31), np.sin(time / 23), np.cos(time / 47)
    values = np.column_stack([slow, other, np.sin(time / 31 + 1) * np.cos(time / 190), fast, slow + other, fast * slow])
    noise: npt.NDArray[np.float64] = np.random.default_rng(1).normal(0, 0.01, values.shape)
    return values + noise


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """A trained detector whose hidden layers are scaled up, and what reads them down: the same function."""
    folder = tmp_path_factory.mktemp("tones")
    data = write_csv(folder / "train.csv", tones(TRAIN_ROWS))
    directory, _ = train(data, ProjectConfig(model=ModelConfig(kind="vae", hidden=32, seed=5)), folder / "model")
    opened = Workshop.open(directory)
    weights = [layer.get_weights() for layer in weighted(opened.draft.head)]
    for hidden in (0, 2):
        weights[hidden] = [values * LARGER for values in weights[hidden]]
        weights[hidden + 1][0] /= LARGER
    head = rebuilt(opened.draft.head, [(kernel, bias) for kernel, bias in weights])
    return replace(opened, draft=replace(opened.draft, head=head))


def trained_for_int8(workshop: Workshop) -> Comparison:
    """What the gate makes of the detector after quantization-aware training."""
    draft, _ = workshop.run(parse_recipe("qat"))
    _, reference = artefact.load_reference(workshop.directory, workshop.data)
    board = get_board("x86-64")
    made = artefact.build(workshop.directory, draft, workshop.data, board, reference)
    return made.comparison


def test_the_gate_catches_a_model_that_short_training_with_quantization_broke(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """25 steps with the ranges that tensorflow-model-optimization begins with and averages slowly."""
    monkeypatch.setattr(qat, "set_ranges", lambda *arguments: None)
    monkeypatch.setattr(qat, "ROUNDS", 1)
    monkeypatch.setattr(tuning, "STEPS_PER_ROUND", 25)
    monkeypatch.setattr(tuning, "STEPS_PER_CALL", 5)
    found = trained_for_int8(workshop)
    assert found.auc_loss > 0.02
    with pytest.raises(ExportRefusedError, match="AUC points"):
        require_promises(found)


def test_with_measured_ranges_the_same_training_keeps_its_word(workshop: Workshop) -> None:
    require_promises(trained_for_int8(workshop))
