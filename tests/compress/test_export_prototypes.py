"""Export of a detector for a stream of few channels, whose score has prototypes."""

from __future__ import annotations

from pathlib import Path

import pytest
from trained import CHANNELS, FAULTS, TRAIN_ROWS, faulty_machine, machine, write_csv

from vedette.compress.export import export
from vedette.runtime.bundles import bundle as bundles
from vedette.runtime.bundles.inspection import describe, sheet
from vedette.runtime.bundles.selftest import self_test
from vedette.train.config import ProjectConfig
from vedette.train.data.table import read_signal
from vedette.train.evaluation.evaluate import score_table
from vedette.train.evaluation.metrics import auc_roc
from vedette.train.pipeline import train


@pytest.mark.slow
def test_prototypes_are_exported_in_the_steps_of_the_models_input(tmp_path: Path) -> None:
    """A stream of few channels has a second term, whose prototypes travel in the manifest."""
    names = CHANNELS[:2]
    values, label = faulty_machine(2)
    label[FAULTS[2][0] : FAULTS[2][1] + 1] = 0  # the third fault is in a channel that is left out
    normal = write_csv(tmp_path / "normal.csv", machine(TRAIN_ROWS, 1)[:, :2], names=names)
    faulty = write_csv(tmp_path / "faulty.csv", values[:, :2], label=label, names=names)
    train(normal, ProjectConfig(), tmp_path / "model")
    exported = export(tmp_path / "model", "x86-64", tmp_path / "two.vdt")
    bundle = bundles.read(exported.path)
    nearest = bundle.manifest.score.nearest
    assert nearest is not None
    assert nearest.prototypes.dtype == "int8"
    assert bundle.manifest.signal.window == 64
    described = describe(bundle)
    assert described["prototype_bytes"] == nearest.prototypes.count * 64 * 2
    assert f"{described['prototype_bytes']:,} bytes of prototypes" in sheet(described)
    model = bundle.load_model()
    assert self_test(bundle, model).differing == 0
    table = read_signal(faulty, bundle.manifest.signal)
    scores, shares = score_table(bundle.manifest, model, table)
    assert table.label is not None
    assert auc_roc(table.label, scores.score) > 0.8
    assert shares.sum() == pytest.approx(1.0, abs=1e-3)
