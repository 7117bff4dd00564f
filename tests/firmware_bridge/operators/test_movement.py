"""Operators that move or convert numbers: references against interpreters, generated C against references."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from int8_models import tflite_runtime_outputs
from movement_cases import CASES
from movement_models import Case, c_outputs, litert_output, reference_output

from vedette.runtime.inference.reference.rounding import Family

SEEDS = st.integers(0, 2**32 - 1)


def cases(name: str, seed: int, count: int) -> list[Case]:
    return [CASES[name](np.random.default_rng((seed, number))) for number in range(count)]


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=40)
@given(seed=SEEDS)
def test_family_s_is_ai_edge_litert(name: str, seed: int) -> None:
    case = CASES[name](np.random.default_rng(seed))
    np.testing.assert_array_equal(reference_output(case, "S"), litert_output(case), strict=True)


@pytest.mark.slow
def test_family_d_is_tflite_runtimes_reference_kernels(tmp_path: Path) -> None:
    models = [(name, case) for name in CASES for case in cases(name, 1, 100)]
    told = tflite_runtime_outputs([(case.model, case.x) for _, case in models], tmp_path)
    for (name, case), outputs in zip(models, told, strict=True):
        np.testing.assert_array_equal(reference_output(case, "D"), outputs["D"], err_msg=name, strict=True)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["D", "S"])
@settings(max_examples=3)
@given(seed=SEEDS)
def test_the_c_gives_the_references_bytes(family: Family, seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    models = [case for name in CASES for case in cases(name, seed, 12)]
    told = c_outputs(models, family, tmp_path_factory.mktemp("c"))
    for case, output in zip(models, told, strict=True):
        np.testing.assert_array_equal(output, reference_output(case, family), strict=True)
