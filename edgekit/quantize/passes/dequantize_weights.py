"""Dequantize weights that are stored in 8 bits but multiplied in float32, so that their layers can be quantized whole.

1. Finds the layers whose weights come from a DequantizeLinear of constants, while their input does not come from one:
   only their storage is 8-bit.
2. Replaces those weights by the float32 values that the DequantizeLinear computes. No output changes.
3. Leaves layers unchanged whose input comes from a DequantizeLinear too: runtimes compute them with integers.
"""

from __future__ import annotations

import numpy as np
from onnx import ModelProto
from onnx.reference import ReferenceEvaluator

from edgekit.graph.edit import add_constant, copied, replace_nodes
from edgekit.graph.index import Graph
from edgekit.quantize.integer_layers import dequantizer, weight_storage


def dequantize_weights(model: ModelProto) -> ModelProto:
    """Dequantize the weights of float layers; see the rules above.

    Args:
        model: any ONNX model; not changed.

    Returns:
        A model whose float layers have float32 weights.
    """
    graph = Graph(copied(model))
    float_layers = [
        (node, storage)
        for node in graph.nodes
        if (storage := weight_storage(graph, node)) is not None and dequantizer(graph, node.input[0]) is None
    ]
    for node, storage in float_layers:
        inputs = {name: graph.constant(name) for name in storage.input if name}
        (values,) = ReferenceEvaluator(storage).run(None, inputs)
        node.input[1] = add_constant(graph, f"{node.output[0]}_weight_float32", np.asarray(values, np.float32))
    if float_layers:
        read = {name for node in graph.nodes for name in node.input} | graph.outputs
        replace_nodes(graph, [node for node in graph.nodes if read.intersection(node.output)])
    return graph.model
