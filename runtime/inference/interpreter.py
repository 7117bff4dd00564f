"""The only module that knows what runs a model.

Two packages do: ai-edge-litert (the default: about four times faster on int8, every supported Python) and
tflite-runtime (small, frozen at 2.14, Python <= 3.11, NumPy < 2). Damaged models can abort the process inside either
of them, so load only bytes whose checksum or signature was verified. The NumPy kernels of
:mod:`~vedette.runtime.inference.reference` stand in for boards whose own kernels are not installed; they are never a
default.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import platform
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from vedette import __version__
from vedette.errors import DependencyError, ModelError, nearest
from vedette.runtime.inference.quiet import native_stderr_hidden
from vedette.runtime.inference.reference.graph import Tensor
from vedette.runtime.inference.reference.program import Program
from vedette.runtime.inference.reference.rounding import FAMILIES

# Package -> module with Interpreter, and the rounding family of its default int8 kernels: LiteRT's XNNPACK rounds
# once, in float32 (S); tflite-runtime 2.14 rounds twice with a half-up shift (H). Outputs of one family are the same
# bits on every CPU; across families they differ by up to 3 LSB in a few percent of the outputs.
PACKAGES = {
    "ai-edge-litert": ("ai_edge_litert.interpreter", "S"),
    "tflite-runtime": ("tflite_runtime.interpreter", "H"),
}
# What ``platform.machine()`` says of Arm CPUs under Linux.
ARM = ("aarch64", "armv7l", "armv8l")
# The NumPy kernels, by family. D is that of TFLite Micro and CMSIS-NN.
REFERENCES = {f"reference-{family}": family for family in FAMILIES}
# Windows in one invocation at most: more cost no less each, and their memory stays.
MAX_BATCH = 512
# What a manifest says of a bundle for a board without an interpreter: compiled into its firmware.
FIRMWARE = "firmware"


@dataclass(frozen=True)
class Quantization:
    """Affine int8 quantization of a tensor: ``real = scale * (quantized - zero_point)``."""

    scale: float
    zero_point: int


@dataclass(frozen=True)
class TensorInfo:
    """Name, shape, dtype (``int8`` or ``float32``) and quantization (None for float32) of a model's input or output."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    quantization: Quantization | None


class Engine(Protocol):
    """What runs a model; see :class:`Model`."""

    family: str
    version: str
    input: TensorInfo
    output: TensorInfo

    def run(self, batch: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Invoke the model on an array of its input's shape and dtype; the result is a copy."""

    def resize_batch(self, batch: int) -> None:
        """Make the next inputs ``(batch, ...)``. Raises :class:`ModelError` where the model's batch is fixed."""


class Model:
    """A loaded .tflite model with one input and one output.

    ``run`` is the whole of it on the hot path: the input array in, the output array out, a copy. ``resize_batch(n)``
    makes the next inputs ``(n, ...)``; it raises :class:`ModelError` where the model's batch is fixed. ``run_many``
    takes any number of windows, with as few invocations as the model allows. ``package``, ``version`` and rounding
    ``family`` say what runs it.
    """

    def __init__(self, data: bytes, *, package: str | None = None, threads: int = 1) -> None:
        """Load a model from its verified bytes.

        ``package`` names one of :data:`PACKAGES` or :data:`REFERENCES`; None takes the first of the former that is
        installed. Raises :class:`DependencyError` where none is, :class:`ModelError` where the model does not load.
        """
        engine: Engine
        if package in REFERENCES:
            self.package, engine = package, _Reference(data, package)
        else:
            self.package, module = _find_package(package)
            engine = _Interpreter(data, self.package, module, threads)
        self.family, self.version = engine.family, engine.version
        self.input, self.output = engine.input, engine.output
        # The engine's own methods, as a call more is felt at three microseconds a window.
        self.run = engine.run
        self._resize = engine.resize_batch
        self._batch = self.input.shape[0]
        self._fixed = False

    def resize_batch(self, batch: int) -> None:
        """Make the next inputs of ``run`` ``(batch, ...)``. Raises :class:`ModelError` where the batch is fixed."""
        self._resize(batch)
        self._batch = batch

    def run_many(self, windows: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The outputs of any number of windows, which are the same whether a window is alone or among others.

        A batch is resized to fit: that costs as little as a single invocation, and filling up a larger one costs more.
        Where the model's batch is fixed at one, the windows go through it one after another.
        """
        count = len(windows)
        if count == self._batch:
            return self.run(windows)
        if self._fixed or count == 0:
            return self._each(windows)
        if count > MAX_BATCH:
            parts = [self.run_many(windows[i : i + MAX_BATCH]) for i in range(0, count, MAX_BATCH)]
            return np.concatenate(parts)
        try:
            self.resize_batch(count)
        except ModelError:
            self._fixed = True
            return self._each(windows)
        outputs = self.run(windows)
        if len(outputs) != count:  # a shape inside the model is fixed
            self.resize_batch(1)
            self._fixed = True
            return self._each(windows)
        return outputs

    def _each(self, windows: npt.NDArray[Any]) -> npt.NDArray[Any]:
        outputs = np.empty((len(windows), *self.output.shape[1:]), self.output.dtype)
        for number in range(len(windows)):
            outputs[number] = self.run(windows[number : number + 1])[0]
        return outputs


class _Interpreter:
    """A model in one of :data:`PACKAGES`."""

    def __init__(self, data: bytes, package: str, module: Any, threads: int) -> None:
        self.family = PACKAGES[package][1]
        self.version = importlib.metadata.version(package)
        try:
            with native_stderr_hidden():
                self._interpreter = module.Interpreter(model_content=data, num_threads=threads)
                self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ModelError(_load_hint(package, error)) from error
        inputs, outputs = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        if len(inputs) != 1 or len(outputs) != 1:
            raise ModelError(f"expected a model with 1 input and 1 output, found {len(inputs)} and {len(outputs)}")
        self.input, self.output = _tensor_info(inputs[0]), _tensor_info(outputs[0])
        self._input_index, self._output_index = inputs[0]["index"], outputs[0]["index"]
        # On Arm, tflite-runtime 2.14 rounds some outputs otherwise when it gets more than one window, and its
        # convolutions crash the process.
        self._single = package == "tflite-runtime" and platform.machine() in ARM

    def run(self, batch: npt.NDArray[Any]) -> npt.NDArray[Any]:
        interpreter = self._interpreter
        interpreter.set_tensor(self._input_index, batch)
        interpreter.invoke()
        return interpreter.get_tensor(self._output_index)  # type: ignore[no-any-return]

    def resize_batch(self, batch: int) -> None:
        if self._single and batch > 1:
            raise ModelError(_batch_hint(batch))
        try:
            self._interpreter.resize_tensor_input(self._input_index, (batch, *self.input.shape[1:]), strict=True)
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            self._interpreter.resize_tensor_input(self._input_index, self.input.shape)
            self._interpreter.allocate_tensors()
            raise ModelError(_batch_hint(batch)) from error


class _Reference:
    """A model in the NumPy kernels of one of :data:`REFERENCES`."""

    version = __version__

    def __init__(self, data: bytes, package: str) -> None:
        self.family: str = REFERENCES[package]
        self._program = Program(data, REFERENCES[package])
        self.input = _reference_info(self._program.input, self._program.input_shape)
        self.output = _reference_info(self._program.output, self._program.output_shape)
        self.run = self._program.run

    def resize_batch(self, batch: int) -> None:
        try:
            self._program.resize(batch)
        except ModelError as error:
            raise ModelError(_batch_hint(batch)) from error


def quantize(values: npt.NDArray[np.float32], quantization: Quantization) -> npt.NDArray[np.int8]:
    """Round float32 values to int8, saturating at both ends.

    >>> quantize(np.array([0.0, 0.26, 99.0], np.float32), Quantization(scale=0.1, zero_point=-3)).tolist()
    [-3, 0, 127]
    """
    steps = np.rint(values / np.float32(quantization.scale)) + quantization.zero_point
    saturated: npt.NDArray[np.float32] = np.minimum(np.maximum(steps, np.float32(-128)), np.float32(127))
    return saturated.astype(np.int8)


def quantized_bounds(clip: float, quantization: Quantization) -> tuple[float, float]:
    """The lowest and highest int8 steps of values within ``+-clip``."""
    low, high = quantize(np.array([-clip, clip], np.float32), quantization)
    return float(low), float(high)


def _find_package(wanted: str | None) -> tuple[str, Any]:
    if wanted is not None and wanted not in PACKAGES:
        raise DependencyError(f'interpreter "{wanted}" is not known; {nearest(wanted, [*PACKAGES, *REFERENCES])}')
    for package in [wanted] if wanted else PACKAGES:
        try:
            return package, importlib.import_module(PACKAGES[package][0])
        except ImportError:
            continue
    missing = wanted or " or ".join(PACKAGES)
    extra = "[tflite-runtime]" if wanted == "tflite-runtime" else ""
    raise DependencyError(f'no TFLite interpreter: {missing} is not installed; try: pip install "vedette{extra}"')


def _load_hint(package: str, error: Exception) -> str:
    if package == "tflite-runtime" and int(np.__version__.split(".")[0]) >= 2:
        return f'tflite-runtime cannot work with numpy {np.__version__}; try: pip install "numpy<2"'
    return f"{package} cannot load the model: {error}"


def _batch_hint(batch: int) -> str:
    return f"this model runs one window at a time; a batch of {batch} was asked for"


def _reference_info(tensor: Tensor, shape: tuple[int, ...]) -> TensorInfo:
    return TensorInfo(tensor.name, shape, "int8", Quantization(float(tensor.scale), tensor.zero_point))


def _tensor_info(detail: dict[str, Any]) -> TensorInfo:
    dtype = np.dtype(detail["dtype"]).name
    scale, zero_point = detail["quantization"]
    if dtype not in ("int8", "float32"):
        raise ModelError(f"tensor {detail['name']}: expected int8 or float32, found {dtype}")
    quantization = Quantization(float(scale), int(zero_point)) if dtype == "int8" else None
    return TensorInfo(detail["name"], tuple(int(n) for n in detail["shape"]), dtype, quantization)
