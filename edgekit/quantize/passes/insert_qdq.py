"""Insert QuantizeLinear and DequantizeLinear around what onnxruntime computes in 8 bits.

onnxruntime joins an operator with the DequantizeLinear before it and the QuantizeLinear behind it into one integer
operator, so the file stays standard ONNX and any runtime can run it.

1. Finds the layers behind the normalization, the operators with an integer kernel that read what a layer wrote, and
   those that only move its values.
2. Passes each tensor that they read or write through a QuantizeLinear and a DequantizeLinear of the tensor's range.
   Operators that only move values keep the scale of their input; logits stay in float.
3. Stores the layers' weights as int8 and their biases as int32, behind a DequantizeLinear.
4. Removes a Relu, or a Clip from zero, behind such a layer: the range of its output clips already.
5. Leaves the normalization, the nodes named in `float_nodes` and all other operators in float.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, NodeProto, helper

from edgekit.graph.edit import replace_nodes, set_constant
from edgekit.graph.index import Graph, clip_bounds, output_axis
from edgekit.graph.passes.name_nodes import name_nodes
from edgekit.quantize.ranges import Range
from edgekit.quantize.weight_format import WeightFormat, activation_scale, rounded_weights, weight_scales

# Computed in 8 bits if their inputs are; these have integer kernels with a scale of their own.
_OWN_SCALE = frozenset({"Add", "Mul", "Concat", "AveragePool", "GlobalAveragePool", "Sigmoid", "LeakyRelu"})
# These only move values, so the output has the scale of the input.
_SAME_SCALE = frozenset({"MaxPool", "Flatten", "Reshape", "Transpose", "Squeeze", "Unsqueeze"})
# An int32 bias has the scale of its input times that of its weights; 2 bits are left for the sum.
_BIAS_LIMIT = 2.0**29


def insert_qdq(
    model: ModelProto,
    *,
    ranges: Mapping[str, Range],
    weight_format: WeightFormat,
    float_nodes: Collection[str] = (),
) -> ModelProto:
    """The quantized model. ranges: of `quantized_tensors`. float_nodes: names of the nodes that stay in float."""
    graph = Graph(name_nodes(model))
    _Writer(graph, _Plan(graph, float_nodes), ranges=ranges, weight_format=weight_format).write()
    return graph.model


def quantized_tensors(model: ModelProto) -> set[str]:
    """The tensors whose ranges `insert_qdq` needs: what the quantized nodes read and write."""
    return set(_Plan(Graph(name_nodes(model)), ()).tensors)


class _Plan:
    """Which nodes and tensors become integers.

    nodes: names of the quantized ones. tensors: those that get a QuantizeLinear and a DequantizeLinear. same_scale: of
    those, the ones that have the scale of another tensor, by name. merged: by the tensor before it, the activation that
    vanishes into the scale of the node before it.
    """

    def __init__(self, graph: Graph, float_nodes: Collection[str]) -> None:
        self.graph = graph
        self.nodes: set[str] = set()
        self.tensors: dict[str, None] = {}  # a set that keeps its order: same model, same bytes
        self.same_scale: dict[str, str] = {}
        self.merged: dict[str, NodeProto] = {}
        excluded = graph.normalization().union(float_nodes)
        for node in graph.nodes:
            if node.name not in excluded:
                self._decide(node)

    def _decide(self, node: NodeProto) -> None:
        if self.graph.weights(node) is not None:
            inputs = [node.input[0]]
        elif node.op_type in _OWN_SCALE and all(self.graph.constant(name) is None for name in node.input):
            inputs = list(node.input)
            if not any(name in self.tensors for name in inputs):  # alone, it would only cost the way there and back
                return
        elif node.op_type in _SAME_SCALE and node.input[0] in self.tensors:
            self._quantize(node, [node.input[0]], node.output[0])
            if node.output[0] in self.tensors:
                self.same_scale[node.output[0]] = self.same_scale.get(node.input[0], node.input[0])
            return
        else:
            return
        self._quantize(node, inputs, self._output_behind_activation(node))

    def _quantize(self, node: NodeProto, inputs: list[str], output: str) -> None:
        self.nodes.add(node.name)
        self.tensors.update(dict.fromkeys(inputs))
        if output not in self.graph.outputs or node.op_type == "Conv":  # logits stay as fine as they are
            self.tensors[output] = None

    def _output_behind_activation(self, node: NodeProto) -> str:
        """The node's output, or that of the Relu or Clip from zero behind it, if there is one."""
        activation = self.graph.only_consumer(node.output[0])
        bounds = clip_bounds(self.graph, activation) if activation is not None else None
        if activation is None or bounds is None or bounds[0] != 0 or activation.output[0] in self.graph.outputs:
            return str(node.output[0])
        self.merged[node.output[0]] = activation
        return str(activation.output[0])


class _Writer:
    """Rewrites the graph by the plan."""

    def __init__(self, graph: Graph, plan: _Plan, *, ranges: Mapping[str, Range], weight_format: WeightFormat) -> None:
        self.graph, self.plan, self.ranges, self.weight_format = graph, plan, ranges, weight_format
        self.dequantized = {name: f"{name}_dequantized" for name in plan.tensors}

    def write(self) -> None:
        """Replace the graph's nodes."""
        written: list[NodeProto] = []
        merged = {node.name for node in self.plan.merged.values()}
        for name in self.plan.tensors:
            if self.graph.producer(name) is None:  # an input of the graph in float
                written += self._qdq_pair(name)
        for node in self.graph.nodes:
            if node.name in merged:
                continue
            if node.name in self.plan.nodes:
                written += self._weights(node)
            # A float node reads the dequantized tensor too: a quantized tensor must have no other consumer.
            node.input[:] = [self.dequantized.get(name, name) for name in node.input]
            activation = self.plan.merged.get(node.output[0])
            if activation is not None:
                node.output[0] = activation.output[0]
            written.append(node)
            for name in node.output:
                if name in self.dequantized:
                    written += self._qdq_pair(name)
        self._restore_outputs(written)
        replace_nodes(self.graph, written)

    def _qdq_pair(self, name: str) -> list[NodeProto]:
        """QuantizeLinear and DequantizeLinear of a tensor."""
        scale, zero_point = self._activation_scale(self.plan.same_scale.get(name, name))
        integers, target = f"{name}_quantized", self.dequantized[name]
        return [
            helper.make_node("QuantizeLinear", [name, scale, zero_point], [integers], name=f"{name}_QuantizeLinear"),
            helper.make_node(
                "DequantizeLinear", [integers, scale, zero_point], [target], name=f"{name}_DequantizeLinear"
            ),
        ]

    def _activation_scale(self, name: str) -> tuple[str, str]:
        """Names of a tensor's scale and zero point, added if they are not there yet."""
        scale, zero_point = f"{name}_quantized_scale", f"{name}_quantized_zero_point"
        if scale not in self.graph.initializers:
            integers = self.weight_format.activations
            values = activation_scale(self.ranges[name], integers)
            set_constant(self.graph, scale, np.array(values[0], np.float32))
            set_constant(self.graph, zero_point, np.array(values[1], integers))
        return scale, zero_point

    def _weights(self, node: NodeProto) -> list[NodeProto]:
        """The DequantizeLinear nodes of a node's weights and bias, which the node reads from now on."""
        weights = self.graph.weights(node)
        if weights is None:
            return []
        prefix, scales = f"{node.name}_weight", weight_scales(node, weights, weight_format=self.weight_format)
        bias = self.graph.constant(node.input[2]) if len(node.input) > 2 and node.input[2] else None
        source = self.plan.same_scale.get(node.input[0], node.input[0])
        input_scale = activation_scale(self.ranges[source], self.weight_format.activations)[0]
        if bias is not None:  # or a dead channel's bias would not fit into 32 bits
            scales = np.maximum(scales, np.abs(bias).max(initial=0.0) / (input_scale * _BIAS_LIMIT)).astype(np.float32)
        set_constant(self.graph, f"{prefix}_quantized", rounded_weights(node, weights, scales=scales))
        nodes = [self._dequantize_linear(prefix, scales, np.int8, output_axis(node))]
        node.input[1] = f"{prefix}_dequantized"
        if bias is not None:
            prefix = f"{node.name}_bias"
            bias_scales = (scales * np.float32(input_scale)).astype(np.float32)
            integers = np.round(bias.astype(np.float64) / bias_scales).astype(np.int32)
            set_constant(self.graph, f"{prefix}_quantized", integers)
            nodes.append(self._dequantize_linear(prefix, bias_scales, np.int32, 0))
            node.input[2] = f"{prefix}_dequantized"
        return nodes

    def _dequantize_linear(self, prefix: str, scales: npt.NDArray[np.float32], kind: type, axis: int) -> NodeProto:
        single = len(scales) == 1 and not self.weight_format.per_channel
        set_constant(self.graph, f"{prefix}_scale", scales.reshape(()) if single else scales)
        set_constant(self.graph, f"{prefix}_zero_point", np.zeros(() if single else len(scales), kind))
        inputs = [f"{prefix}_quantized", f"{prefix}_scale", f"{prefix}_zero_point"]
        node = helper.make_node("DequantizeLinear", inputs, [f"{prefix}_dequantized"], name=f"{prefix}_DQ")
        if not single:
            node.attribute.append(helper.make_attribute("axis", axis))
        return node

    def _restore_outputs(self, written: list[NodeProto]) -> None:
        """Let an output of the graph keep its name: it becomes the output of its DequantizeLinear."""
        for name in self.graph.outputs & self.dequantized.keys():
            renamed = {name: f"{name}_float", self.dequantized[name]: name}
            for node in written:
                for names in (node.input, node.output):
                    names[:] = [renamed.get(old, old) for old in names]
