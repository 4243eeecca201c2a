"""Graphs without their large weights, so that editing and simplifying VGG (553 MB) does not copy them.

The graph that is edited refers to the weights, which stay where they were read. Only weights whose values no step needs
are left out: those that convolutions and matrix products read, unless a batch normalization follows, which the
simplifier multiplies into them.
"""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper

from edgekit.artifact.external_tensors import Parts, Reference, with_tensors, without_large_tensors
from edgekit.graph.edit import copied
from edgekit.graph.index import WEIGHTED, Graph
from edgekit.graph.passes.clean import clean

LEAST_BYTES = 2**24


def parse(data: bytes) -> ModelProto:
    """Parse a model without its large weights.

    Args:
        data: content of an ONNX file without external data. It has to be kept to complete the model.
    """
    model: ModelProto = onnx.load_from_string(without_large_tensors(data, least_bytes=LEAST_BYTES))
    graph = Graph(model)
    for tensor in _absent(model):
        if not _only_multiplies(graph, tensor.name):
            entries = {entry.key: int(entry.value) for entry in tensor.external_data if entry.key != "location"}
            tensor.raw_data = data[entries["offset"] : entries["offset"] + entries["length"]]
            tensor.ClearField("external_data")
            tensor.ClearField("data_location")
    return model


def _absent(model: ModelProto) -> list[TensorProto]:
    return [tensor for tensor in model.graph.initializer if tensor.data_location == TensorProto.EXTERNAL]


def _only_multiplies(graph: Graph, tensor: str) -> bool:
    """Whether a tensor is only read as weights of nodes that no batch normalization follows."""
    return all(
        node.op_type in WEIGHTED
        and list(node.input).index(tensor) == 1
        and not any(_is_normalization(follower) for follower in graph.consumers(node.output[0]))
        for node in graph.consumers(tensor)
    )


def _is_normalization(node: NodeProto) -> bool:
    return node.op_type == "BatchNormalization"


def with_weights_as_inputs(model: ModelProto) -> ModelProto:
    """Declare the absent weights as inputs of the graph, for tools that need complete models.

    Args:
        model: from `parse`; not changed.
    """
    absent = _absent(model)
    if not absent:
        return model
    model = copied(model)
    complete = [tensor for tensor in model.graph.initializer if tensor.data_location != TensorProto.EXTERNAL]
    inputs = [helper.make_tensor_value_info(t.name, t.data_type, list(t.dims)) for t in absent]
    del model.graph.initializer[:]
    model.graph.initializer.extend(complete)
    model.graph.input.extend(inputs)
    return model


def with_inputs_as_weights(model: ModelProto, original: ModelProto) -> ModelProto:
    """Undo `with_weights_as_inputs`.

    Args:
        model: what a tool made of the result; not changed.
        original: the model that `with_weights_as_inputs` was given.
    """
    absent = {tensor.name: tensor for tensor in _absent(original)}
    if not absent:
        return model
    model = copied(model)
    inputs = [value for value in model.graph.input if value.name not in absent]
    used = {name for node in model.graph.node for name in node.input}
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    model.graph.initializer.extend(tensor for name, tensor in absent.items() if name in used)
    return model


def completed(model: ModelProto, data: bytes) -> Parts:
    """Clean and serialize a model with all of its weights.

    Args:
        model: from `parse`, edited; not changed.
        data: what it was parsed from.

    Returns:
        The content of the ONNX file in parts, of which the large ones are not copied.
    """
    model = clean(model)
    onnx.checker.check_model(with_weights_as_inputs(model))

    def data_of(reference: Reference) -> memoryview:
        return memoryview(data)[reference.offset : reference.offset + (reference.length or 0)]

    return with_tensors(model.SerializeToString(deterministic=True), data_of)


def write(model: ModelProto, data: bytes, path: Path) -> None:
    """Write a model with all of its weights; arguments as of `completed`."""
    with path.open("wb") as file:
        file.writelines(completed(model, data))
