"""Prototypes: the nearest window is found, exactly, and survives its way through a manifest."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.runtime.detection.prototypes import NearestPrototype, Prototypes
from vedette.runtime.inference.interpreter import Quantization, quantize

STEPS = Quantization(12.0 / 255, 3)


@given(
    seed=st.integers(0, 999),
    count=st.integers(1, 40),
    window=st.integers(1, 20),
    channels=st.integers(1, 4),
    batch=st.integers(1, 5),
)
def test_the_nearest_prototype_on_int8_is_that_of_exact_integer_arithmetic(
    seed: int, count: int, window: int, channels: int, batch: int
) -> None:
    rng = np.random.default_rng(seed)
    prototypes = Prototypes.from_windows(rng.normal(size=(count, window * channels)).astype(np.float32))
    steps = prototypes.quantized(STEPS)
    seen = rng.integers(-128, 128, size=(batch, window * channels)).astype(np.int8)
    distances = np.square(steps.windows().astype(np.int64) - seen.astype(np.int64)[:, None]).sum(axis=2)
    last_rows = steps.windows()[distances.argmin(axis=1), -channels:]
    found = NearestPrototype(steps, channels=channels, quantization=STEPS).last_rows(seen)
    assert found == pytest.approx((last_rows - STEPS.zero_point) * STEPS.scale, abs=1e-6)


@pytest.mark.parametrize("window", [8, 400])
@pytest.mark.parametrize("quantization", [STEPS, None])
def test_what_is_nearest_does_not_depend_on_the_other_windows(window: int, quantization: Quantization | None) -> None:
    rng = np.random.default_rng(3)
    prototypes = Prototypes.from_windows(rng.normal(size=(40, window * 4)).astype(np.float32))
    windows = rng.normal(size=(50, window * 4)).astype(np.float32)
    if quantization:
        prototypes = prototypes.quantized(quantization)
        windows = quantize(windows, quantization).astype(np.float32)
    nearest = NearestPrototype(prototypes, channels=4, quantization=quantization)
    alone = np.concatenate([nearest.last_rows(one[None]) for one in windows])
    assert nearest.last_rows(windows).tobytes() == alone.tobytes()


@given(seed=st.integers(0, 99))
def test_quantized_prototypes_are_the_steps_that_the_window_has(seed: int) -> None:
    windows = np.random.default_rng(seed).normal(size=(3, 8)).astype(np.float32)
    found = Prototypes.from_windows(windows)
    assert (found.windows() == windows).all()
    assert (found.quantized(STEPS).windows() == quantize(windows, STEPS)).all()


@pytest.mark.parametrize(("count", "values"), [(1, "not base64!"), (3, "AAAA"), (2, "AAA=")])
def test_values_that_are_no_windows_are_refused(count: int, values: str) -> None:
    with pytest.raises(ValueError, match=r"base64|reshape|size"):
        Prototypes(count, "float32", values).windows()
