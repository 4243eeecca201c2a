"""Store weights in 16 bits: half the file size; the arithmetic stays in float32, which x86 processors compute faster.

1. Inspects float32 initializers of 256 values or more.
2. Stores them as float16 with a Cast to float32 before their consumers; runtimes compute the Cast once, on loading.
3. Leaves smaller initializers, and those with values beyond the range of float16, unchanged.
"""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

from edgekit.graph.edit import replace_nodes, set_constant
from edgekit.graph.index import Graph
from edgekit.graph.passes.name_nodes import name_nodes

_MIN_VALUES = 256
_FLOAT16_MAX = float(np.finfo(np.float16).max)


def store_float16(model: ModelProto) -> ModelProto:
    """Store weights in 16 bits; see the rules above.

    Args:
        model: float network; not changed.

    Returns:
        A model with float16 weights and float32 arithmetic.
    """
    graph = Graph(name_nodes(model))
    casts = []
    for name, tensor in list(graph.initializers.items()):
        values = np.asarray(numpy_helper.to_array(tensor))
        if values.dtype != np.float32 or values.size < _MIN_VALUES or np.abs(values).max() > _FLOAT16_MAX:
            continue
        for consumer in graph.consumers(name):
            consumer.input[:] = [f"{name}_float32" if read == name else read for read in consumer.input]
        set_constant(graph, name, values.astype(np.float16))
        casts.append(helper.make_node("Cast", [name], [f"{name}_float32"], name=f"{name}_Cast", to=TensorProto.FLOAT))
    replace_nodes(graph, casts + graph.nodes)
    return graph.model
