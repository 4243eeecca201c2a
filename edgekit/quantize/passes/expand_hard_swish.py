"""Rewrite hard-swish so that it can be computed in 8 bits: hard_swish(x) = x * hard_sigmoid(x).

Measured with onnxruntime 1.31 on x86 with VNNI, one thread: without this pass, an int8 MobileNetV3 Small at 224x224 is
no faster than in float32, because its activations are computed in float; with it, 1.2 times as fast.

1. Inspects the HardSwish nodes.
2. Replaces each by a HardSigmoid of slope 1/6 and value 1/2 at 0, as ONNX defines it, and a Mul of that and the input.
   `insert_qdq` computes both in integers.
3. Leaves all other nodes unchanged.

The input is not clipped at -3, below which the product is 0, although that would make the steps of its integers finer:
they would be almost as wide as those of the product, so that the same values are rounded in the same direction. In a
MobileNetV3 Small for CIFAR-10, the KL divergence from float32 grew, to as much as 2.6 times: for percentile ranges in
each of five draws of the calibration images, for minmax ranges in four.
"""

from __future__ import annotations

from onnx import ModelProto, NodeProto, helper

from edgekit.graph.edit import replace_nodes
from edgekit.graph.index import Graph
from edgekit.graph.passes.name_nodes import name_nodes


def expand_hard_swish(model: ModelProto) -> ModelProto:
    """Rewrite hard-swish; see the rules above.

    Args:
        model: float network; not changed.

    Returns:
        A model with the same outputs, up to float32 rounding, and named nodes.
    """
    graph = Graph(name_nodes(model))
    replace_nodes(graph, [new for node in graph.nodes for new in _replacement(node)])
    return graph.model


def _replacement(node: NodeProto) -> list[NodeProto]:
    """The nodes that replace this one: the node itself if it is no HardSwish."""
    if node.op_type != "HardSwish":
        return [node]
    gate = f"{node.name}_gate"
    return [
        helper.make_node("HardSigmoid", [node.input[0]], [gate], name=gate, alpha=1 / 6, beta=0.5),
        helper.make_node("Mul", [node.input[0], gate], [node.output[0]], name=node.name),
    ]
