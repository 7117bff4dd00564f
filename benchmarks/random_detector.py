"""A detector with random weights for measurements of speed: four dense int8 layers, made without a training run."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from vedette.runtime.alerting.alerts import AlertPolicy
from vedette.runtime.bundles import bundle as bundles
from vedette.runtime.bundles.bundle import Bundle, Golden
from vedette.runtime.bundles.manifest import Manifest, RuntimeSpec
from vedette.runtime.bundles.selftest import replay
from vedette.runtime.detection.score_spec import ScoreSpec, TermSpec
from vedette.runtime.detection.signal import Channel, SignalSpec
from vedette.runtime.inference.interpreter import Model, Quantization

HIDDEN = (64, 32, 64)
# Powers of two, which float32 holds as they are.
INPUT, INNER, OUTPUT = Quantization(2.0**-4, 0), Quantization(2.0**-5, -128), Quantization(2.0**-5, 0)
WEIGHT_SCALE = 2.0**-12
# No noise with a spread of 1 scores as much; a reading far outside does.
THRESHOLD, RESIDUAL_CLIP = 100.0, 20.0


def random_bundle(*, window: int, channels: int, seed: int = 0) -> bytes:
    """A bundle for ``channels`` channels ``c0``, ``c1`` … with mean 0 and scale 1, stride 1 and no time base."""
    width = window * channels
    data = dense_model((width, *HIDDEN, channels), seed=seed)
    model = Model(data)
    signal = SignalSpec(
        channels=tuple(Channel(f"c{i}", mean=0.0, scale=1.0, low=-3.0, high=3.0) for i in range(channels)),
        window=window,
        stride=1,
        sample_period_s=None,
        timestamp=None,
        missing="hold",
        max_hold=3,
        input_clip=6.0,
    )
    manifest = Manifest(
        name="random",
        version="1",
        sequence=1,
        signal=signal,
        score=ScoreSpec(TermSpec((1.0,) * channels, smoothing=0.5, level=1.0), None, RESIDUAL_CLIP),
        threshold=THRESHOLD,
        alert=AlertPolicy(min_windows=1, clear_after_s=0.0, cooldown_s=0.0),
        runtime=RuntimeSpec(model.package, model.version, model.family, 1),
        quantization={"input": INPUT, "output": OUTPUT},
        members={},
    )
    windows = np.random.default_rng(seed).normal(size=(4, window, channels))
    return bundles.pack(manifest, data, Golden(windows, *replay(manifest, model, windows)))


def random_detector(*, window: int, channels: int) -> Bundle:
    """The same, read."""
    return bundles.unpack(random_bundle(window=window, channels=channels))


def dense_model(sizes: tuple[int, ...], *, seed: int) -> bytes:
    """Dense layers with ReLU between them, as an int8 .tflite file for batches of any size."""
    import flatbuffers  # type: ignore[import-untyped]
    from ai_edge_litert import schema_py_generated as schema

    rng = np.random.default_rng(seed)
    model, graph, code = schema.ModelT(), schema.SubGraphT(), schema.OperatorCodeT()
    buffers, tensors, operators = [schema.BufferT()], [], []

    def tensor(name: str, shape: tuple[int, ...], values: npt.NDArray[np.generic] | None, scale: Quantization) -> int:
        found, quantization = schema.TensorT(), schema.QuantizationParametersT()
        quantization.scale, quantization.zeroPoint = [scale.scale], [scale.zero_point]
        kind = schema.TensorType.INT32 if values is not None and values.dtype == np.int32 else schema.TensorType.INT8
        found.name, found.shape, found.type, found.quantization = name, list(shape), kind, quantization
        if values is None:
            found.shapeSignature = [-1, *shape[1:]]
        else:
            found.buffer = len(buffers)
            buffers.append(schema.BufferT())
            buffers[-1].data = np.frombuffer(values.tobytes(), np.uint8)
        tensors.append(found)
        return len(tensors) - 1

    before, scale_before = tensor("window", (1, sizes[0]), None, INPUT), INPUT
    for number, (inputs, outputs) in enumerate(pairwise(sizes), start=1):
        last = number == len(sizes) - 1
        weights = rng.integers(-127, 128, (outputs, inputs)).astype(np.int8)
        operator, options = schema.OperatorT(), schema.FullyConnectedOptionsT()
        options.fusedActivationFunction = 0 if last else schema.ActivationFunctionType.RELU
        operator.builtinOptionsType, operator.builtinOptions = schema.BuiltinOptions.FullyConnectedOptions, options
        scale = OUTPUT if last else INNER
        after = tensor("expected" if last else f"hidden{number}", (1, outputs), None, scale)
        operator.inputs = [
            before,
            tensor(f"weights{number}", weights.shape, weights, Quantization(WEIGHT_SCALE, 0)),
            tensor(
                f"bias{number}",
                (outputs,),
                np.zeros(outputs, np.int32),
                Quantization(WEIGHT_SCALE * scale_before.scale, 0),
            ),
        ]
        operator.outputs = [after]
        operators.append(operator)
        before, scale_before = after, scale
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.FULLY_CONNECTED
    code.version = 4
    graph.tensors, graph.operators, graph.inputs, graph.outputs, graph.name = tensors, operators, [0], [before], "main"
    model.version, model.operatorCodes, model.subgraphs, model.buffers = 3, [code], [graph], buffers
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())
