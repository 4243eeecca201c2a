"""Give a model the lowest versions that describe it, so that old runtimes load it.

onnxruntime refuses files whose opset or IR version is newer than itself, even if their operators have not changed.

1. The opset becomes the lowest in which every operator of the graph means the same, at least 13.
2. An operator that later opsets only extended by types counts as its older version, if the model has none of these
   types and no attribute that the older version lacks.
3. The IR version becomes the lowest that the opset needs (versioning table of the ONNX specification), at least 4.
4. Leaves nodes and initializers unchanged; a graph with subgraphs, local functions or operators of other domains keeps
   its opset.
"""

from __future__ import annotations

from collections.abc import Iterable

import onnx
from onnx import AttributeProto, ModelProto, NodeProto, TensorProto

from edgekit.graph.edit import copied

_LOWEST = 13
# Before IR version 4, initializers had to be inputs of the graph, too.
_LOWEST_IR = 4
# The opset from which on later ones only added types (bfloat16, float8, 4-bit integers) and attributes for them.
# AveragePool is not among them: onnxruntime corrected its ceil_mode with opset 19.
_EXTENDED_BY_TYPES = {
    "Cast": 13,
    "ConstantOfShape": 9,
    "Conv": 11,
    "ConvTranspose": 11,
    "DequantizeLinear": 13,
    "Dropout": 13,
    "Elu": 6,
    "Equal": 13,
    "Flatten": 13,
    "GlobalAveragePool": 1,
    "GlobalMaxPool": 1,
    "HardSigmoid": 6,
    "HardSwish": 14,
    "Identity": 16,
    "InstanceNormalization": 6,
    "LeakyRelu": 6,
    "MaxPool": 12,
    "QuantizeLinear": 13,
    "Reshape": 14,
    "Selu": 6,
    "Shape": 15,
    "Size": 13,
    "Softplus": 1,
    "Squeeze": 13,
    "ThresholdedRelu": 10,
    "Transpose": 13,
    "Unsqueeze": 13,
}
_OLD_TYPES = frozenset(
    {
        TensorProto.FLOAT,
        TensorProto.UINT8,
        TensorProto.INT8,
        TensorProto.UINT16,
        TensorProto.INT16,
        TensorProto.INT32,
        TensorProto.INT64,
        TensorProto.BOOL,
        TensorProto.FLOAT16,
        TensorProto.DOUBLE,
        TensorProto.UINT32,
        TensorProto.UINT64,
    }
)


def lower_versions(model: ModelProto) -> ModelProto:
    """Lower the opset and the IR version of a model; see the rules above.

    Args:
        model: any ONNX model; not changed.

    Returns:
        A model with the same computation.
    """
    model = copied(model)
    opset = next((entry for entry in model.opset_import if entry.domain in ("", "ai.onnx")), None)
    if opset is not None and _is_plain(model):
        has_old_types = _OLD_TYPES.issuperset(_types(model))
        needed = (_needed_opset(node, opset.version, has_old_types=has_old_types) for node in model.graph.node)
        opset.version = min(opset.version, max(_LOWEST, *needed, _LOWEST))
    return lower_ir_version(model)


def lower_ir_version(model: ModelProto) -> ModelProto:
    """Lower only the IR version; see rule 3 above.

    Args:
        model: any ONNX model; not changed.

    Returns:
        A model with the same computation.
    """
    model = copied(model)
    opsets = [entry for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    if opsets and not model.functions and _OLD_TYPES.issuperset(_types(model)):
        needed = onnx.helper.find_min_ir_version_for(opsets)
        model.ir_version = min(model.ir_version, max(_LOWEST_IR, needed))
    return model


def _is_plain(model: ModelProto) -> bool:
    graphs = (AttributeProto.GRAPH, AttributeProto.GRAPHS)
    attributes = (attribute for node in model.graph.node for attribute in node.attribute)
    return (
        not model.functions
        and all(node.domain in ("", "ai.onnx") for node in model.graph.node)
        and all(attribute.type not in graphs for attribute in attributes)
    )


def _types(model: ModelProto) -> Iterable[int]:
    """The types of all tensors that the model names, and those that Cast produces."""
    graph = model.graph
    yield from (tensor.data_type for tensor in graph.initializer)
    yield from (value.type.tensor_type.elem_type for value in (*graph.input, *graph.output, *graph.value_info))
    for node in graph.node:
        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.name == "to":
                yield attribute.i
            if attribute.type == AttributeProto.TENSOR:
                yield attribute.t.data_type


def _needed_opset(node: NodeProto, opset: int, *, has_old_types: bool) -> int:
    """The first opset in which the node means what it means in `opset`."""
    schema = onnx.defs.get_schema(node.op_type, opset, node.domain)
    older = _EXTENDED_BY_TYPES.get(node.op_type)
    if older is None or not has_old_types or schema.since_version <= older:
        return int(schema.since_version)
    known = onnx.defs.get_schema(node.op_type, older, node.domain).attributes
    return older if all(attribute.name in known for attribute in node.attribute) else int(schema.since_version)
