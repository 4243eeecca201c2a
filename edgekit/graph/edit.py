"""Edits of a Graph, in place: constants, names, nodes and outputs. Its index stays current."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from edgekit.graph.index import Array, Graph


def copied(model: ModelProto) -> ModelProto:
    """A copy, which may be changed without changing the model."""
    copy = ModelProto()
    copy.CopyFrom(model)
    return copy


def set_constant(graph: Graph, name: str, values: Array) -> None:
    """Replace the values of an initializer, or add it."""
    tensor = numpy_helper.from_array(np.asarray(values, order="C"), name)
    if name in graph.initializers:
        graph.initializers[name].CopyFrom(tensor)
    else:
        graph.proto.initializer.append(tensor)
        graph.initializers[name] = graph.proto.initializer[-1]


def add_constant(graph: Graph, name: str, values: Array) -> str:
    """Add an initializer under this name, or a similar one if it is in use; returns the name."""
    name = free_name(graph, name)
    set_constant(graph, name, values)
    return name


def free_name(graph: Graph, wanted: str) -> str:
    """`wanted`, with a number appended if a tensor has this name already."""
    used = {name for node in graph.nodes for name in (*node.input, *node.output)}
    used.update(entry.name for entry in (*graph.proto.initializer, *graph.proto.input, *graph.proto.output))
    name, number = wanted, 0
    while name in used:
        number += 1
        name = f"{wanted}_{number}"
    return name


def clear_name(graph: Graph, name: str) -> None:
    """Make the name available: a tensor that has it gets another one."""
    _rename(graph, name, free_name(graph, name))


def rename(graph: Graph, old: str, new: str) -> None:
    """Give a tensor another name; a tensor that has that name already gets a free one."""
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
    """Insert the node at that position of the order of computation."""
    graph.proto.node.insert(position, node)
    graph.reindex()


def append_node(graph: Graph, node: NodeProto) -> None:
    """Add the node at the end of the order of computation."""
    graph.proto.node.append(node)
    graph.reindex()


def bypass_node(graph: Graph, node: NodeProto) -> None:
    """Remove the node; its consumers read its first input instead."""
    before, after = node.input[0], node.output[0]
    graph.proto.node.remove(node)
    for other in graph.nodes:
        other.input[:] = [before if name == after else name for name in other.input]
    graph.reindex()


def replace_nodes(graph: Graph, nodes: Sequence[NodeProto]) -> None:
    """Replace all nodes by these, and drop the initializers that none of them reads."""
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
    """Make a float32 tensor an output of the graph."""
    graph.proto.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    graph.outputs.add(name)
