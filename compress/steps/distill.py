"""Distillation: a smaller network of the same kind learns what a teacher expects (Ba and Caruana 2014,
https://arxiv.org/abs/1312.6184; Hinton et al. 2015, https://arxiv.org/abs/1503.02531)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from vedette.compress.draft import Bench, Draft
from vedette.compress.network import units
from vedette.train.models import MODEL_KINDS
from vedette.train.representative import weighted
from vedette.train.tensorflow import import_tensorflow

# Hidden units of the student for each of the network it takes the place of.
STUDENT_PART = 1 / 4
FEWEST_UNITS = 4
ROUNDS, LEARNING_RATE = 12, 2e-3


def apply(draft: Draft, bench: Bench, amount: float | None) -> tuple[Draft, dict[str, Any]]:
    """Train a student with ``amount`` hidden units; its latent layer shrinks as much."""
    model, data = bench.model.model, bench.data
    _, tf_keras = import_tensorflow()
    tf_keras.utils.set_random_seed(bench.seed)
    hidden = int(amount) if amount else max(FEWEST_UNITS, round(model.hidden * STUDENT_PART))
    latent = min(_latent(draft), max(FEWEST_UNITS, round(_latent(draft) * hidden / model.hidden)))
    kind = MODEL_KINDS[model.kind]
    core = kind.build(bench.model.signal.window, data.channels, replace(model, hidden=hidden, latent=latent))
    student = kind.head(core, data.channels)
    losses = bench.tune(student, rounds=ROUNDS, learning_rate=LEARNING_RATE)
    done = {"hidden": hidden, "latent": latent, "teacher": bench.taught_by, "losses": losses}
    return bench.rescored(draft, student), done


def _latent(draft: Draft) -> int:
    """Units of the latent layer of a deployed network: the one without an activation that is not the last."""
    inner = weighted(draft.head)[:-1]
    return next(units(layer) for layer in inner if layer.get_config()["activation"] == "linear")
