"""The compression steps, each by itself, for every model kind.

They train for a moment here: what is tested is what a step keeps, not what it is worth.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small import CASES, HIDDEN, WIDTH, WINDOW, Case, blind, name, outputs

from vedette.compress.compress import Workshop
from vedette.compress.draft import Draft
from vedette.compress.network import Weights, cost, rebuilt, units
from vedette.compress.quantize import quantize_head
from vedette.compress.steps import STEPS, distill, prune, qat, sparsify
from vedette.compress.steps.prune import without_least
from vedette.runtime.inference.interpreter import Model
from vedette.train import model_dir
from vedette.train.convert import convert, head_converter
from vedette.train.model_dir import Compressed
from vedette.train.recipe import STEPS as NAMES
from vedette.train.representative import EVEN_WINDOWS, ROOM, activations, covering, weighted
from vedette.train.score_terms import prediction_term
from vedette.train.tensorflow import import_tensorflow

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_round")]

Open = Callable[[Case], Workshop]
Done = tuple[Draft, dict[str, Any]]
Run = Callable[[str, Case], Done]
# Every kind once. Both dense kinds deploy the same layers, and so do both convolutional ones, so either structure is
# there predictive and copying. These are made sparse, and quantization-aware training keeps the zeros; FULL are not.
SPARSE: tuple[Case, ...] = (("ae", True), ("conv_ae", True), ("vae", False), ("conv_vae", False))
FULL: tuple[Case, ...] = (("vae", True), ("conv_ae", False))
# Steps that change the network, and what they are run on.
CHANGING = {"distill": CASES, "prune": SPARSE, "sparsify": SPARSE, "qat": SPARSE + FULL}
RUNS = [(step, case) for step, cases in CHANGING.items() for case in cases]
RUN_NAMES = [f"{step}-{name(case)}" for step, case in RUNS]


def weights(head: Any) -> list[Any]:
    return [values.copy() for values in head.get_weights()]


@pytest.fixture(scope="module")
def run(workshop: Open) -> Run:
    """What a step makes of a case, worked out when it is first asked for; qat comes after sparsify where that ran."""
    done: dict[tuple[str, Case], Done] = {}

    def get(step: str, case: Case) -> Done:
        if (step, case) not in done:
            opened = workshop(case)
            draft = get("sparsify", case)[0] if step == "qat" and case in SPARSE else opened.draft
            before, kept = weights(draft.head), (draft.score, draft.representative.copy())
            done[step, case] = STEPS[step].apply(draft, opened.bench, None)
            unchanged = zip(before, draft.head.get_weights(), strict=True)
            assert all(np.array_equal(one, other) for one, other in unchanged), "a step may be thrown away"
            assert draft.score is kept[0]
            assert np.array_equal(draft.representative, kept[1])
        return done[step, case]

    return get


def test_every_step_of_a_recipe_has_its_module() -> None:
    assert list(STEPS) == list(NAMES)


@pytest.mark.parametrize(("step", "case"), RUNS, ids=RUN_NAMES)
def test_a_step_leaves_the_draft_it_was_given_and_keeps_the_shapes(
    step: str, case: Case, run: Run, workshop: Open
) -> None:
    draft, record = run(step, case)
    assert draft.head.input_shape == (None, WINDOW * WIDTH)
    assert draft.head.output_shape == (None, WIDTH)
    assert np.isfinite(outputs(draft.head, draft.representative)).all()
    assert draft.score.nearest is workshop(case).draft.score.nearest
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert record["losses"]


@pytest.mark.parametrize(("step", "case"), RUNS, ids=RUN_NAMES)
def test_what_a_predictive_network_expects_does_not_depend_on_the_newest_row(
    step: str, case: Case, run: Run, workshop: Open
) -> None:
    draft, _ = run(step, case)
    assert blind(draft.head, workshop(case).data.representative) == case[1]


@pytest.mark.parametrize(("step", "case"), RUNS, ids=RUN_NAMES)
def test_residuals_are_measured_anew(step: str, case: Case, run: Run, workshop: Open) -> None:
    draft, _ = run(step, case)
    learned = workshop(case).bench.data.learned
    assert draft.score.prediction == prediction_term(learned.newest - outputs(draft.head, learned.inputs))
    assert draft.score.prediction != workshop(case).draft.score.prediction


# Distillation.


@pytest.mark.parametrize("case", CASES, ids=name)
def test_a_student_is_a_smaller_network_of_the_same_kind(case: Case, run: Run, workshop: Open) -> None:
    draft, record = run("distill", case)
    before = workshop(case).draft
    assert record["hidden"] == max(distill.FEWEST_UNITS, HIDDEN * distill.STUDENT_PART)
    assert record["teacher"] == "the network itself"
    assert [layer.name for layer in weighted(draft.head)] == [layer.name for layer in weighted(before.head)]
    assert cost(draft.head, draft.score).parameters < 0.5 * cost(before.head, before.score).parameters


def test_the_student_has_the_units_that_it_is_given(workshop: Open) -> None:
    opened = workshop(("ae", True))
    draft, record = STEPS["distill"].apply(opened.draft, opened.bench, 24.0)
    assert record["hidden"] == units(weighted(draft.head)[0]) == 24
    assert record["latent"] == units(weighted(opened.draft.head)[1]), "no more than the teacher has"


# Structured pruning.


@pytest.mark.parametrize("case", CHANGING["prune"], ids=name)
def test_pruning_halves_every_layer_but_the_last(case: Case, run: Run) -> None:
    draft, record = run("prune", case)
    assert [units(layer) for layer in weighted(draft.head)] == record["units"]
    assert record["units"][:-1] == [max(prune.FEWEST_UNITS, round(count / 2)) for count in record["units_before"][:-1]]
    assert record["units"][-1] == record["units_before"][-1] == WIDTH


@pytest.mark.parametrize("case", CASES, ids=name)
def test_a_network_that_keeps_all_its_units_is_the_same(case: Case, workshop: Open) -> None:
    draft = workshop(case).draft
    pruned = without_least(draft.head, draft.representative, 0.99)
    np.testing.assert_array_equal(outputs(pruned, draft.representative), outputs(draft.head, draft.representative))


def changed(head: Any, number: int, change: Callable[[Weights, Weights], None]) -> Any:
    """A copy of a network with other weights in one layer, which ``change`` is given to write into."""
    _, tf_keras = import_tensorflow()
    copy = tf_keras.models.clone_model(head)
    copy.set_weights(head.get_weights())
    kernel, bias = (values.copy() for values in weighted(copy)[number].get_weights())
    change(kernel, bias)
    weighted(copy)[number].set_weights([kernel, bias])
    return copy


def inner(head: Any) -> range:
    """The layers whose units pruning may take."""
    return range(len(weighted(head)) - 1)


@pytest.mark.parametrize("case", CASES, ids=name)
def test_units_that_nothing_reads_go_first_and_nothing_changes(case: Case, workshop: Open) -> None:
    """Every second unit of all layers: of convolutions, where these are flattened, and of dense ones."""
    draft = workshop(case).draft
    head = draft.head
    for number in inner(head):
        width = units(weighted(head)[number])

        def unread(kernel: Weights, _: Weights, width: int = width) -> None:
            kernel.reshape(-1, width, kernel.shape[-1])[:, ::2] = 0.0

        head = changed(head, number + 1, unread)
    pruned = without_least(head, draft.representative, 0.5)
    before, after = ([units(layer) for layer in weighted(each)] for each in (head, pruned))
    assert after[:-1] == [count // 2 for count in before[:-1]]
    np.testing.assert_allclose(outputs(pruned, draft.representative), outputs(head, draft.representative), atol=1e-6)


@pytest.mark.parametrize("case", CASES, ids=name)
def test_units_that_never_vary_become_part_of_the_next_bias(case: Case, workshop: Open) -> None:
    """Half of the units of every layer are constants: what is left computes the same."""
    draft = workshop(case).draft
    head = draft.head

    def constant(kernel: Weights, bias: Weights) -> None:
        kernel[..., ::2] = 0.0
        bias[::2] = np.linspace(0.3, 1.5, len(bias[::2]))

    for number in inner(head):
        head = changed(head, number, constant)
    pruned = without_least(head, draft.representative, 0.5)
    before, after = ([units(layer) for layer in weighted(each)] for each in (head, pruned))
    assert after[:-1] == [count // 2 for count in before[:-1]]
    np.testing.assert_allclose(outputs(pruned, draft.representative), outputs(head, draft.representative), atol=1e-5)


# Zeros.


@pytest.mark.parametrize("case", SPARSE, ids=name)
def test_sparse_networks_have_their_zeros_and_only_compress_better(case: Case, run: Run, workshop: Open) -> None:
    before, (draft, record) = workshop(case).draft, run("sparsify", case)
    for layer in weighted(draft.head):
        kernel = layer.get_weights()[0]
        assert np.mean(kernel == 0.0) == pytest.approx(sparsify.SPARSITY, abs=max(0.01, 1 / kernel.size))
    assert record["zeros"] == sparsify.zeros(draft.head)
    assert "neither the model nor its arithmetic" in record["note"]
    assert {**cost(before.head, before.score).__dict__} == cost(draft.head, draft.score).__dict__
    plain, sparse = (convert(head_converter(each.head, batch=None)) for each in (before, draft))
    assert len(sparse) == pytest.approx(len(plain), rel=0.01)
    shrunk = len(gzip.compress(sparse)) / len(gzip.compress(plain))
    claimed = record["gzip_bytes_float32"] / record["gzip_bytes_float32_before"]
    assert claimed < 0.7
    assert shrunk == pytest.approx(claimed, abs=0.15), "the files shrink as the record says"


@pytest.mark.parametrize("case", SPARSE, ids=name)
def test_training_with_quantization_keeps_the_zeros(case: Case, run: Run) -> None:
    sparse, trained = run("sparsify", case)[0].head, run("qat", case)[0].head
    for before, after in zip(weighted(sparse), weighted(trained), strict=True):
        was, now = before.get_weights()[0], after.get_weights()[0]
        assert np.array_equal(now[was == 0.0], was[was == 0.0])
        assert not np.array_equal(now, was)


# Quantization.


@pytest.mark.parametrize("case", CHANGING["qat"], ids=name)
def test_the_ranges_of_training_with_quantization_are_those_of_the_network(
    case: Case, run: Run, workshop: Open
) -> None:
    draft, record = run("qat", case)
    before, windows = workshop(case).draft.head, workshop(case).bench.data.learned.inputs
    windows = covering(before, windows, workshop(case).directory.signal.input_clip)
    found = qat.ranges(draft.head)
    assert record["ranges"] == found.round(4).tolist()
    kernels = [tuple(layer.get_weights()[:2]) for layer in weighted(draft.head)]
    plain = rebuilt(before, kernels)
    for (low, high), output in zip(found, [windows, *activations(plain, windows)], strict=True):
        true_low, true_high = min(0.0, float(output.min())), float(output.max())
        assert high - low == pytest.approx(true_high - true_low, rel=0.1), "neither too wide nor too narrow"
        assert low == pytest.approx(true_low, abs=0.1 * (high - low))


@pytest.mark.parametrize("case", FULL, ids=name)
def test_the_int8_file_computes_what_training_with_quantization_saw(case: Case, run: Run, workshop: Open) -> None:
    draft, _ = run("qat", case)
    windows = workshop(case).data.representative[:64]
    model = Model(quantize_head(draft.head, None, per_channel=False, fixed_batch=False))
    into, out = model.input.quantization, model.output.quantization
    assert into is not None
    assert out is not None
    low, high = qat.ranges(draft.head)[0]
    assert into.scale == pytest.approx((high - low) / 255, rel=0.01), "the ranges are those of training"

    def computed(windows: Any) -> Any:
        counts = np.clip(np.rint(windows / into.scale) + into.zero_point, -128, 127).astype(np.int8)
        rows = np.concatenate([model.run(window[None]) for window in counts])
        return (rows.astype(np.float32) - out.zero_point) * out.scale

    difference = np.abs(computed(windows) - outputs(draft.head, windows))
    assert np.median(difference) <= 1.01 * out.scale
    if case[1]:
        newest = windows.copy()
        newest[:, -WIDTH:] = 3.0
        np.testing.assert_array_equal(computed(newest), computed(windows))


@pytest.mark.parametrize("case", CHANGING["qat"], ids=name)
def test_a_network_trained_with_quantization_is_the_same_when_it_is_saved_and_loaded(
    case: Case, run: Run, workshop: Open, tmp_path: Path
) -> None:
    draft, record = run("qat", case)
    opened = workshop(case)
    compressed = Compressed(("qat",), (record,), opened.directory.score)
    made = replace(opened.directory, path=tmp_path / "model", score=draft.score, compressed=compressed)
    model_dir.save(made, draft.head, opened.data, original=b"float")
    windows = opened.data.representative
    again = model_dir.load(made.path).load_network()
    np.testing.assert_array_equal(outputs(again, windows), outputs(draft.head, windows))
    np.testing.assert_array_equal(qat.ranges(again), qat.ranges(draft.head))


@pytest.mark.parametrize("case", CASES, ids=name)
def test_the_windows_of_quantization_reach_the_ends_of_every_layer(case: Case, workshop: Open) -> None:
    opened = workshop(case)
    draft, record = STEPS["ptq"].apply(opened.draft, opened.bench, None)
    windows = opened.bench.data.learned.inputs
    assert draft.head is opened.draft.head
    assert draft.score is opened.draft.score
    assert len(draft.representative) == record["representative_windows"] < len(windows)
    everything = [windows, *activations(draft.head, windows)]
    chosen = [draft.representative, *activations(draft.head, draft.representative)]
    for whole, part in zip(everything, chosen, strict=True):
        assert part.min() <= whole.min() + 1e-5
        assert part.max() >= whole.max() - 1e-5


def test_quantization_sees_windows_of_all_of_normal_operation_stretched_both_ways(workshop: Open) -> None:
    draft, windows = workshop(("ae", True)).draft, workshop(("ae", True)).bench.data.learned.inputs
    found = covering(draft.head, windows, clip := 4.0)
    assert np.abs(found).max() == clip
    half = found[: len(found) // 2]
    np.testing.assert_array_equal(found[len(half) :], -half)
    stretched = np.clip(ROOM * windows, -clip, clip)
    places = [int(np.flatnonzero((stretched == window).all(axis=1))[0]) for window in half]
    assert {0, len(windows) - 1} <= set(places)
    assert np.diff(sorted(places)).max() <= -(-len(windows) // EVEN_WINDOWS) + 1


# Prototypes.


@pytest.mark.parametrize(("amount", "part"), [(None, 0.25), (0.5, 0.5), (0.01, 0.0)])
def test_thinning_leaves_fewer_prototypes_and_the_network_alone(
    amount: float | None, part: float, workshop: Open
) -> None:
    opened = workshop(("ae", True))
    before = opened.draft.score.nearest
    assert before is not None
    draft, record = STEPS["thin"].apply(opened.draft, opened.bench, amount)
    assert draft.score.nearest is not None
    expected = max(4, round(part * before.prototypes.count))
    assert draft.score.nearest.prototypes.count == record["prototypes"] == expected
    assert record["prototypes_before"] == before.prototypes.count
    assert draft.head is opened.draft.head
    assert draft.score.prediction == opened.draft.score.prediction
    assert cost(draft.head, draft.score).prototype_macs < cost(opened.draft.head, opened.draft.score).prototype_macs


def test_thinning_few_prototypes_makes_no_more_of_them(workshop: Open) -> None:
    opened = workshop(("ae", True))
    few, _ = STEPS["thin"].apply(opened.draft, opened.bench, 0.01)
    again, record = STEPS["thin"].apply(few, opened.bench, 0.01)
    assert (record["prototypes_before"], record["prototypes"]) == (4, 4)
    assert again.score == few.score


def test_thinning_a_detector_without_prototypes_says_so(workshop: Open) -> None:
    opened = workshop(("ae", True))
    bare = replace(opened.draft, score=replace(opened.draft.score, nearest=None))
    assert STEPS["thin"].apply(bare, opened.bench, 0.5) == (
        bare,
        {"prototypes": 0, "note": "this detector has no prototypes"},
    )


def test_a_step_that_is_told_to_reports_its_rounds(workshop: Open) -> None:
    told: list[tuple[int, int]] = []
    opened = workshop(("ae", True))
    bench = replace(opened.bench, on_progress=lambda done, most, loss: told.append((done, most)))
    STEPS["prune"].apply(opened.draft, bench, 0.9)
    assert told == [(1, 1)]
