"""The networks of the model kinds: what is deployed computes what was trained, and compression can take it."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from vedette.train import config
from vedette.train.config import ModelConfig
from vedette.train.models import MODEL_KINDS
from vedette.train.models.conv_layers import kernel_sizes
from vedette.train.tensorflow import import_tensorflow, quiet_tensorflow

WINDOW, CHANNELS = 5, 3
# (window, channels): the shortest windows, odd and even ones, one channel.
SHAPES = ((2, 1), (3, 4), (5, 3), (6, 1), (16, 2))
OPERATORS = {number: name for name, number in vars(schema.BuiltinOperator).items() if isinstance(number, int)}
slow = pytest.mark.slow


def make(kind: str, *, predictive: bool = True, window: int = WINDOW, channels: int = CHANNELS) -> tuple[Any, Any]:
    """An untrained core with biases that are not zero, and its head."""
    _, tf_keras = import_tensorflow()
    tf_keras.utils.set_random_seed(1)
    core = MODEL_KINDS[kind].build(window, channels, ModelConfig(predictive=predictive))
    rng = np.random.default_rng(2)
    core.set_weights([weight + rng.normal(0, 0.3, weight.shape).astype(np.float32) for weight in core.get_weights()])
    return core, MODEL_KINDS[kind].head(core, channels)


def windows(count: int, window: int = WINDOW, channels: int = CHANNELS) -> np.ndarray:
    return np.random.default_rng(3).normal(size=(count, window * channels)).astype(np.float32)


def predict(model: Any, data: np.ndarray) -> np.ndarray:
    """A network's first output: of a core, what it reconstructs."""
    outputs = model(data)
    return np.asarray(outputs[0] if isinstance(outputs, list) else outputs)


@pytest.fixture(scope="module")
def optimization() -> Any:
    """The package that prunes and quantizes networks while they train; its import warns of its own imports."""
    import_tensorflow()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import tensorflow_model_optimization

    return tensorflow_model_optimization


def wrapped(model: Any, wrap: Any) -> Any:
    """A copy of ``model`` with its layers wrapped: what wraps them would change the original."""
    _, tf_keras = import_tensorflow()
    clone = tf_keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    return wrap(clone)


def train(model: Any, data: np.ndarray, **options: Any) -> list[float]:
    """A few steps, eagerly, as tracing them would take longer; the loss of each epoch."""
    model.compile(optimizer="adam", loss="mse", run_eagerly=True)
    target = data[:, -model(data[:1]).shape[-1] :]
    losses: list[float] = model.fit(data, target, epochs=2, verbose=0, **options).history["loss"]
    return losses


def int8_head(head: Any, data: np.ndarray) -> bytes:
    """The head as int8 .tflite bytes, one window at a time."""
    tf, _ = import_tensorflow()
    spec = tf.TensorSpec((1, data.shape[1]), tf.float32)
    function = tf.function(head).get_concrete_function(spec)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], head)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([window[None]] for window in data)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    with quiet_tensorflow():
        found: bytes = converter.convert()
    return found


def operators(data: bytes) -> set[tuple[str, int]]:
    """The names and versions of a .tflite model's operations."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(data, 0))
    return {(OPERATORS[code.builtinCode], code.version) for code in model.operatorCodes}


def test_a_kind_is_registered_by_its_name_in_the_configuration() -> None:
    assert tuple(MODEL_KINDS) == get_args(config.ModelKind)


@pytest.mark.parametrize("predictive", [True, False])
@pytest.mark.parametrize("window", [*range(2, 70), 128, 1000])
def test_convolutions_cover_exactly_the_rows_that_may_be_seen(window: int, predictive: bool) -> None:
    sizes = kernel_sizes(window, predictive=predictive)
    # Backwards from one time at the coarsest stage: the rows that it is made of.
    length, lengths = window, []
    for size in sizes:
        length = (length - size) // 2 + 1
        lengths.append(length)
    rows = lengths[-1]
    for size in reversed(sizes):
        rows = (rows - 1) * 2 + size
    assert rows == window - predictive
    assert 1 <= lengths[-1] <= 4


@slow
@pytest.mark.parametrize("predictive", [True, False])
@pytest.mark.parametrize("kind", MODEL_KINDS)
def test_the_deployed_part_gives_the_last_row_of_the_reconstruction(kind: str, predictive: bool) -> None:
    for window, channels in SHAPES:
        core, head = make(kind, predictive=predictive, window=window, channels=channels)
        data = windows(20, window, channels)
        assert core.input_shape == (None, window * channels)
        assert core.get_layer("reconstruction").output_shape == (None, channels if predictive else window * channels)
        assert head.output_shape == (None, channels)
        np.testing.assert_allclose(predict(head, data), predict(core, data)[:, -channels:], rtol=1e-5, atol=1e-5)


@slow
@pytest.mark.parametrize("kind", MODEL_KINDS)
def test_a_predictive_network_does_not_see_the_row_that_it_expects(kind: str) -> None:
    for window, channels in SHAPES:
        _, head = make(kind, predictive=True, window=window, channels=channels)
        data = windows(4, window, channels)
        disturbed = data.copy()
        disturbed[:, -channels:] += 100.0
        np.testing.assert_array_equal(predict(head, disturbed), predict(head, data))


@slow
@pytest.mark.parametrize("kind", MODEL_KINDS)
@pytest.mark.parametrize("predictive", [True, False])
def test_every_other_row_is_seen(kind: str, predictive: bool) -> None:
    _, head = make(kind, predictive=predictive)
    for row in range(WINDOW - predictive):
        disturbed = windows(4)
        disturbed[:, row * CHANNELS : (row + 1) * CHANNELS] += 100.0
        assert np.abs(predict(head, disturbed) - predict(head, windows(4))).max() > 1e-3


@slow
@pytest.mark.parametrize("kind", MODEL_KINDS)
def test_what_is_expected_is_finite_for_the_largest_inputs(kind: str) -> None:
    _, head = make(kind)
    data = np.random.default_rng(4).choice(np.float32([-1e6, 0.0, 1e6]), size=(20, WINDOW * CHANNELS))
    assert np.isfinite(predict(head, data)).all()


@slow
@pytest.mark.parametrize("predictive", [True, False])
@pytest.mark.parametrize("kind", MODEL_KINDS)
def test_training_lowers_the_loss(kind: str, predictive: bool) -> None:
    _, tf_keras = import_tensorflow()
    tf_keras.utils.set_random_seed(1)
    core = MODEL_KINDS[kind].build(WINDOW, CHANNELS, ModelConfig(predictive=predictive))
    model = MODEL_KINDS[kind].trainer(core)
    model.compile(optimizer=tf_keras.optimizers.Adam(1e-2), loss="mse")
    data = np.tile(np.sin(np.arange(WINDOW * CHANNELS, dtype=np.float32)), (256, 1))
    target = data[:, -core.get_layer("reconstruction").output_shape[-1] :]
    losses = model.fit(data, target, epochs=20, verbose=0).history["loss"]
    assert losses[-1] < losses[0] / 4


@slow
@pytest.mark.parametrize("kind", MODEL_KINDS)
def test_the_same_seed_trains_the_same_weights_and_another_seed_others(kind: str) -> None:
    _, tf_keras = import_tensorflow()
    found = []
    for seed in (1, 1, 2):
        tf_keras.utils.set_random_seed(seed)
        core = MODEL_KINDS[kind].build(WINDOW, CHANNELS, ModelConfig())
        train(MODEL_KINDS[kind].trainer(core), windows(64))
        found.append(np.concatenate([weight.ravel() for weight in core.get_weights()]))
    assert np.array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])


@slow
@pytest.mark.parametrize("kind", MODEL_KINDS)
def test_a_saved_core_gives_the_same_outputs_and_the_same_head(kind: str, tmp_path: Path) -> None:
    _, tf_keras = import_tensorflow()
    core, head = make(kind)
    with quiet_tensorflow():
        core.save(tmp_path / "core.h5", include_optimizer=False)
    loaded = tf_keras.models.load_model(tmp_path / "core.h5", compile=False)
    data = windows(20)
    for one, other in zip(core(data), loaded(data), strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(predict(MODEL_KINDS[kind].head(loaded, CHANNELS), data), predict(head, data))


@slow
@pytest.mark.parametrize("predictive", [True, False])
@pytest.mark.parametrize("kind", MODEL_KINDS)
def test_half_of_every_kernel_can_be_pruned_while_it_trains(kind: str, predictive: bool, optimization: Any) -> None:
    sparsity = optimization.sparsity.keras
    core, _ = make(kind, predictive=predictive)
    before = core.get_weights()
    schedule = sparsity.ConstantSparsity(0.5, begin_step=0, frequency=1)
    pruned = wrapped(core, lambda model: sparsity.prune_low_magnitude(model, schedule))
    losses = train(MODEL_KINDS[kind].trainer(pruned), windows(64), callbacks=[sparsity.UpdatePruningStep()])
    assert losses[-1] < losses[0]
    stripped = sparsity.strip_pruning(pruned)
    kernels = [weight for weight in stripped.get_weights() if weight.ndim > 1]
    assert all((kernel == 0).mean() == pytest.approx(0.5, abs=1 / kernel.size) for kernel in kernels)
    head = MODEL_KINDS[kind].head(stripped, CHANNELS)
    np.testing.assert_allclose(
        predict(head, windows(4)), predict(stripped, windows(4))[:, -CHANNELS:], rtol=1e-5, atol=1e-5
    )
    assert all(np.array_equal(one, other) for one, other in zip(before, core.get_weights(), strict=True))


@slow
@pytest.mark.parametrize("predictive", [True, False])
@pytest.mark.parametrize("kind", MODEL_KINDS)
def test_core_and_head_can_be_trained_for_quantization(kind: str, predictive: bool, optimization: Any) -> None:
    quantize_model = optimization.quantization.keras.quantize_model
    core, head = make(kind, predictive=predictive)
    data = windows(64)
    losses = train(MODEL_KINDS[kind].trainer(wrapped(core, quantize_model)), data)
    assert losses[-1] < losses[0]
    losses = train(wrapped(head, quantize_model), data)
    assert losses[-1] < losses[0]


@slow
@pytest.mark.parametrize(
    ("kind", "window", "channels"),
    [(kind, 16, 37) for kind in MODEL_KINDS] + [(kind, 64, 37) for kind in MODEL_KINDS if kind.startswith("conv_")],
)
def test_int8_models_are_small_and_of_operations_that_an_edge_tpu_takes(kind: str, window: int, channels: int) -> None:
    _, head = make(kind, predictive=False, window=window, channels=channels)
    content = int8_head(head, windows(2, window, channels))
    assert len(content) <= 64_000
    for name, version in operators(content):
        assert version <= {"RESHAPE": 1, "CONV_2D": 5, "FULLY_CONNECTED": 4}[name]
