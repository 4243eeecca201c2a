"""What a model file does not need: the tools' traces, source paths among them."""

from __future__ import annotations

import onnx
from onnx import ModelProto

PRODUCER = "edgekit"


def clean(model: ModelProto) -> ModelProto:
    """Remove documentation, metadata, intermediate shapes and unused operator sets; in place, and returned.

    The exporter notes the path and line of the source code at every node, the simplifier its own figures, and
    onnxruntime's tools their operator domains. None of it changes an answer.
    """
    model.producer_name, model.producer_version, model.doc_string = PRODUCER, "", ""
    del model.metadata_props[:]
    graph = model.graph
    graph.name, graph.doc_string = PRODUCER, ""
    del graph.metadata_props[:], graph.value_info[:]
    for holders in (graph.node, graph.initializer, graph.input, graph.output):
        for holder in holders:
            holder.doc_string = ""
            del holder.metadata_props[:]
    used = {node.domain for node in graph.node}
    kept = [opset for opset in model.opset_import if opset.domain in used]
    del model.opset_import[:]
    model.opset_import.extend(kept)
    return model


def serialized(model: ModelProto) -> bytes:
    """The cleaned model's bytes, checked against ONNX's rules; the same model gives the same bytes."""
    onnx.checker.check_model(clean(model))
    data: bytes = model.SerializeToString(deterministic=True)
    return data
