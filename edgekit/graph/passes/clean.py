"""Remove what a model does not need to run: the traces of the tools that made it.

The exporter records the source file and line of every node, the simplifier its own metadata, and onnxruntime's tools
their operator domains.

1. Sets the producer and the name of the graph to "edgekit".
2. Removes documentation, metadata and intermediate shapes from the model, its nodes, initializers, inputs and outputs.
3. Removes operator sets that no node uses.
4. Lowers the IR version to the one that the opset needs, for old runtimes.
5. Leaves the computation unchanged.
"""

from __future__ import annotations

import onnx
from onnx import ModelProto

from edgekit.errors import ArtifactError
from edgekit.graph.edit import copied
from edgekit.graph.passes.lower_versions import lower_ir_version

PRODUCER = "edgekit"


def clean(model: ModelProto) -> ModelProto:
    """Clean a model; see the rules above.

    Args:
        model: any ONNX model; not changed.

    Returns:
        A model with the same computation and no metadata.
    """
    model = copied(model)
    model.producer_name, model.producer_version, model.doc_string = PRODUCER, "", ""
    graph = model.graph
    graph.name, graph.doc_string = PRODUCER, ""
    del model.metadata_props[:], graph.metadata_props[:], graph.value_info[:]
    for entries in (graph.node, graph.initializer, graph.input, graph.output):
        for entry in entries:
            entry.doc_string = ""
            del entry.metadata_props[:]
    domains = {node.domain for node in graph.node}
    operator_sets = [entry for entry in model.opset_import if entry.domain in domains]
    del model.opset_import[:]
    model.opset_import.extend(operator_sets)
    return lower_ir_version(model)


def serialized(model: ModelProto) -> bytes:
    """Clean a model, check it against the ONNX specification and serialize it.

    Args:
        model: any ONNX model; not changed.

    Returns:
        The bytes of the file; the same model always gives the same bytes.

    Raises:
        ArtifactError: it is not valid.
    """
    model = clean(model)
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        raise ArtifactError(f"the model is not valid ONNX: {str(error).strip().partition(chr(10))[0]}") from None
    data: bytes = model.SerializeToString(deterministic=True)
    return data
