"""Insert QuantizeLinear and DequantizeLinear nodes around the operators that are computed in 8 bits.

onnxruntime fuses an operator with the DequantizeLinear before it and the QuantizeLinear after it into one integer
operator, so the file stays standard ONNX and runs in any runtime.

1. Finds the layers with weights after the normalization, the operators with an integer kernel that read quantized
   tensors, and the operators that only move quantized values.
2. Passes each tensor that they read or write through a QuantizeLinear and a DequantizeLinear of the tensor's range.
   Operators that only move values keep the scale of their input; logits stay in float. Additions get ranges with
   which all processors round alike (`exact_additions`).
3. Stores the weights of the layers as int8 and their biases as int32, each followed by a DequantizeLinear.
4. Removes a Relu, or a Clip from zero, after such a layer: the range of its output already clips.
5. Computes a HardSigmoid of a quantized tensor as an addition, whose output saturates where the HardSigmoid is
   constant: the integers of its input, read with a scale that includes the slope, plus the value at 0.
6. Leaves the normalization, the nodes in `float_nodes` and all other operators in float. Layers in `float_nodes` read
   quantized tensors through a DequantizeLinear of their own, with the same scale once per channel: behind one with a
   single scale, onnxruntime (its WeightBiasQuantization) would round their weights to 8 bits too, per layer.
7. In a network that is partly quantized, leaves its integer layers and their scales unchanged. A layer that reads a
   DequantizeLinear, or writes to a QuantizeLinear, uses the scale that is there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, NodeProto, helper, numpy_helper

from edgekit.artifact.integer_weights import bias_scales, least_weight_scale, rounded_bias
from edgekit.graph.edit import replace_nodes, set_constant
from edgekit.graph.index import Graph, clip_bounds, hard_sigmoid_line, input_channels, output_axis
from edgekit.graph.passes.name_nodes import name_nodes
from edgekit.quantize.exact_additions import Addition, with_exact_additions
from edgekit.quantize.integer_layers import dequantizer
from edgekit.quantize.ranges import Range
from edgekit.quantize.weight_format import WeightFormat, activation_scale, rounded_weights, weight_scales

# Operators that have integer kernels with an output scale of their own; computed in 8 bits if an input is quantized.
_OWN_SCALE = frozenset({"Add", "Mul", "Concat", "AveragePool", "GlobalAveragePool", "Sigmoid", "LeakyRelu"})
# Operators that only move values, so their output has the scale of their input.
_SAME_SCALE = frozenset({"MaxPool", "Flatten", "Reshape", "Transpose", "Squeeze", "Unsqueeze"})


def insert_qdq(
    model: ModelProto,
    *,
    ranges: Mapping[str, Range],
    weight_format: WeightFormat,
    float_nodes: Collection[str] = (),
) -> ModelProto:
    """Quantize the network; see the rules above.

    Args:
        model: float network; not changed.
        ranges: ranges of `quantized_tensors(model)`.
        weight_format: how weights are rounded, and the integer type of the activations.
        float_nodes: names of the nodes that stay in float.

    Returns:
        The quantized model.
    """
    graph = Graph(name_nodes(model))
    plan = _Plan(graph, float_nodes)
    ranges = with_exact_additions(ranges, plan.additions(), fixed=plan.bounded)
    _Writer(graph, plan, ranges=ranges, weight_format=weight_format).write()
    return graph.model


def quantized_tensors(model: ModelProto) -> set[str]:
    """The names of the tensors whose ranges `insert_qdq` needs: those that quantized nodes read or write."""
    return set(_Plan(Graph(name_nodes(model)), ()).tensors)


class _Plan:
    """Decides which nodes and tensors are quantized.

    Attributes:
        nodes: names of the quantized nodes.
        tensors: names of the tensors that get a QuantizeLinear and a DequantizeLinear, as keys.
        same_scale: for tensors that share the scale of another tensor, the name of that tensor.
        merged: activations that rule 4 removes, by the name of their input.
        bounded: tensors whose range is also the upper bound of an activation.
    """

    def __init__(self, graph: Graph, float_nodes: Collection[str]) -> None:
        self.graph = graph
        self.nodes: set[str] = set()
        self.tensors: dict[str, None] = {}  # an ordered set, so that the same model gives the same bytes
        self.same_scale: dict[str, str] = {}
        self.merged: dict[str, NodeProto] = {}
        self.bounded: set[str] = set()
        excluded = graph.normalization().union(float_nodes)
        for node in graph.nodes:
            if node.name not in excluded:
                self._decide(node)

    def additions(self) -> Iterator[Addition]:
        """The additions of two tensors that get their ranges from this plan."""
        for node in self.graph.nodes:
            merged = self.merged.get(node.output[0]) if node.output else None
            output = node.output[0] if merged is None else merged.output[0]
            if node.op_type == "Add" and node.name in self.nodes and {*node.input, output} <= self.tensors.keys():
                yield Addition(*(self.same_scale.get(name, name) for name in (*node.input, output)))

    def _decide(self, node: NodeProto) -> None:
        if self.graph.weights(node) is not None:
            inputs = [node.input[0]]
        elif node.op_type in _OWN_SCALE and all(self.graph.constant(name) is None for name in node.input):
            inputs = list(node.input)
            if not any(name in self.tensors for name in inputs):  # converting its inputs would cost more than it gains
                return
        elif node.op_type in _SAME_SCALE and node.input[0] in self.tensors:
            self._quantize(node, [node.input[0]], node.output[0])
            if node.output[0] in self.tensors:
                self.same_scale[node.output[0]] = self.same_scale.get(node.input[0], node.input[0])
            return
        elif hard_sigmoid_line(node) is not None and node.input[0] in self.tensors:
            inputs = [node.input[0]]
            self.bounded.add(node.output[0])
        else:
            return
        self._quantize(node, inputs, self._output_behind_activation(node))

    def _quantize(self, node: NodeProto, inputs: list[str], output: str) -> None:
        self.nodes.add(node.name)
        self.tensors.update(dict.fromkeys(name for name in inputs if _written_scale(self.graph, name) is None))
        keeps_float = output in self.graph.outputs and node.op_type != "Conv"  # logits keep their float resolution
        if not keeps_float and not self._is_quantized_next(output):
            self.tensors[output] = None

    def _output_behind_activation(self, node: NodeProto) -> str:
        """The output of the node, or of the Relu or Clip from zero that follows it."""
        activation = self.graph.only_consumer(node.output[0])
        bounds = clip_bounds(self.graph, activation) if activation is not None else None
        if activation is None or bounds is None or bounds[0] != 0 or activation.output[0] in self.graph.outputs:
            return str(node.output[0])
        if not self._is_quantized_next(activation.output[0]):  # else its range may not be that of rule 4
            self.merged[node.output[0]] = activation
            if bounds[1] < np.inf:
                self.bounded.add(activation.output[0])
        return str(activation.output[0])

    def _is_quantized_next(self, tensor: str) -> bool:
        consumer = self.graph.only_consumer(tensor)
        return consumer is not None and consumer.op_type == "QuantizeLinear"


class _Writer:
    """Rewrites the graph according to the plan."""

    def __init__(self, graph: Graph, plan: _Plan, *, ranges: Mapping[str, Range], weight_format: WeightFormat) -> None:
        self.graph, self.plan, self.ranges, self.weight_format = graph, plan, ranges, weight_format
        self.dequantized = {name: f"{name}_dequantized" for name in plan.tensors}

    def write(self) -> None:
        """Replace the nodes of the graph."""
        written: list[NodeProto] = []
        merged = {node.name for node in self.plan.merged.values()}
        for name in self.plan.tensors:
            if self.graph.producer(name) is None:  # a float input of the graph
                written += self._qdq_pair(name)
        for node in self.graph.nodes:
            if node.name in merged:
                continue
            if node.name in self.plan.nodes:
                written += self._weights(node) + self._hard_sigmoid(node)
            else:
                written += self._own_input(node)
            # Float nodes read the dequantized tensor too: only a QuantizeLinear may read the tensor before it.
            node.input[:] = [self.dequantized.get(name, name) for name in node.input]
            activation = self.plan.merged.get(node.output[0])
            if activation is not None:
                node.output[0] = activation.output[0]
            written.append(node)
            for name in node.output:
                if name in self.dequantized:
                    written += self._qdq_pair(name)
        self._restore_outputs(written)
        read = {name for node in written for name in node.input}.union(self.graph.outputs)
        # A HardSigmoid reads the integers behind the DequantizeLinear, which onnxruntime would compute for nobody.
        replace_nodes(
            self.graph, [node for node in written if node.op_type != "DequantizeLinear" or node.output[0] in read]
        )

    def _qdq_pair(self, name: str) -> list[NodeProto]:
        """The QuantizeLinear and DequantizeLinear of a tensor."""
        scale, zero_point = self._activation_scale(self.plan.same_scale.get(name, name))
        integers, target = f"{name}_quantized", self.dequantized[name]
        return [
            helper.make_node("QuantizeLinear", [name, scale, zero_point], [integers], name=f"{name}_QuantizeLinear"),
            helper.make_node(
                "DequantizeLinear", [integers, scale, zero_point], [target], name=f"{name}_DequantizeLinear"
            ),
        ]

    def _own_input(self, node: NodeProto) -> list[NodeProto]:
        """The DequantizeLinear of rule 6. Also redirects the node to its output."""
        tensor = node.input[0] if node.input else ""
        channels = input_channels(self.graph, node)
        if channels is None or tensor not in self.dequantized:
            return []
        names, prefix = self._activation_scale(self.plan.same_scale.get(tensor, tensor)), f"{node.name}_input"
        for name, part in zip(names, ("scale", "zero_point"), strict=True):
            single = numpy_helper.to_array(self.graph.initializers[name])
            set_constant(self.graph, f"{prefix}_{part}", np.repeat(single, channels))
        inputs = [f"{tensor}_quantized", f"{prefix}_scale", f"{prefix}_zero_point"]
        node.input[0] = f"{prefix}_dequantized"
        return [helper.make_node("DequantizeLinear", inputs, [node.input[0]], name=f"{prefix}_DQ", axis=1)]

    def _activation_scale(self, name: str) -> tuple[str, str]:
        """The names of a tensor's scale and zero point, which are added if needed."""
        scale, zero_point = f"{name}_quantized_scale", f"{name}_quantized_zero_point"
        if scale not in self.graph.initializers:
            integers = self.weight_format.activations
            values = activation_scale(self.ranges[name], integers)
            set_constant(self.graph, scale, np.array(values[0], np.float32))
            set_constant(self.graph, zero_point, np.array(values[1], integers))
        return scale, zero_point

    def _input_scale(self, node: NodeProto) -> float:
        written = _written_scale(self.graph, node.input[0])
        if written is not None:
            return written
        source = self.plan.same_scale.get(node.input[0], node.input[0])
        return activation_scale(self.ranges[source], self.weight_format.activations)[0]

    def _weights(self, node: NodeProto) -> list[NodeProto]:
        """The DequantizeLinear nodes of a node's weights and bias. Also redirects the node to their outputs."""
        weights = self.graph.weights(node)
        if weights is None:
            return []
        prefix, scales = f"{node.name}_weight", weight_scales(node, weights, weight_format=self.weight_format)
        values = self.graph.constant(node.input[2]) if len(node.input) > 2 and node.input[2] else None
        bias = None if values is None else values.astype(np.float32)
        input_scale = self._input_scale(node)
        if bias is not None:
            scales = np.maximum(scales, least_weight_scale(bias, input_scale=input_scale)).astype(np.float32)
        set_constant(self.graph, f"{prefix}_quantized", rounded_weights(node, weights, scales=scales))
        nodes = [self._dequantize_linear(prefix, scales, np.int8, output_axis(node))]
        node.input[1] = f"{prefix}_dequantized"
        if bias is not None:
            prefix = f"{node.name}_bias"
            scales = bias_scales(scales, input_scale=input_scale)
            set_constant(self.graph, f"{prefix}_quantized", rounded_bias(bias, scales=scales))
            nodes.append(self._dequantize_linear(prefix, scales, np.int32, 0))
            node.input[2] = f"{prefix}_dequantized"
        return nodes

    def _hard_sigmoid(self, node: NodeProto) -> list[NodeProto]:
        """The DequantizeLinear nodes of rule 5. Also makes the node an Add of their outputs."""
        line = hard_sigmoid_line(node)
        if line is None:
            return []
        slope, at_zero = line
        source, prefix, highest = node.input[0], node.name, np.iinfo(self.weight_format.activations).max
        scale, zero_point = self._activation_scale(self.plan.same_scale.get(source, source))
        input_scale = numpy_helper.to_array(self.graph.initializers[scale])
        constants = {
            "slope_scale": np.array(input_scale * slope, np.float32),
            "offset_quantized": np.array(highest, self.weight_format.activations),
            "offset_scale": np.array(at_zero / highest, np.float32),
            "offset_zero_point": np.array(0, self.weight_format.activations),
        }
        for name, values in constants.items():
            set_constant(self.graph, f"{prefix}_{name}", values)
        inputs = {
            f"{prefix}_line": [f"{source}_quantized", f"{prefix}_slope_scale", zero_point],
            f"{prefix}_offset": [f"{prefix}_offset_{part}" for part in ("quantized", "scale", "zero_point")],
        }
        node.CopyFrom(helper.make_node("Add", list(inputs), list(node.output), name=node.name))
        return [
            helper.make_node("DequantizeLinear", parts, [output], name=f"{output}_DequantizeLinear")
            for output, parts in inputs.items()
        ]

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
        """Keep the names of the graph's outputs by giving them to the outputs of the DequantizeLinear nodes."""
        for name in self.graph.outputs & self.dequantized.keys():
            new_names = {name: f"{name}_float", self.dequantized[name]: name}
            for node in written:
                for names in (node.input, node.output):
                    names[:] = [new_names.get(old, old) for old in names]


def _written_scale(graph: Graph, tensor: str) -> float | None:
    """The scale of the DequantizeLinear that computes a tensor; None if there is none, or it has several scales."""
    dequantize = dequantizer(graph, tensor)
    scale = None if dequantize is None else graph.constant(dequantize.input[1])
    return float(scale.reshape(-1)[0]) if scale is not None and scale.size == 1 else None
