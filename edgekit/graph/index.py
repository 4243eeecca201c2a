"""An index over an ONNX graph: which node produces a tensor, which nodes consume it, which tensors are constant."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from edgekit.preprocess.scores import Floats

Array: TypeAlias = npt.NDArray[np.generic]

# The operators that have weights; everything before the first of them is the normalization of the pixels.
WEIGHTED = frozenset({"Conv", "Gemm", "MatMul"})
# Operators with weights whose kernels compute with integers. In the other notation of quantized networks, those above
# lie between QuantizeLinear and DequantizeLinear nodes.
INTEGER_WEIGHTED = frozenset(
    {
        "QLinearConv",
        "QLinearMatMul",
        "QGemm",
        "ConvInteger",
        "MatMulInteger",
        "MatMulIntegerToFloat",
        "DynamicQuantizeMatMul",
        "MatMulNBits",
    }
)
_DEFAULT_GEMM = {"alpha": 1.0, "beta": 1.0, "transA": 0}
_SPATIAL_AXES = ([2, 3], [-2, -1])


class Graph:
    """A model with an index over its graph.

    The functions of `edit` keep the index current. Code that changes the inputs or outputs of nodes itself must call
    `reindex` before it reads the index again. Methods that return node names need named nodes (`passes.name_nodes`).

    Args:
        model: model to index. It is not copied: edits of the graph change it.

    Attributes:
        model: the model.
        initializers: the graph's initializers by name.
        outputs: names of the graph's outputs.
    """

    def __init__(self, model: ModelProto) -> None:
        self.model = model
        self.reindex()

    def reindex(self) -> None:
        """Rebuild the index from the model."""
        self.initializers = {tensor.name: tensor for tensor in self.proto.initializer}
        self.outputs = {value.name for value in self.proto.output}
        self._producers: dict[str, NodeProto] = {}
        self._consumers: dict[str, list[NodeProto]] = defaultdict(list)
        for node in self.proto.node:
            self._producers.update(dict.fromkeys(node.output, node))
            for name in dict.fromkeys(node.input):
                self._consumers[name].append(node)

    @property
    def proto(self) -> GraphProto:
        """The graph of the model."""
        return self.model.graph

    @property
    def nodes(self) -> list[NodeProto]:
        """The nodes in topological order, which ONNX requires."""
        return list(self.proto.node)

    def producer(self, tensor: str) -> NodeProto | None:
        """The node that computes a tensor; None for an initializer or an input of the graph."""
        return self._producers.get(tensor)

    def consumers(self, tensor: str) -> list[NodeProto]:
        """The nodes that read a tensor."""
        return self._consumers.get(tensor, [])

    def only_consumer(self, tensor: str) -> NodeProto | None:
        """The only node that reads a tensor; None if several do, or if the tensor is an output of the graph."""
        consumers = self.consumers(tensor)
        return consumers[0] if len(consumers) == 1 and tensor not in self.outputs else None

    def constant(self, tensor: str) -> Array | None:
        """The values of an initializer or of a Constant node; None for a computed tensor."""
        if tensor in self.initializers:
            return np.asarray(numpy_helper.to_array(self.initializers[tensor]))
        node = self.producer(tensor)
        if node is not None and node.op_type == "Constant" and node.attribute[0].name == "value":
            return np.asarray(numpy_helper.to_array(node.attribute[0].t))
        return None

    def weights(self, node: NodeProto) -> Floats | None:
        """The float32 weights of a Conv, a MatMul with 2-D weights, or a Gemm with alpha = beta = 1 and transA = 0.

        Returns:
            The weights as they are stored; None for other nodes, and for weights that are computed or not float32.
        """
        if node.op_type not in WEIGHTED or node.input[1] not in self.initializers:
            return None
        if node.op_type == "Gemm" and any(attribute(node, n, d) != d for n, d in _DEFAULT_GEMM.items()):
            return None
        tensor = self.initializers[node.input[1]]
        if tensor.data_type != TensorProto.FLOAT or (node.op_type == "MatMul" and len(tensor.dims) != 2):
            return None
        return np.asarray(numpy_helper.to_array(tensor))

    def normalization(self) -> set[str]:
        """The names of the nodes that no node with weights precedes: they normalize the pixels."""
        weighted_tensors: set[str] = set()
        names = set()
        for node in self.nodes:
            if node.op_type in WEIGHTED | INTEGER_WEIGHTED or weighted_tensors & set(node.input):
                weighted_tensors.update(node.output)
            else:
                names.add(node.name)
        return names

    def layers(self) -> list[NodeProto]:
        """The nodes with weights after the normalization, in topological order."""
        normalization = self.normalization()
        return [node for node in self.nodes if node.name not in normalization and self.weights(node) is not None]


def attribute(node: NodeProto, name: str, default: Any) -> Any:
    """The value of a node's attribute (a number, bytes or a list), or the default if it is not set."""
    entry = next((entry for entry in node.attribute if entry.name == name), None)
    return default if entry is None else helper.get_attribute_value(entry)


def output_axis(node: NodeProto) -> int:
    """The axis of the output channels in the weights of a Conv, Gemm or MatMul."""
    if node.op_type == "Conv":
        return 0
    return 0 if node.op_type == "Gemm" and attribute(node, "transB", 0) else 1


def input_channels(graph: Graph, node: NodeProto) -> int | None:
    """The number of channels (axis 1) that a Conv or a Gemm with constant weights reads; None for other nodes."""
    weights = graph.weights(node)
    if weights is None or node.op_type == "MatMul":
        return None
    return int(weights.shape[1 - output_axis(node)]) * int(attribute(node, "group", 1))


def is_depthwise(node: NodeProto, shape: tuple[int, ...]) -> bool:
    """Whether a node with weights of this shape is a convolution with one filter per channel."""
    return node.op_type == "Conv" and shape[1] == 1 and attribute(node, "group", 1) == shape[0]


def is_spatial_mean(graph: Graph, node: NodeProto) -> bool:
    """Whether the node is a ReduceMean over height and width."""
    if node.op_type != "ReduceMean":
        return False
    # The axes are an attribute up to opset 17, and an input since opset 18.
    constant = graph.constant(node.input[1]) if len(node.input) > 1 else None
    axes = attribute(node, "axes", []) if constant is None else constant.reshape(-1).tolist()
    return sorted(axes) in _SPATIAL_AXES


def producer_behind(graph: Graph, tensor: str, *, skipped: Collection[str]) -> NodeProto | None:
    """The node that computes a tensor, looking through operators of the skipped types; None for an input."""
    node = graph.producer(tensor)
    while node is not None and node.op_type in skipped:
        node = graph.producer(node.input[0])
    return node


def clip_bounds(graph: Graph, node: NodeProto) -> tuple[float, float] | None:
    """The lower and upper bound of a Relu, or of a Clip with constant bounds; None for any other node."""
    if node.op_type == "Relu":
        return 0.0, np.inf
    if node.op_type != "Clip":
        return None
    bounds = [-np.inf, np.inf]
    for position, name in enumerate(node.input[1:3]):
        if name:
            value = graph.constant(name)
            if value is None:
                return None
            bounds[position] = float(value.reshape(-1)[0])
    return bounds[0], bounds[1]


def hard_sigmoid_line(node: NodeProto) -> tuple[float, float] | None:
    """The slope, above 0, and the value at 0, from 0 to 1, of a HardSigmoid; None for other nodes and other lines."""
    if node.op_type != "HardSigmoid":
        return None
    slope, at_zero = attribute(node, "alpha", 0.2), attribute(node, "beta", 0.5)
    return (slope, at_zero) if slope > 0 and 0 < at_zero <= 1 else None


def tensor_shapes(model: ModelProto) -> dict[str, tuple[int | str, ...]]:
    """Infer the shapes of a model's tensors.

    Args:
        model: model to inspect; not changed.

    Returns:
        The shape of each tensor by its name, as far as it can be inferred; a dynamic axis is its name, or "?".
    """
    graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    return {
        value.name: tuple(dim.dim_value or dim.dim_param or "?" for dim in value.type.tensor_type.shape.dim)
        for value in (*graph.value_info, *graph.input, *graph.output)
    }
