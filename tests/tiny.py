"""A bundle small enough to reason about, made without a training run: 3 channels, windows of 4 samples.

Its model expects a tenth of the window's last row; channels have mean 0 and scale 1, so a sample of (v, v, v) scores
0.81 v² (less quantization), unsmoothed. The threshold is 9: samples below 3 are normal, above 4 anomalous.
"""

from __future__ import annotations

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from vedette.runtime.alerting.alerts import AlertPolicy
from vedette.runtime.bundles import bundle as bundles
from vedette.runtime.bundles.bundle import Golden
from vedette.runtime.bundles.manifest import Manifest, RuntimeSpec
from vedette.runtime.detection.detector import Detector
from vedette.runtime.detection.score_spec import ScoreSpec, TermSpec
from vedette.runtime.detection.signal import Channel, SignalSpec
from vedette.runtime.inference.interpreter import Model, Quantization

CHANNELS = ("x", "y", "z")
WINDOW = 4
INPUT, OUTPUT = Quantization(1 / 16, 0), Quantization(1 / 128, 0)
KERNEL_SCALE = 0.01

SIGNAL = SignalSpec(
    channels=tuple(Channel(name, mean=0.0, scale=1.0, low=-3.0, high=3.0) for name in CHANNELS),
    window=WINDOW,
    stride=1,
    sample_period_s=1.0,
    timestamp="time",
    missing="hold",
    max_hold=3,
    input_clip=6.0,
)
SCORE = ScoreSpec(TermSpec((1.0,) * len(CHANNELS), smoothing=1.0, level=1.0), nearest=None, residual_clip=100.0)
POLICY = AlertPolicy(min_windows=2, clear_after_s=3.0, cooldown_s=0.0)


def tiny_model() -> bytes:
    """One int8 FULLY_CONNECTED layer, as .tflite bytes."""
    width = len(CHANNELS)
    kernel = np.zeros((width, WINDOW * width), np.int8)
    kernel[:, -width:] = np.eye(width) * (0.1 / KERNEL_SCALE)
    bias = np.zeros(width, np.int32)

    model, graph, operator, code = schema.ModelT(), schema.SubGraphT(), schema.OperatorT(), schema.OperatorCodeT()
    buffers = [_buffer(b""), _buffer(kernel.tobytes()), _buffer(bias.tobytes())]
    int8, int32 = schema.TensorType.INT8, schema.TensorType.INT32
    graph.tensors = [
        _tensor("window", (1, WINDOW * width), int8, 0, INPUT.scale),
        _tensor("kernel", kernel.shape, int8, 1, KERNEL_SCALE),
        _tensor("bias", bias.shape, int32, 2, INPUT.scale * KERNEL_SCALE),
        _tensor("expected_row", (1, width), int8, 0, OUTPUT.scale),
    ]
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.FULLY_CONNECTED
    code.version = 4
    operator.opcodeIndex, operator.inputs, operator.outputs = 0, [0, 1, 2], [3]
    operator.builtinOptionsType = schema.BuiltinOptions.FullyConnectedOptions
    operator.builtinOptions = schema.FullyConnectedOptionsT()
    graph.inputs, graph.outputs, graph.operators, graph.name = [0], [3], [operator], "main"
    model.version, model.operatorCodes, model.subgraphs, model.buffers = 3, [code], [graph], buffers
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def tiny_bundle_bytes(**changes: object) -> bytes:
    """The bundle's bytes; ``changes`` replace fields of the manifest."""
    data = tiny_model()
    model = Model(data)
    windows = np.random.default_rng(7).normal(size=(5, WINDOW, len(CHANNELS)))
    outputs, scores = [], []
    for window in windows:
        detector = Detector(SIGNAL, SCORE, model)
        readings = [detector.push(row) for row in window]
        last = readings[-1]
        assert last is not None
        outputs.append(np.rint(last.expected / OUTPUT.scale).astype(np.int8))
        scores.append(last.score)
    fields: dict[str, object] = {
        "name": "tiny",
        "version": "1",
        "sequence": 1,
        "signal": SIGNAL,
        "score": SCORE,
        "threshold": 9.0,
        "alert": POLICY,
        "runtime": RuntimeSpec(model.package, model.version, model.family, 1),
        "quantization": {"input": INPUT, "output": OUTPUT},
        "members": {},
        **changes,
    }
    golden = Golden(windows, np.array(outputs), np.array(scores, np.float32))
    return bundles.pack(Manifest(**fields), data, golden)  # type: ignore[arg-type]


def _buffer(data: bytes) -> schema.BufferT:
    buffer = schema.BufferT()
    if data:
        buffer.data = np.frombuffer(data, np.uint8)
    return buffer


def _tensor(name: str, shape: tuple[int, ...], kind: int, buffer: int, scale: float) -> schema.TensorT:
    tensor, quantization = schema.TensorT(), schema.QuantizationParametersT()
    quantization.scale, quantization.zeroPoint = [scale], [0]
    tensor.name, tensor.shape, tensor.type, tensor.buffer = name, list(shape), kind, buffer
    tensor.quantization = quantization
    return tensor
