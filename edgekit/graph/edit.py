"""Edits a Graph in place: constants, names, nodes and outputs. All functions keep its index current."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from edgekit.graph.index import Array, Graph


def copied(model: ModelProto) -> ModelProto:
    """Return a deep copy of the model."""
    copy = ModelProto()
    copy.CopyFrom(model)
    return copy


def set_constant(graph: Graph, name: str, values: Array) -> None:
    """Set the values of an initializer, which is added if the graph has none of that name.

    Args:
        graph: graph to edit.
        name: name of the initializer.
        values: array of any dtype that ONNX supports.
    """
    tensor = numpy_helper.from_array(np.asarray(values, order="C"), name)
    if name in graph.initializers:
        graph.initializers[name].CopyFrom(tensor)
    else:
        graph.proto.initializer.append(tensor)
        graph.initializers[name] = graph.proto.initializer[-1]


def add_constant(graph: Graph, name: str, values: Array) -> str:
    """Add an initializer.

    Args:
        graph: graph to edit.
        name: wanted name.
        values: array of any dtype that ONNX supports.

    Returns:
        The name of the initializer: `name`, with a number appended if it is taken.
    """
    name = free_name(graph, name)
    set_constant(graph, name, values)
    return name


def free_name(graph: Graph, wanted: str) -> str:
    """Return an unused tensor name: `wanted`, with a number appended if it is taken."""
    taken = {name for node in graph.nodes for name in (*node.input, *node.output)}
    taken.update(entry.name for entry in (*graph.proto.initializer, *graph.proto.input, *graph.proto.output))
    name, number = wanted, 0
    while name in taken:
        number += 1
        name = f"{wanted}_{number}"
    return name


def clear_name(graph: Graph, name: str) -> None:
    """Make a name available by renaming the tensor that has it, if any."""
    _rename(graph, name, free_name(graph, name))


def rename(graph: Graph, old: str, new: str) -> None:
    """Rename a tensor; another tensor that already has the new name gets an unused one."""
    if old != new:
        clear_name(graph, new)
        _rename(graph, old, new)


def _rename(graph: Graph, old: str, new: str) -> None:
    for node in graph.nodes:
        for names in (node.input, node.output):
            names[:] = [new if name == old else name for name in names]
    for entry in (*graph.proto.initializer, *graph.proto.input, *graph.proto.output):
        if entry.name == old:
            entry.name = new
    graph.reindex()


def insert_node(graph: Graph, position: int, node: NodeProto) -> None:
    """Insert a node at a position of the topological order, from 0."""
    graph.proto.node.insert(position, node)
    graph.reindex()


def append_node(graph: Graph, node: NodeProto) -> None:
    """Append a node at the end of the topological order."""
    graph.proto.node.append(node)
    graph.reindex()


def bypass_node(graph: Graph, node: NodeProto) -> None:
    """Remove a node and make its consumers read its first input instead."""
    source, removed = node.input[0], node.output[0]
    graph.proto.node.remove(node)
    for other in graph.nodes:
        other.input[:] = [source if name == removed else name for name in other.input]
    graph.reindex()


def replace_nodes(graph: Graph, nodes: Sequence[NodeProto]) -> None:
    """Replace all nodes of the graph, and remove the initializers that none of the new nodes reads.

    Args:
        graph: graph to edit.
        nodes: the new nodes in topological order; may include nodes of the graph.
    """
    copies = [_copied_node(node) for node in nodes]
    used = {name for node in copies for name in node.input}
    initializers = [tensor for tensor in graph.proto.initializer if tensor.name in used]
    del graph.proto.node[:], graph.proto.initializer[:]
    graph.proto.node.extend(copies)
    graph.proto.initializer.extend(initializers)
    graph.reindex()


def _copied_node(node: NodeProto) -> NodeProto:
    copy = NodeProto()
    copy.CopyFrom(node)
    return copy


def declare_output(graph: Graph, name: str, shape: Sequence[int | str]) -> None:
    """Declare a float32 tensor as an output of the graph.

    Args:
        graph: graph to edit.
        name: name of the tensor.
        shape: extent of each axis, or a name for an axis of any extent.
    """
    graph.proto.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    graph.outputs.add(name)
