"""What changing an ONNX graph takes: who makes a tensor, constants, names."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import GraphProto, NodeProto, TensorProto, helper, numpy_helper

from edgekit.graph.clean import serialized

BATCH = "batch"


def producer(graph: GraphProto, tensor: str) -> NodeProto | None:
    """The node that makes the tensor; None for a constant or an input."""
    return next((node for node in graph.node if tensor in node.output), None)


def attribute(node: NodeProto, name: str, default: Any) -> Any:
    """The value of the node's attribute, or its default."""
    found = next((entry for entry in node.attribute if entry.name == name), None)
    return default if found is None else helper.get_attribute_value(found)


def constant(graph: GraphProto, tensor: str) -> npt.NDArray[Any] | None:
    """The value of a tensor that the file holds; None for one that is computed."""
    held = next((entry for entry in graph.initializer if entry.name == tensor), None)
    if held is not None:
        return numpy_helper.to_array(held)
    node = producer(graph, tensor)
    if node is None or node.op_type != "Constant" or node.attribute[0].name != "value":
        return None
    return numpy_helper.to_array(node.attribute[0].t)


def add_constant(graph: GraphProto, name: str, value: npt.NDArray[Any]) -> str:
    """Hold the value under a name that is free, which is returned."""
    name = free_name(graph, name)
    graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
    return name


def free_name(graph: GraphProto, wanted: str) -> str:
    """`wanted`, or that with a number where a tensor has the name already."""
    taken = {name for node in graph.node for name in (*node.input, *node.output)}
    taken.update(entry.name for entry in (*graph.initializer, *graph.input, *graph.output))
    name, number = wanted, 0
    while name in taken:
        number += 1
        name = f"{wanted}_{number}"
    return name


def clear_name(graph: GraphProto, name: str) -> None:
    """Give the tensor that has this name, if there is one, another."""
    _rename(graph, name, free_name(graph, name))


def rename(graph: GraphProto, old: str, new: str) -> None:
    """Give a tensor another name; one that had it already gets a free one."""
    if old != new:
        clear_name(graph, new)
        _rename(graph, old, new)


def _rename(graph: GraphProto, old: str, new: str) -> None:
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = [new if name == old else name for name in names]
    for entry in (*graph.initializer, *graph.input, *graph.output):
        if entry.name == old:
            entry.name = new


def set_batch(model: bytes, batch: int | None) -> bytes:
    """The model declared for that many pictures at a time; for any number where None."""
    parsed = onnx.load_from_string(model)
    for value in (*parsed.graph.input, *parsed.graph.output):
        dim = value.type.tensor_type.shape.dim[0]
        dim.Clear()
        if batch is None:
            dim.dim_param = BATCH
        else:
            dim.dim_value = batch
    return serialized(parsed)


def tensor_shapes(model: onnx.ModelProto) -> dict[str, tuple[int | str, ...]]:
    """The tensors' shapes as far as they follow from the input: numbers, and a name where it is open."""
    graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    return {
        value.name: tuple(dim.dim_value or dim.dim_param or "?" for dim in value.type.tensor_type.shape.dim)
        for value in (*graph.value_info, *graph.input, *graph.output)
    }


def float_output(name: str, shape: tuple[int | str, ...]) -> onnx.ValueInfoProto:
    """The declaration of a float32 output."""
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
