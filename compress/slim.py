"""Take out of a .tflite model what no interpreter reads: names, metadata, signatures, and all but one of equal parts.

The models are small, so what surrounds the weights counts: of the 10.7 kB of a dense network of 96-32-32-32-6 units,
2.5 kB go (1.4 kB by storing equal parts once, 0.6 kB names, 0.3 kB metadata and signatures, 0.2 kB empty constants).

What stays is what a kernel reads or what the quantization specification asks for. A channel keeps the scale of its
weights, and that of its bias, without which ai-edge-litert falls back to kernels that are slower and round otherwise;
and both interpreters refuse fewer zero points than scales, so equal layers share theirs.
"""

from __future__ import annotations

from typing import Any

from vedette.compress import flatbuffer

# What an interpreter looks for in the metadata: whether float32 may be computed as float16.
READ_METADATA = (b"reduced_precision_support",)


def slim(model: bytes) -> bytes:
    """The same model in fewer bytes: interpreters compute the same bits from it, as fast.

    Tensors lose their names, and a model of one subgraph its signatures: it is used by the order of its inputs and
    outputs. The same model always gives the same bytes, and a slim one itself.
    Raises :class:`ModelError` where the bytes are not a .tflite model.
    """
    graph = flatbuffer.read(model)
    graph.description = None
    graph.metadata = [entry for entry in graph.metadata or [] if entry.name in READ_METADATA] or None
    if len(graph.subgraphs) == 1:
        graph.signatureDefs = None
    for subgraph in graph.subgraphs:
        subgraph.name = None
        subgraph.debugMetadataIndex = -1
        ends = {*subgraph.inputs.tolist(), *subgraph.outputs.tolist()}
        for number, tensor in enumerate(subgraph.tensors):
            _slim_tensor(tensor, open_shape=number in ends)
        for operator in subgraph.operators:
            operator.debugMetadataIndex = -1
    flatbuffer.drop_unused(graph)
    return flatbuffer.write(graph)


def _slim_tensor(tensor: Any, *, open_shape: bool) -> None:
    """``open_shape`` keeps which dimensions may be resized, which is asked of inputs and outputs only."""
    tensor.name = None
    # The rank is known from the shape, unless that is empty: a scalar, or any shape.
    tensor.hasRank = tensor.hasRank and len(tensor.shape) == 0
    if not open_shape:
        tensor.shapeSignature = None
    quantization = tensor.quantization
    if quantization is not None:
        quantization.min = quantization.max = None
        if quantization.scale is None and quantization.details is None:
            tensor.quantization = None
