"""The graph with integers: QuantizeLinear and DequantizeLinear around what onnxruntime computes in 8 bits.

onnxruntime joins an operator with the DequantizeLinear before it and the QuantizeLinear behind it into one integer
operator, so the file stays standard ONNX and any runtime can run it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, NodeProto, helper

from edgekit.graph.index import Graph, bounds, copied, is_depthwise, output_axis, with_nodes
from edgekit.preprocess.scores import Floats
from edgekit.quantize.ranges import LEVELS, Range
from edgekit.quantize.targets import Activations

# Computed in 8 bits when their inputs are; these have integer kernels of their own scale.
_OWN_SCALE = frozenset({"Add", "Mul", "Concat", "AveragePool", "GlobalAveragePool", "Sigmoid", "LeakyRelu"})
# These only move values, so what goes out has the scale of what goes in.
_SAME_SCALE = frozenset({"MaxPool", "Flatten", "Reshape", "Transpose", "Squeeze", "Unsqueeze"})
# An int32 bias has the scale of its input times that of its weights; 2 bits are left for the sum.
_BIAS_LIMIT = 2.0**29
_LAST_LEVEL = 127  # of a weight, either way


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """How numbers become integers.

    saturating: sums of two products must fit into 16 bits (`Target.saturating`), which is exact on any processor.
    """

    per_channel: bool = True
    activations: Activations = "uint8"
    saturating: bool = True


def weight_scales(node: NodeProto, weights: Floats, scheme: Scheme) -> npt.NDArray[np.float32]:
    """One scale for each output channel of the node, or one in all: what is largest is the last level.

    That is the largest absolute weight, or for a saturating processor the largest sum of two weights whose products
    are added first. So 127 + 0.5 + 0.5 times an activation of 255 is the most that such a sum comes to, and fits.
    """
    if scheme.saturating and not is_depthwise(node, weights.shape):  # depthwise kernels add in 32 bits
        largest = _pair_sums(node, weights)
    else:
        largest = np.abs(weights).max(axis=tuple(a for a in range(weights.ndim) if a != output_axis(node)))
    largest = np.atleast_1d(largest if scheme.per_channel else largest.max()).astype(np.float32)
    return np.where(largest > 0, largest / np.float32(_LAST_LEVEL), np.float32(1)).astype(np.float32)


def _pair_sums(node: NodeProto, weights: Floats) -> Floats:
    """By output channel the largest absolute sum of two weights of one sign that are neighbors in the product.

    There the input channels lie together (onnxruntime's integer convolutions take channels last) and two of them are
    multiplied and added in one instruction.
    """
    by_output = np.moveaxis(weights, output_axis(node), 0)
    rows = np.moveaxis(by_output, 1, -1).reshape(len(by_output), -1)
    pairs = np.pad(rows, ((0, 0), (0, rows.shape[1] % 2))).reshape(len(rows), -1, 2)
    sums = [np.maximum(sign * pairs, 0).sum(axis=2).max(axis=1) for sign in (1, -1)]
    return np.asarray(np.maximum(*sums))


def rounded_weights(node: NodeProto, weights: Floats, scales: npt.NDArray[np.float32]) -> npt.NDArray[np.int8]:
    """The integers nearest to the weights, symmetric around zero."""
    levels = np.round(weights / _along(scales, output_axis(node), weights.ndim))
    return np.clip(levels, -_LAST_LEVEL, _LAST_LEVEL).astype(np.int8)


def dequantized(node: NodeProto, weights: Floats, scheme: Scheme) -> npt.NDArray[np.float32]:
    """The weights as the integers tell them."""
    scales = weight_scales(node, weights, scheme)
    return rounded_weights(node, weights, scales) * _along(scales, output_axis(node), weights.ndim)


def _along(scales: npt.NDArray[np.float32], axis: int, dimensions: int) -> npt.NDArray[np.float32]:
    """Scales in a shape that multiplies weights of that many dimensions."""
    return scales.reshape([-1 if a == axis else 1 for a in range(dimensions)])


def layers_of(graph: Graph) -> list[str]:
    """Names of the nodes with weights that can become integers, in order."""
    before = graph.normalization()
    return [node.name for node in graph.nodes if node.name not in before and graph.weights(node) is not None]


def quantized_tensors(model: ModelProto) -> set[str]:
    """The tensors whose ranges the quantized graph needs: what the quantized nodes take and put out."""
    writer = _Writer(Graph(copied(model)), {}, Scheme(), lambda node: True)
    return set(writer.tensors)


def quantized(
    model: ModelProto,
    ranges: Mapping[str, Range],
    scheme: Scheme,
    *,
    chosen: Callable[[NodeProto], bool] = lambda node: True,
) -> ModelProto:
    """A new model with the nodes quantized that can be and are `chosen`. ranges: of `quantized_tensors`."""
    return _Writer(Graph(copied(model)), ranges, scheme, chosen).write()


class _Writer:
    """Decides which nodes and tensors become integers, then writes them.

    tensors: those that get a QuantizeLinear and a DequantizeLinear. shared: of those, the ones that take the scale of
    another tensor, by name. merged: activations that vanish into the scale of the node before them.
    """

    def __init__(
        self, graph: Graph, ranges: Mapping[str, Range], scheme: Scheme, chosen: Callable[[NodeProto], bool]
    ) -> None:
        self.graph, self.ranges, self.scheme = graph, ranges, scheme
        self.tensors: dict[str, None] = {}  # a set that keeps its order: same model, same bytes
        self.shared: dict[str, str] = {}
        self.merged: dict[str, NodeProto] = {}
        self.nodes: dict[str, NodeProto] = {}
        before = graph.normalization()
        for node in graph.nodes:
            if node.name not in before and chosen(node):
                self._decide(node)

    def _decide(self, node: NodeProto) -> None:
        if self.graph.weights(node) is not None:
            inputs = [node.input[0]]
        elif node.op_type in _OWN_SCALE and not any(self._is_constant(name) for name in node.input):
            inputs = list(node.input)
            if not any(name in self.tensors for name in inputs):  # a lone one would only cost the way there and back
                return
        elif node.op_type in _SAME_SCALE and node.input[0] in self.tensors:
            self._mark(node, [node.input[0]], node.output[0])
            if node.output[0] in self.tensors:
                self.shared[node.output[0]] = self.shared.get(node.input[0], node.input[0])
            return
        else:
            return
        self._mark(node, inputs, self._after_activation(node))

    def _mark(self, node: NodeProto, inputs: list[str], output: str) -> None:
        self.nodes[node.name] = node
        self.tensors.update(dict.fromkeys(inputs))
        if output not in self.graph.outputs or node.op_type == "Conv":  # logits stay as fine as they are
            self.tensors[output] = None

    def _is_constant(self, name: str) -> bool:
        return self.graph.constant(name) is not None

    def _after_activation(self, node: NodeProto) -> str:
        """The tensor that holds this node's result: that of the Relu or Clip from zero behind it, if there is one."""
        taker = self.graph.only_taker(node.output[0])
        limits = bounds(self.graph, taker) if taker is not None else None
        if taker is None or limits is None or limits[0] != 0 or taker.output[0] in self.graph.outputs:
            return str(node.output[0])
        self.merged[node.output[0]] = taker
        return str(taker.output[0])

    def write(self) -> ModelProto:
        """The model of the writer's graph, rewritten."""
        replaced = {name: f"{name}_dequantized" for name in self.tensors}
        written: list[NodeProto] = []
        vanished = {node.name for node in self.merged.values()}
        for name in self.tensors:
            if name not in self.graph.makers:  # an input of the graph in float
                written += self._pair(name, replaced[name])
        for node in self.graph.nodes:
            if node.name in vanished:
                continue
            if node.name in self.nodes:
                written += self._weights(node)
                node = self._rewritten(node, replaced)
            else:
                self._redirect(node, replaced)
            written.append(node)
            for name in node.output:
                if name in replaced:
                    written += self._pair(name, replaced[name])
        self._restore_outputs(written, replaced)
        return with_nodes(self.graph, written)

    def _redirect(self, node: NodeProto, replaced: Mapping[str, str]) -> None:
        """Let a float node take what the integers tell; a tensor that it shares with them must have no other reader."""
        for position, name in enumerate(node.input):
            node.input[position] = replaced.get(name, name)

    def _rewritten(self, node: NodeProto, replaced: Mapping[str, str]) -> NodeProto:
        self._redirect(node, replaced)
        activation = self.merged.get(node.output[0])
        if activation is not None:
            node.output[0] = activation.output[0]
        return node

    def _pair(self, name: str, target: str) -> list[NodeProto]:
        """QuantizeLinear and DequantizeLinear from tensor `name` to tensor `target`."""
        scale, zero = self._activation_scale(self.shared.get(name, name))
        integers = f"{name}_quantized"
        return [
            helper.make_node("QuantizeLinear", [name, scale, zero], [integers], name=f"{name}_QuantizeLinear"),
            helper.make_node("DequantizeLinear", [integers, scale, zero], [target], name=f"{name}_DequantizeLinear"),
        ]

    def _activation_scale(self, name: str) -> tuple[str, str]:
        """Names of a tensor's scale and zero point, added where they are not there yet."""
        scale, zero = f"{name}_quantized_scale", f"{name}_quantized_zero_point"
        if scale not in self.graph.initializers:
            step, offset = activation_parameters(self.ranges[name], self.scheme.activations)
            self.graph.put(scale, np.array(step, np.float32))
            self.graph.put(zero, np.array(offset, self.scheme.activations))
        return scale, zero

    def _weights(self, node: NodeProto) -> list[NodeProto]:
        """The DequantizeLinear nodes of a node's weights and bias; the node's inputs are turned to them."""
        weights = self.graph.weights(node)
        if weights is None:
            return []
        stem, scales = f"{node.name}_weight", weight_scales(node, weights, self.scheme)
        bias = self.graph.constant(node.input[2]) if len(node.input) > 2 and node.input[2] else None
        step = self._input_step(node)
        if bias is not None:  # or a dead channel's bias would not fit into 32 bits
            scales = np.maximum(scales, np.abs(bias).max(initial=0.0) / (step * _BIAS_LIMIT)).astype(np.float32)
        self.graph.put(f"{stem}_quantized", rounded_weights(node, weights, scales))
        nodes = [self._unfold(stem, scales, np.int8, output_axis(node))]
        node.input[1] = f"{stem}_dequantized"
        if bias is not None:
            stem = f"{node.name}_bias"
            bias_scales = (scales * np.float32(step)).astype(np.float32)
            self.graph.put(f"{stem}_quantized", np.round(bias.astype(np.float64) / bias_scales).astype(np.int32))
            nodes.append(self._unfold(stem, bias_scales, np.int32, 0))
            node.input[2] = f"{stem}_dequantized"
        return nodes

    def _input_step(self, node: NodeProto) -> float:
        name = self.shared.get(node.input[0], node.input[0])
        return activation_parameters(self.ranges[name], self.scheme.activations)[0]

    def _unfold(self, stem: str, scales: npt.NDArray[np.float32], kind: type, axis: int) -> NodeProto:
        single = len(scales) == 1 and not self.scheme.per_channel
        self.graph.put(f"{stem}_scale", scales.reshape(()) if single else scales)
        self.graph.put(f"{stem}_zero_point", np.zeros(() if single else len(scales), kind))
        inputs = [f"{stem}_quantized", f"{stem}_scale", f"{stem}_zero_point"]
        node = helper.make_node("DequantizeLinear", inputs, [f"{stem}_dequantized"], name=f"{stem}_DQ")
        if not single:
            node.attribute.append(helper.make_attribute("axis", axis))
        return node

    def _restore_outputs(self, written: list[NodeProto], replaced: Mapping[str, str]) -> None:
        """An answer of the graph keeps its name: it is what its DequantizeLinear puts out."""
        for name in self.graph.outputs & replaced.keys():
            for node in written:
                for names in (node.input, node.output):
                    for position, found in enumerate(names):
                        if found in (name, replaced[name]):
                            names[position] = f"{name}_float" if found == name else name


def activation_parameters(limits: Range, kind: Activations) -> tuple[float, int]:
    """Scale and zero point of an activation: a range from zero starts at the lowest integer, so clipping is free."""
    step = float(np.float32(limits.step)) or 1.0
    lowest = 0 if kind == "uint8" else -LEVELS // 2
    return step, int(np.clip(round(lowest - limits.lowest / step), lowest, lowest + LEVELS - 1))
