"""Models that others made: the references, and with them the C, give the interpreters' bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from int8_models import SHARED, shared_model, tflite_runtime_outputs

from vedette.compress.boards import get_board
from vedette.firmware_bridge.machine.host import Host
from vedette.firmware_bridge.machine.proof import prove
from vedette.firmware_bridge.plan import FirmwareModel
from vedette.firmware_bridge.proving import written
from vedette.firmware_bridge.source import Source
from vedette.runtime.inference.interpreter import Model
from vedette.runtime.inference.reference.rounding import Family

pytestmark = pytest.mark.slow
# Windows that are compared; a convolutional network takes the references a while.
WINDOWS = {
    "own/ae_pc.tflite": 1000,
    "own/ae_pt.tflite": 1000,
    "mlperf_tiny/ad01_int8.tflite": 1000,
    "mlperf_tiny/kws_ref_model_int8.tflite": 60,
    "mlperf_tiny/ic_resnet8_int8.tflite": 25,
    "mltk/autoencoder_example.tflite": 1000,
    "tflite_micro/hello_world_int8.tflite": 256,
}


def windows(model: FirmwareModel, count: int) -> npt.NDArray[np.generic]:
    tensor, rng = model.graph.inputs[0], np.random.default_rng(3)
    if tensor.dtype == np.float32:
        return rng.normal(size=(count, *tensor.shape)).astype(np.float32)
    return rng.integers(-128, 128, (count, *tensor.shape)).astype(np.int8)


@pytest.mark.parametrize("path", WINDOWS)
def test_the_references_give_xnnpacks_bytes_in_family_s(path: str) -> None:
    data = shared_model(path)
    reference, interpreter = FirmwareModel(data, "S"), Model(data, package="ai-edge-litert")
    for window in windows(reference, WINDOWS[path]):
        assert (reference.run(window) == interpreter.run(window)).all()


@pytest.mark.parametrize("path", WINDOWS)
def test_the_references_give_the_reference_kernels_bytes_in_family_d(path: str, tmp_path: Path) -> None:
    data = shared_model(path)
    reference = FirmwareModel(data, "D")
    given = windows(reference, min(WINDOWS[path], 60))
    for window, found in zip(given, tflite_runtime_outputs([(data, x) for x in given], tmp_path), strict=True):
        assert (reference.run(window) == found["D"]).all()


@pytest.mark.parametrize("family", ["D", "S"])
@pytest.mark.parametrize("path", WINDOWS)
def test_the_c_gives_the_references_bytes(path: str, family: Family) -> None:
    data = shared_model(path)
    model = FirmwareModel(data, family)
    given = windows(model, WINDOWS[path])
    wanted = np.array([model.run(window).reshape(-1) for window in given])
    source = Source("model", path, get_board("nucleo-f446re"), model, data, None)
    with written(source) as program:
        prove(program, given.reshape(len(given), -1), wanted, [Host(), Host(sanitize=True)]).require()


@pytest.mark.parametrize("family", ["D", "S"])
@pytest.mark.parametrize("name", ["own/ae_pc", "own/ae_pt"])
def test_the_golden_outputs_of_both_families_are_met(name: str, family: Family) -> None:
    model = FirmwareModel(shared_model(f"{name}.tflite"), family)
    with np.load(SHARED / f"{name}_golden.npz") as golden:
        keys = {key.rsplit("_", 1)[-1].upper(): key for key in golden.files}
        expected = golden[keys[family]]
        assert all((model.run(x[None])[0] == y).all() for x, y in zip(golden["x"], expected, strict=True))
