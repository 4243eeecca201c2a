"""A graph as the passes of a quantization look at it: who makes a tensor, who takes it, what is constant."""

from __future__ import annotations

from collections import defaultdict
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import onnx
from onnx import ModelProto, NodeProto, TensorProto, numpy_helper

from edgekit.preprocess.scores import Floats

Array: TypeAlias = npt.NDArray[np.generic]

# What carries the weights: everything before the first of them is the normalization, which stays in float.
WEIGHTED = frozenset({"Conv", "Gemm", "MatMul"})
_PLAIN_GEMM = {"alpha": 1.0, "beta": 1.0, "transA": 0.0}


class Graph:
    """A model with an index over its graph. Nodes are named, initializers are read once and written by `put`."""

    def __init__(self, model: ModelProto) -> None:
        self.model = model
        names: set[str] = set()
        for number, node in enumerate(model.graph.node):  # layers go by name, and the simplifier leaves some without
            if not node.name or node.name in names:
                node.name = f"{node.op_type}_{number}"
            names.add(node.name)
        self.initializers = {tensor.name: tensor for tensor in model.graph.initializer}
        self.outputs = {value.name for value in model.graph.output}
        self.makers: dict[str, NodeProto] = {}
        self.takers: dict[str, list[NodeProto]] = defaultdict(list)
        for node in model.graph.node:
            self.makers.update(dict.fromkeys(node.output, node))
            for name in dict.fromkeys(node.input):
                self.takers[name].append(node)

    @property
    def nodes(self) -> list[NodeProto]:
        """In topological order, as ONNX demands."""
        return list(self.model.graph.node)

    def constant(self, name: str) -> Array | None:
        """An initializer's values, or those of a Constant node; None for what is computed."""
        if name in self.initializers:
            return np.asarray(numpy_helper.to_array(self.initializers[name]))
        maker = self.makers.get(name)
        if maker is not None and maker.op_type == "Constant" and maker.attribute[0].name == "value":
            return np.asarray(numpy_helper.to_array(maker.attribute[0].t))
        return None

    def weights(self, node: NodeProto) -> Floats | None:
        """The float32 weights of a convolution or a plain matrix product; None for any other node or weights."""
        if node.op_type not in WEIGHTED or node.input[1] not in self.initializers:
            return None
        if node.op_type == "Gemm" and any(attribute(node, n, d) != d for n, d in _PLAIN_GEMM.items()):
            return None
        tensor = self.initializers[node.input[1]]
        if tensor.data_type != TensorProto.FLOAT or (node.op_type == "MatMul" and len(tensor.dims) != 2):
            return None
        return np.asarray(numpy_helper.to_array(tensor))

    def put(self, name: str, values: Array) -> None:
        """Replace an initializer's values, or add it."""
        tensor = numpy_helper.from_array(np.asarray(values, order="C"), name)
        if name in self.initializers:
            self.initializers[name].CopyFrom(tensor)
        else:
            self.model.graph.initializer.append(tensor)
            self.initializers[name] = self.model.graph.initializer[-1]

    def only_taker(self, name: str) -> NodeProto | None:
        """The one node that takes this tensor; None where there are several, or it is an answer of the graph."""
        takers = self.takers[name]
        return takers[0] if len(takers) == 1 and name not in self.outputs else None

    def normalization(self) -> set[str]:
        """Names of the nodes that no weighted node comes before: they turn raw pixels into the network's input."""
        weighted: set[str] = set()
        before = set()
        for node in self.nodes:
            if node.op_type in WEIGHTED or weighted & set(node.input):
                weighted.update(node.output)
            else:
                before.add(node.name)
        return before


def copied(model: ModelProto) -> ModelProto:
    """A model that may be changed without changing this one."""
    copy = ModelProto()
    copy.CopyFrom(model)
    return copy


def attribute(node: NodeProto, name: str, default: float) -> float:
    """A number among the node's attributes."""
    for entry in node.attribute:
        if entry.name == name:
            return float(onnx.helper.get_attribute_value(entry))
    return default


def integers(node: NodeProto, name: str, default: tuple[int, ...]) -> tuple[int, ...]:
    """Several whole numbers among the node's attributes."""
    found = next((entry.ints for entry in node.attribute if entry.name == name), default)
    return tuple(found)


def output_axis(node: NodeProto) -> int:
    """The axis of the output channels in a weighted node's weights."""
    if node.op_type == "Conv":
        return 0
    return 0 if node.op_type == "Gemm" and attribute(node, "transB", 0) else 1


def is_depthwise(node: NodeProto, shape: tuple[int, ...]) -> bool:
    """Whether a convolution with weights of this shape has one filter for each channel."""
    return node.op_type == "Conv" and shape[1] == 1 and attribute(node, "group", 1) == shape[0]


def bounds(graph: Graph, node: NodeProto) -> tuple[float, float] | None:
    """What a Relu or a Clip with constant bounds lets through; None for any other node."""
    if node.op_type == "Relu":
        return 0.0, np.inf
    if node.op_type != "Clip":
        return None
    limits = [-np.inf, np.inf]
    for position, name in enumerate(node.input[1:3]):
        if name:
            value = graph.constant(name)
            if value is None:
                return None
            limits[position] = float(value.reshape(-1)[0])
    return limits[0], limits[1]


def with_nodes(graph: Graph, nodes: list[NodeProto]) -> ModelProto:
    """The graph's model with these nodes, and of its initializers those that they take."""
    model = graph.model
    kept_nodes = [_copy(node) for node in nodes]
    del model.graph.node[:]
    model.graph.node.extend(kept_nodes)
    used = {name for node in kept_nodes for name in node.input}
    kept = [tensor for tensor in model.graph.initializer if tensor.name in used]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    return model


def _copy(node: NodeProto) -> NodeProto:
    copy = NodeProto()
    copy.CopyFrom(node)
    return copy
