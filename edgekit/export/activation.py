"""The activation that computes a classifier's scores: Softmax, Sigmoid or none."""

from __future__ import annotations

from typing import NamedTuple

from onnx import NodeProto

from edgekit.errors import SpecError
from edgekit.graph.index import Graph, producer_behind
from edgekit.preprocess.scores import Floats

_RESHAPING = frozenset({"Flatten", "Reshape", "Squeeze", "Unsqueeze", "Identity", "Cast"})
_REARRANGING = _RESHAPING | {"Concat", "Gather", "Slice", "Split", "Transpose"}
_LINEAR = frozenset({"Gemm", "MatMul", "Conv", "Add", "GlobalAveragePool", "ReduceMean"})  # Add: of a bias
_QUANTIZING = frozenset({"QuantizeLinear", "DequantizeLinear"})
_OPERATORS = {name: name.removeprefix("QLinear") for name in ("Softmax", "Sigmoid", "QLinearSoftmax", "QLinearSigmoid")}
_PERCENT_TOLERANCE = 0.1


class Activation(NamedTuple):
    """What computes the scores.

    Attributes:
        operator: "Softmax", "Sigmoid", or "" for anything else.
        node: the node, if its input is the logits of all scores; else None.
        is_quantized: whether its output is rounded to integers, so that probabilities do not sum to exactly 1.
        is_linear: whether the scores are those of a linear layer, so that there is none, whatever their values.
    """

    operator: str
    node: NodeProto | None
    is_quantized: bool
    is_linear: bool = False


def find_activation(graph: Graph) -> Activation:
    """Find the activation of the scores, the first output of the graph, behind reshapes."""
    tensor = graph.proto.output[0].name
    node = producer_behind(graph, tensor, skipped=_RESHAPING)
    if node is not None and node.op_type in ("Softmax", "Sigmoid"):
        return Activation(node.op_type, node, is_quantized=False)
    quantized = producer_behind(graph, tensor, skipped=_RESHAPING | _QUANTIZING)
    if quantized is not None and quantized.op_type in _OPERATORS:
        return Activation(_OPERATORS[quantized.op_type], None, is_quantized=True)
    is_linear = node is not None and node.op_type in _LINEAR
    return Activation("Sigmoid" if _are_sigmoids(graph, tensor) else "", None, is_quantized=False, is_linear=is_linear)


def _are_sigmoids(graph: Graph, tensor: str) -> bool:
    """Whether every element of a tensor is the output of some Sigmoid."""
    pending, visited = [tensor], {tensor}
    while pending:
        node = graph.producer(pending.pop())
        if node is None or node.op_type not in _REARRANGING | {"Sigmoid"}:
            return False
        if node.op_type != "Sigmoid":
            sources = set(node.input if node.op_type == "Concat" else node.input[:1]) - visited
            pending.extend(sources)
            visited.update(sources)
    return True


def refuse_scaled(graph: Graph, outputs: Floats) -> None:
    """Refuse probabilities in percent, which would be taken for logits.

    Args:
        graph: the classifier; its first output is the scores.
        outputs: (N, scores).

    Raises:
        SpecError: the scores are probabilities times a constant.
    """
    sums = outputs.sum(axis=1)
    if outputs.shape[1] > 1 and outputs.min() >= 0 and abs(sums - 100).max() <= _PERCENT_TOLERANCE:
        raise SpecError(
            f"outputs are probabilities in percent: rows sum to {sums[0]:.4g}; "
            f"export the model without the factor of 100"
        )
    node = producer_behind(graph, graph.proto.output[0].name, skipped=_RESHAPING)
    if node is None or node.op_type not in ("Mul", "Div"):
        return
    computed = [name for name in node.input if name not in graph.initializers]
    behind = [producer_behind(graph, name, skipped=_RESHAPING) for name in computed]
    operators = [producer.op_type for producer in behind if producer is not None and producer.op_type != "Constant"]
    if operators == ["Sigmoid"]:
        raise SpecError(
            f"outputs are sigmoids times a constant (up to {outputs.max():.4g}), as in percent; export the model "
            f"without that factor"
        )
