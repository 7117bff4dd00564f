"""Which operators of a .tflite model the Edge TPU compiler maps to the chip, and why it does not map the others.

The rules are those of https://coral.ai/docs/edgetpu/models-intro, with the figures of the board's accelerator in
``boards.yaml``. The compiler cuts a model once: an operator that breaks a rule and all after it run on the CPU.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from vedette.compress import flatbuffer
from vedette.compress.board import Accelerator
from vedette.compress.edgetpu import operator_rules
from vedette.errors import ModelError

COMPILED = "edgetpu-custom-op"
ON_CHIP_TYPES = ("INT8", "UINT8")
FIXED_BATCH = "export for a Coral board, which fixes the batch to one window"


@dataclass(frozen=True)
class Finding:
    """A rule that a model breaks.

    ``operator`` is the operator's number from 0, or None where it is the whole model; ``layer`` names it; ``maps`` is
    whether it runs on the chip all the same, only slower.
    """

    operator: int | None
    layer: str
    rule: str
    fix: str
    maps: bool = False

    def __str__(self) -> str:
        return f"{self.layer}: {self.rule}; {self.fix}"


@dataclass(frozen=True)
class Report:
    """What becomes of a model: its operators, how many of them run on the chip, and the rules it breaks."""

    operators: int
    mapped: int
    findings: tuple[Finding, ...]

    @property
    def maps_wholly(self) -> bool:
        """Whether nothing is left to the CPU."""
        return self.mapped == self.operators

    def __str__(self) -> str:
        return f"{self.mapped} of {self.operators} operators run on the Edge TPU" + (
            "" if self.maps_wholly else f", the other {self.operators - self.mapped} on the CPU"
        )


def check(model: bytes, accelerator: Accelerator) -> Report:
    """Check a .tflite model against the accelerator's rules.

    Raises :class:`ModelError` where the bytes are not a model, or one that is compiled already.
    """
    graph = flatbuffer.read(model)
    subgraph = graph.subgraphs[0]
    names = [flatbuffer.operator_name(graph, operator) for operator in subgraph.operators]
    if COMPILED in names:
        raise ModelError(
            "this model is compiled for the Edge TPU already, which cannot be undone; give the .tflite it was made of"
        )
    findings, seen = list(_model_findings(graph, accelerator)), set[int]()
    for number, (operator, name) in enumerate(zip(subgraph.operators, names, strict=True)):
        layer = describe(subgraph, number, name)
        # Of several rules that one step puts right the first says enough.
        rules: dict[str, str] = {}
        for rule, fix in _operator_findings(graph, operator, name, accelerator, seen):
            rules.setdefault(fix, rule)
        findings += [Finding(number, layer, rule, fix) for fix, rule in rules.items()]
    blocked = [finding.operator or 0 for finding in findings if not finding.maps]
    return Report(len(names), min(blocked, default=len(names)), tuple(findings))


def describe(subgraph: Any, number: int, name: str) -> str:
    """An operator's number, kind, name of its output where it has one, and shapes."""
    operator = subgraph.operators[number]
    output = subgraph.tensors[operator.outputs[0]]
    inputs = [subgraph.tensors[index] for index in operator.inputs if index >= 0]
    shapes = " x ".join(str(tensor.shape.tolist()) for tensor in inputs[:2])
    return f"operator {number}, {_label(output, name)}, {shapes} -> {output.shape.tolist()}"


def is_open(tensor: Any) -> bool:
    """Whether a dimension of the tensor may be resized."""
    return tensor.shapeSignature is not None and bool((tensor.shapeSignature < 0).any())


def _model_findings(graph: Any, accelerator: Accelerator) -> Iterator[Finding]:
    subgraph = graph.subgraphs[0]
    if len(graph.subgraphs) > 1:
        rule = f"expected one graph, found {len(graph.subgraphs)}: branches and loops are not supported"
        yield Finding(None, "model", rule, "train a network without them")
    for index in subgraph.inputs:
        tensor = subgraph.tensors[index]
        layer = _label(tensor, "input")
        shape = (tensor.shape if tensor.shapeSignature is None else tensor.shapeSignature).tolist()
        if is_open(tensor):
            yield Finding(None, layer, f"shapes must be constant, found {shape}", FIXED_BATCH)
        elif len(shape) > 1 and shape[0] != 1:
            yield Finding(None, layer, f"the batch must be 1, found {shape}", FIXED_BATCH)
    size = sum(len(data) for data in flatbuffer.constants(graph))
    room = accelerator.memory_mb.value * 1e6
    if size > room:
        rule = f"the chip holds {room / 1e6:g} MB of parameters, the model has {size / 1e6:.1f} MB"
        fix = "the rest is sent to it for every window; train a smaller network"
        yield Finding(None, "model", rule, fix, maps=True)


def _operator_findings(
    graph: Any, operator: Any, name: str, accelerator: Accelerator, seen: set[int]
) -> Iterator[tuple[str, str]]:
    """``seen`` are the tensors that an earlier operator was told about."""
    if name not in accelerator.operators:
        fix = operator_rules.REPLACEMENTS.get(name, "train a network that does without it; see docs/coral.md")
        yield f"{name} is not supported", fix
        return
    version = graph.operatorCodes[operator.opcodeIndex].version
    newest = accelerator.max_op_versions.get(name)
    if newest is not None and version > newest.value:
        fix = operator_rules.version_fix(graph, operator, name, int(newest.value))
        yield f"the compiler takes {name} up to version {newest.value:g}, found version {version}", fix
    for index in (*operator.inputs.tolist(), *operator.outputs.tolist()):
        if index >= 0 and index not in seen:
            seen.add(index)
            tensor = graph.subgraphs[0].tensors[index]
            yield from _tensor_findings(graph, tensor, int(accelerator.max_dimensions.value))
    yield from operator_rules.broken(graph, operator, name)


def _tensor_findings(graph: Any, tensor: Any, max_dimensions: int) -> Iterator[tuple[str, str]]:
    """Constants may be int32, as biases, shapes and axes are, and have any shape, as the weights of convolutions do."""
    label, shape, type_name = _label(tensor, "tensor"), tensor.shape.tolist(), flatbuffer.type_name(tensor)
    fixed = flatbuffer.constant(graph, tensor) is not None
    if type_name not in ON_CHIP_TYPES and not (fixed and type_name == "INT32"):
        yield f"{label} must be int8 or uint8, found {type_name.lower()}", "quantize the whole model to int8"
    elif type_name in ON_CHIP_TYPES and (tensor.quantization is None or tensor.quantization.scale is None):
        yield f"{label} has no scale", "quantize the whole model to int8"
    if not fixed and any(length > 1 for length in shape[:-max_dimensions]):
        rule = f"only the last {max_dimensions} dimensions of {label} may be larger than 1, found {shape}"
        yield rule, "reshape it: put two dimensions into one"


def _label(tensor: Any, kind: str) -> str:
    """Of a tensor that was fused from several, named ``a;b;c``, the first name says which layer it is of."""
    return f'{kind} "{tensor.name.decode(errors="replace").split(";")[0]}"' if tensor.name else kind
