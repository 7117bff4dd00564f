"""What runs a model: the interpreters and the NumPy kernels behind one interface."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from command import vedette
from int8_models import inputs, tflite_runtime_outputs
from tiny import WINDOW, tiny_bundle_bytes, tiny_model
from trained import BOARDS, KINDS

from vedette import __version__
from vedette.errors import BundleError, DependencyError, ModelError, SelfTestError
from vedette.runtime.bundles import bundle as bundles
from vedette.runtime.bundles.bundle import Bundle, Golden
from vedette.runtime.bundles.manifest import RuntimeSpec
from vedette.runtime.bundles.selftest import replay, self_test
from vedette.runtime.inference.interpreter import FIRMWARE, Model


def firmware_bundle(family: str) -> Bundle:
    """The tiny bundle as a microcontroller's, with golden windows in its family where that is one."""
    bundle = bundles.unpack(tiny_bundle_bytes(runtime=RuntimeSpec(FIRMWARE, "0.1", family, 1)))
    if family not in "DHS":
        return bundle
    golden = replay(bundle.manifest, bundle.load_model(), bundle.golden.windows)
    return replace(bundle, golden=Golden(bundle.golden.windows, *golden))


@pytest.mark.parametrize("family", ["D", "H", "S"])
def test_the_numpy_kernels_have_the_interpreters_interface(family: str) -> None:
    model, interpreter = Model(tiny_model(), package=f"reference-{family}"), Model(tiny_model())
    assert (model.package, model.family, model.version) == (f"reference-{family}", family, __version__)
    assert (model.input, model.output) == (interpreter.input, interpreter.output)


def test_an_installed_interpreter_is_the_default() -> None:
    assert Model(tiny_model()).package == "ai-edge-litert"


def test_an_unknown_interpreter_is_refused_with_the_nearest() -> None:
    with pytest.raises(DependencyError, match=r"did you mean .* reference-D, reference-H"):
        Model(tiny_model(), package="reference-X")


def test_inputs_that_do_not_fit_are_refused() -> None:
    model = Model(tiny_model(), package="reference-S")
    with pytest.raises(ModelError, match=r"expected int8 inputs \(1, 12\), found int8 \(2, 12\)"):
        model.run(np.zeros((2, 12), np.int8))
    with pytest.raises(ModelError, match="found float32"):
        model.run(np.zeros((1, 12), np.float32))


def test_a_fixed_batch_stays_fixed() -> None:
    model = Model(tiny_model(), package="reference-S")
    with pytest.raises(ModelError, match="one window at a time; a batch of 4"):
        model.resize_batch(4)
    assert model.run(np.zeros((1, 12), np.int8)).shape == (1, 3)


def test_the_result_is_the_callers_own() -> None:
    model = Model(tiny_model(), package="reference-D")
    x = inputs(np.random.default_rng(0), (1, 12))
    first = model.run(x)
    kept = first.copy()
    model.run(-x // 2)
    np.testing.assert_array_equal(first, kept)


@pytest.mark.parametrize("family", ["D", "S"])
def test_a_firmware_bundle_runs_in_the_boards_rounding(family: str) -> None:
    bundle = firmware_bundle(family)
    model = bundle.load_model()
    assert model.package == f"reference-{family}"
    assert self_test(bundle, model).differing == 0


def test_a_firmware_bundle_runs_on_an_interpreter_that_is_asked_for() -> None:
    assert firmware_bundle("D").load_model(package="ai-edge-litert").family == "S"


def test_the_family_of_a_firmware_bundle_must_be_one() -> None:
    with pytest.raises(BundleError, match="expected D, H or S, found 'Z'"):
        firmware_bundle("Z").load_model()


def test_a_wrong_bit_of_a_firmware_bundle_is_found() -> None:
    bundle = firmware_bundle("D")
    golden = replace(bundle.golden, outputs=bundle.golden.outputs + np.int8(1))
    with pytest.raises(SelfTestError, match="where 0 is allowed"):
        self_test(replace(bundle, golden=golden), bundle.load_model())


@pytest.mark.slow
def test_commands_run_a_firmware_bundle(tmp_path: Path) -> None:
    path = tmp_path / "tiny-1-board.vdt"
    bundle = firmware_bundle("D")
    path.write_bytes(bundles.pack(bundle.manifest, bundle.model_bytes, bundle.golden))
    assert "reference-D" in vedette("selftest", path).stdout
    data = tmp_path / "rows.csv"
    data.write_text("time,x,y,z\n" + "".join(f"{row},0.5,0.25,-0.5\n" for row in range(3 * WINDOW)))
    vedette("score", path, data, "-o", tmp_path / "scores.csv")
    assert len((tmp_path / "scores.csv").read_text().splitlines()) == 3 * WINDOW + 1


@pytest.mark.slow
@pytest.mark.parametrize("board", BOARDS)
@pytest.mark.parametrize("kind", KINDS)
def test_exported_models_give_every_kernels_bits(
    kind: str, board: str, exported: dict[str, Path], tmp_path: Path
) -> None:
    bundle = bundles.read(exported[f"{kind}-{board}"])
    interpreter = Model(bundle.model_bytes, package="ai-edge-litert")
    models = {family: Model(bundle.model_bytes, package=f"reference-{family}") for family in "DHS"}
    assert (models["S"].input, models["S"].output) == (interpreter.input, interpreter.output)
    x = inputs(np.random.default_rng(7), (1000, interpreter.input.shape[1]))
    found = {family: np.concatenate([model.run(window[None]) for window in x]) for family, model in models.items()}
    wanted = np.concatenate([interpreter.run(window[None]) for window in x])
    np.testing.assert_array_equal(found["S"], wanted)
    if board == "x86-64":
        for family, model in models.items():
            model.resize_batch(len(x))
            np.testing.assert_array_equal(model.run(x), found[family])
        for family, outputs in tflite_runtime_outputs([(bundle.model_bytes, x)], tmp_path)[0].items():
            np.testing.assert_array_equal(found[family], outputs)
    else:
        cases = [(bundle.model_bytes, window[None]) for window in x[:50]]
        for number, outputs in enumerate(tflite_runtime_outputs(cases, tmp_path)):
            for family, output in outputs.items():
                np.testing.assert_array_equal(found[family][number], output[0])
