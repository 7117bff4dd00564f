"""What a deployed network is made of, and that it can be rebuilt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from small import CASES, WIDTH, WINDOW, Case, name, outputs

from vedette.compress.compress import Workshop
from vedette.compress.network import cost, positions, rebuilt, units
from vedette.train.representative import activations, weighted
from vedette.train.tensorflow import import_tensorflow

pytestmark = pytest.mark.slow

Open = Callable[[Case], Workshop]


def weights(head: Any) -> list[Any]:
    return [tuple(layer.get_weights()) for layer in weighted(head)]


@pytest.mark.parametrize("case", CASES, ids=name)
def test_a_network_rebuilt_from_its_own_weights_is_the_same(case: Case, workshop: Open) -> None:
    draft = workshop(case).draft
    again = rebuilt(draft.head, weights(draft.head))
    np.testing.assert_array_equal(outputs(again, draft.representative), outputs(draft.head, draft.representative))
    assert [layer.name for layer in again.layers] == [layer.name for layer in draft.head.layers]


@pytest.mark.parametrize("case", CASES, ids=name)
def test_activations_are_those_of_every_layer_with_weights_and_the_last_is_the_output(
    case: Case, workshop: Open
) -> None:
    draft = workshop(case).draft
    found = activations(draft.head, draft.representative)
    assert [output.shape[-1] for output in found] == [units(layer) for layer in weighted(draft.head)]
    assert [int(np.prod(output.shape[1:-1])) for output in found] == [positions(each) for each in weighted(draft.head)]
    np.testing.assert_allclose(found[-1], outputs(draft.head, draft.representative), atol=1e-6)


def test_a_network_of_one_layer_has_its_activations_too() -> None:
    _, tf_keras = import_tensorflow()
    inputs = tf_keras.Input((6,))
    head = tf_keras.Model(inputs, tf_keras.layers.Dense(2)(inputs))
    windows = np.eye(6, dtype=np.float32)
    (found,) = activations(head, windows)
    np.testing.assert_array_equal(found, outputs(head, windows))


def test_the_cost_of_a_dense_network_is_counted_layer_by_layer(workshop: Open) -> None:
    draft = workshop(("ae", True)).draft
    sizes = [WINDOW * WIDTH, *(units(layer) for layer in weighted(draft.head))]
    assert sizes[-1] == WIDTH
    macs = sum(one * other for one, other in pairwise(sizes))
    found = cost(draft.head, draft.score)
    assert (found.macs, found.parameters) == (macs, macs + sum(sizes[1:]))
    assert draft.score.nearest is not None
    assert found.prototype_macs == draft.score.nearest.prototypes.count * WINDOW * WIDTH
    assert found.arithmetic == found.macs + found.prototype_macs


def test_the_weights_of_a_convolution_count_at_every_place(workshop: Open) -> None:
    """16 rows without the last are read by kernels of 3 rows in steps of 2: at 7 places, then at 3."""
    draft = workshop(("conv_ae", True)).draft
    found = [(kernel.size, positions(layer)) for layer, (kernel, _) in zip(weighted(draft.head), weights(draft.head),
                                                                           strict=True)]  # fmt: skip
    assert [places for _, places in found] == [7, 3, 1, 1]
    assert cost(draft.head, draft.score).macs == sum(size * places for size, places in found)
    assert draft.score.nearest is not None


def test_a_score_without_prototypes_costs_no_search(workshop: Open) -> None:

    draft = workshop(("ae", True)).draft
    assert cost(draft.head, replace(draft.score, nearest=None)).prototype_macs == 0
