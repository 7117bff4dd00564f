"""The self-test: golden windows replayed, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from tiny import tiny_bundle_bytes

from vedette.errors import SelfTestError
from vedette.runtime.bundles import bundle as bundles
from vedette.runtime.bundles.bundle import Bundle
from vedette.runtime.bundles.selftest import MAX_FAMILY_DIFFERENCE, replay, self_test

OTHER_FAMILY = "H"


def tiny() -> Bundle:
    return bundles.unpack(tiny_bundle_bytes())


def with_outputs(bundle: Bundle, outputs: npt.NDArray[np.generic]) -> Bundle:
    """A bundle, whole and with right checksums, that promises other outputs."""
    golden = replace(bundle.golden, outputs=outputs)
    return bundles.unpack(bundles.pack(bundle.manifest, bundle.model_bytes, golden))


def moved(bundle: Bundle, steps: int) -> Bundle:
    """One output of the last golden window, away from the ends of int8, promised ``steps`` LSB off."""
    outputs = bundle.golden.outputs.copy()
    channel = int(np.argmin(np.abs(outputs[-1].astype(int))))
    outputs[-1, channel] += steps
    return with_outputs(bundle, outputs)


def from_other_family(bundle: Bundle) -> Bundle:
    """A bundle that says it was made with kernels of another rounding family."""
    runtime = replace(bundle.manifest.runtime, family=OTHER_FAMILY)
    return replace(bundle, manifest=replace(bundle.manifest, runtime=runtime))


def test_it_passes_where_every_bit_is_as_promised() -> None:
    bundle = tiny()
    result = self_test(bundle, bundle.load_model())
    assert (result.package, result.family, result.expected_family) == ("ai-edge-litert", "S", "S")
    assert (result.windows, result.outputs, result.differing, result.largest) == (5, 15, 0, 0.0)


@pytest.mark.parametrize("steps", [-1, 1, 90])
def test_one_output_that_differs_by_one_lsb_fails_it(steps: int) -> None:
    bundle = moved(tiny(), steps)
    with pytest.raises(
        SelfTestError, match=rf"1 of 15 golden outputs differ, by up to {abs(steps)} where 0 is allowed"
    ):
        self_test(bundle, bundle.load_model())


@pytest.mark.parametrize("steps", [-MAX_FAMILY_DIFFERENCE, 1, MAX_FAMILY_DIFFERENCE])
def test_across_rounding_families_a_few_lsb_are_allowed(steps: int) -> None:
    bundle = from_other_family(moved(tiny(), steps))
    result = self_test(bundle, bundle.load_model())
    assert (result.differing, result.largest) == (1, abs(steps))
    assert result.expected_family == OTHER_FAMILY


def test_across_rounding_families_more_is_refused_with_a_remedy() -> None:
    bundle = from_other_family(moved(tiny(), MAX_FAMILY_DIFFERENCE + 1))
    with pytest.raises(SelfTestError, match="export it again for this board"):
        self_test(bundle, bundle.load_model())


def test_each_golden_window_is_scored_from_a_fresh_start() -> None:
    bundle = tiny()
    model = bundle.load_model()
    windows = bundle.golden.windows
    together = replay(bundle.manifest, model, windows)
    for number in (3, 0):
        alone = replay(bundle.manifest, model, windows[number : number + 1])
        assert alone[0].tolist() == together[0][number : number + 1].tolist()
        assert alone[1].tolist() == together[1][number : number + 1].tolist()


@pytest.mark.slow
def test_trained_bundles_pass_and_a_changed_promise_fails(exported: dict[str, Path]) -> None:
    for path in exported.values():
        bundle = bundles.read(path)
        assert self_test(bundle, bundle.load_model()).differing == 0
        with pytest.raises(SelfTestError):
            self_test(moved(bundle, 1), bundle.load_model())


def test_scores_that_differ_fail_it_though_the_models_outputs_are_as_promised() -> None:
    bundle = tiny()
    bundle = replace(bundle, golden=replace(bundle.golden, scores=bundle.golden.scores * np.float32(1.01)))
    with pytest.raises(SelfTestError, match=r"0 of 15 golden outputs differ.*and the scores differ too"):
        self_test(bundle, bundle.load_model())
