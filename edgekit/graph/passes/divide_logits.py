"""Divide the logits by a temperature, for runtimes that compute the probabilities by a plain softmax.

1. Renames the tensor `logits` to an unused name.
2. Appends a Div of it by the temperature, whose output is `logits`: softmax(logits / temperature), as in Guo et al.
   2017, arXiv 1706.04599, section 4.2.
3. Leaves everything else as it is: the order of the classes does not change.
"""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, helper

from edgekit.graph.edit import add_constant, append_node, copied, free_name
from edgekit.graph.index import Graph

LOGITS = "logits"


def divide_logits(model: ModelProto, *, temperature: float) -> ModelProto:
    """Divide the logits; see the rules above.

    Args:
        model: network with the output `logits`; not changed.
        temperature: divisor, above 0.

    Returns:
        The model with the divided logits.
    """
    graph = Graph(copied(model))
    undivided = free_name(graph, f"{LOGITS}_undivided")
    for node in graph.nodes:
        for names in (node.input, node.output):
            names[:] = [undivided if name == LOGITS else name for name in names]
    graph.reindex()
    divisor = add_constant(graph, "temperature", np.array(temperature, np.float32))
    append_node(graph, helper.make_node("Div", [undivided, divisor], [LOGITS]))
    return graph.model
