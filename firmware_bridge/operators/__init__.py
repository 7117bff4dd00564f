"""The operators of firmware, one module each: what can be run, its NumPy reference, and its C."""

from __future__ import annotations

from vedette.firmware_bridge.operators.add import ADD, SUB
from vedette.firmware_bridge.operators.base import OperatorKind
from vedette.firmware_bridge.operators.concatenation import CONCATENATION
from vedette.firmware_bridge.operators.conv_2d import CONV_2D
from vedette.firmware_bridge.operators.depthwise_conv_2d import DEPTHWISE_CONV_2D
from vedette.firmware_bridge.operators.dequantize import DEQUANTIZE
from vedette.firmware_bridge.operators.expand_dims import EXPAND_DIMS
from vedette.firmware_bridge.operators.fully_connected import FULLY_CONNECTED
from vedette.firmware_bridge.operators.logistic import LOGISTIC
from vedette.firmware_bridge.operators.mean import MEAN
from vedette.firmware_bridge.operators.mul import MUL
from vedette.firmware_bridge.operators.pad import PAD, PADV2
from vedette.firmware_bridge.operators.pool import AVERAGE_POOL_2D, MAX_POOL_2D
from vedette.firmware_bridge.operators.quantize import QUANTIZE
from vedette.firmware_bridge.operators.relu import RELU, RELU6, RELU_N1_TO_1
from vedette.firmware_bridge.operators.reshape import RESHAPE
from vedette.firmware_bridge.operators.resize_nearest_neighbor import RESIZE_NEAREST_NEIGHBOR
from vedette.firmware_bridge.operators.shape_arithmetic import PACK, SHAPE
from vedette.firmware_bridge.operators.softmax import SOFTMAX
from vedette.firmware_bridge.operators.split import SPLIT
from vedette.firmware_bridge.operators.squeeze import SQUEEZE
from vedette.firmware_bridge.operators.strided_slice import STRIDED_SLICE
from vedette.firmware_bridge.operators.tanh import TANH
from vedette.firmware_bridge.operators.transpose import TRANSPOSE
from vedette.firmware_bridge.operators.transpose_conv import TRANSPOSE_CONV
from vedette.runtime.inference.reference.graph import Engine

OPERATORS: dict[str, OperatorKind] = {
    "ADD": ADD,
    "AVERAGE_POOL_2D": AVERAGE_POOL_2D,
    "CONCATENATION": CONCATENATION,
    "CONV_2D": CONV_2D,
    "DEPTHWISE_CONV_2D": DEPTHWISE_CONV_2D,
    "DEQUANTIZE": DEQUANTIZE,
    "EXPAND_DIMS": EXPAND_DIMS,
    "FULLY_CONNECTED": FULLY_CONNECTED,
    "LOGISTIC": LOGISTIC,
    "MAX_POOL_2D": MAX_POOL_2D,
    "MEAN": MEAN,
    "MUL": MUL,
    "PACK": PACK,
    "PAD": PAD,
    "PADV2": PADV2,
    "QUANTIZE": QUANTIZE,
    "RELU": RELU,
    "RELU6": RELU6,
    "RELU_N1_TO_1": RELU_N1_TO_1,
    "RESHAPE": RESHAPE,
    "RESIZE_NEAREST_NEIGHBOR": RESIZE_NEAREST_NEIGHBOR,
    "SHAPE": SHAPE,
    "SOFTMAX": SOFTMAX,
    "SPLIT": SPLIT,
    "SQUEEZE": SQUEEZE,
    "STRIDED_SLICE": STRIDED_SLICE,
    "SUB": SUB,
    "TANH": TANH,
    "TRANSPOSE": TRANSPOSE,
    "TRANSPOSE_CONV": TRANSPOSE_CONV,
}
ENGINE = Engine(
    {name: kind.support for name, kind in OPERATORS.items()},
    name="the C kernels",
    otherwise="leave it out of the model",
    floats=True,
)
