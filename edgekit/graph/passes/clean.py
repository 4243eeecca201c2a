"""Remove what a model does not need to run: the traces of the tools that made it.

The exporter records the path and line of the source code at every node, the simplifier its own figures, and
onnxruntime's tools their operator domains.

1. Replaces the producer and the graph's name by edgekit's.
2. Removes documentation, metadata and intermediate shapes from the model, its nodes, initializers, inputs and outputs.
3. Removes operator sets that no node uses.
4. Leaves everything that is computed as it is.
"""

from __future__ import annotations

import onnx
from onnx import ModelProto

from edgekit.graph.edit import copied

PRODUCER = "edgekit"


def clean(model: ModelProto) -> ModelProto:
    """A model that computes the same and contains nothing else."""
    model = copied(model)
    model.producer_name, model.producer_version, model.doc_string = PRODUCER, "", ""
    graph = model.graph
    graph.name, graph.doc_string = PRODUCER, ""
    del model.metadata_props[:], graph.metadata_props[:], graph.value_info[:]
    for entries in (graph.node, graph.initializer, graph.input, graph.output):
        for entry in entries:
            entry.doc_string = ""
            del entry.metadata_props[:]
    used = {node.domain for node in graph.node}
    operator_sets = [entry for entry in model.opset_import if entry.domain in used]
    del model.opset_import[:]
    model.opset_import.extend(operator_sets)
    return model


def serialized(model: ModelProto) -> bytes:
    """The cleaned model's bytes, checked against ONNX's rules; the same model gives the same bytes."""
    model = clean(model)
    onnx.checker.check_model(model)
    data: bytes = model.SerializeToString(deterministic=True)
    return data
