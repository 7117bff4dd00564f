"""Quantization of networks that training left in an awkward state."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from trained import TrainedDir

from vedette.compress.quantize import SMALLEST_STEP, quantize_head, smallest_step
from vedette.errors import ModelError
from vedette.runtime.inference.interpreter import Model
from vedette.train import model_dir
from vedette.train.convert import deployed_head
from vedette.train.model_dir import CORE, ModelDir
from vedette.train.tensorflow import quiet_tensorflow

pytestmark = pytest.mark.slow


def switched_off(directory: Path, copy: Path, bias: float) -> ModelDir:
    """The model with a decoder whose units all have that bias: far below 0, they are off on normal windows."""
    shutil.copytree(directory, copy)
    model = model_dir.load(copy)
    core = model.load_network()
    decoder = core.get_layer("decoder")
    decoder.set_weights([decoder.get_weights()[0], np.full_like(decoder.get_weights()[1], bias)])
    with quiet_tensorflow():
        core.save(model.path / CORE, include_optimizer=False)
    return model


def head_of(model: ModelDir) -> Any:
    return deployed_head(model, model.load_network())


def test_a_layer_that_is_off_on_normal_windows_still_quantizes_to_a_model_that_loads(
    trained: dict[str, TrainedDir], tmp_path: Path
) -> None:
    model = switched_off(trained["vae"].path, tmp_path / "off", bias=-12.0)
    windows = model.load_calibration_data().representative
    quantized = quantize_head(head_of(model), windows, per_channel=True, fixed_batch=False)
    assert smallest_step(quantized) >= SMALLEST_STEP
    assert Model(quantized).run(np.zeros((1, windows.shape[1]), np.int8)).shape == (1, len(model.signal.channels))


def test_a_layer_that_is_always_off_is_refused_with_what_to_do(trained: dict[str, TrainedDir], tmp_path: Path) -> None:
    model = switched_off(trained["vae"].path, tmp_path / "off", bias=-1e6)
    windows = model.load_calibration_data().representative
    with pytest.raises(ModelError, match=r"cannot be quantized: nothing was learned.*another model\.seed"):
        quantize_head(head_of(model), windows, per_channel=True, fixed_batch=False)
