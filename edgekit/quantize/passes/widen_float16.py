"""Turn a float16 network into a float32 one, so that it can be quantized.

float32 represents every float16 value exactly, so no weight changes. A network that computes in float16 then computes
more exactly than before: its logits differ by the rounding that float16 added.

1. Converts float16 initializers, and float16 tensors in attributes, to float32.
2. Declares float16 inputs, outputs and intermediate tensors as float32.
3. Makes the Casts to float16, and other attributes that name that type, name float32.
4. Removes the Casts from float32 to float32 that remain, so that the quantizer finds what lies behind them.
5. Leaves a model without float16 unchanged, and all integers and their scales.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, numpy_helper

from edgekit.graph.edit import bypass_node, copied
from edgekit.graph.index import Graph, attribute

# Attributes that contain a tensor type: of Cast; of EyeLike and the random generators; of QuantizeLinear.
_TYPE_ATTRIBUTES = frozenset({"to", "dtype", "output_dtype"})


def widen_float16(model: ModelProto) -> ModelProto:
    """Turn a float16 network into a float32 one; see the rules above.

    Args:
        model: any ONNX model; not changed.

    Returns:
        A model without float16.
    """
    model = copied(model)
    tensors = [tensor for tensor in _tensors(model.graph) if tensor.data_type == TensorProto.FLOAT16]
    types = [entry for entry in _type_attributes(model.graph) if entry.i == TensorProto.FLOAT16]
    if not tensors and not types:
        return model
    for tensor in tensors:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float32), tensor.name))
    for entry in types:
        entry.i = TensorProto.FLOAT
    for graph in _graphs(model.graph):
        for value in (*graph.input, *graph.output, *graph.value_info):
            if value.type.tensor_type.elem_type == TensorProto.FLOAT16:
                value.type.tensor_type.elem_type = TensorProto.FLOAT
    return _without_idle_casts(model)


def _graphs(graph: GraphProto) -> Iterator[GraphProto]:
    """The graph and, recursively, those in the attributes of its nodes: the branches and bodies of If and Loop."""
    yield graph
    for entry in (entry for node in graph.node for entry in node.attribute):
        for inner in (*([entry.g] if entry.type == AttributeProto.GRAPH else []), *entry.graphs):
            yield from _graphs(inner)


def _tensors(root: GraphProto) -> Iterator[TensorProto]:
    for graph in _graphs(root):
        yield from graph.initializer
        for entry in (entry for node in graph.node for entry in node.attribute):
            yield from [entry.t] if entry.type == AttributeProto.TENSOR else entry.tensors


def _type_attributes(root: GraphProto) -> Iterator[AttributeProto]:
    for graph in _graphs(root):
        for node in graph.node:
            yield from (entry for entry in node.attribute if entry.name in _TYPE_ATTRIBUTES)


def _without_idle_casts(model: ModelProto) -> ModelProto:
    inferred = onnx.shape_inference.infer_shapes(model).graph
    types = {value.name: value.type.tensor_type.elem_type for value in (*inferred.value_info, *inferred.input)}
    types |= {tensor.name: tensor.data_type for tensor in inferred.initializer}
    graph = Graph(model)
    for node in graph.nodes:
        is_cast = node.op_type == "Cast" and attribute(node, "to", 0) == TensorProto.FLOAT
        if is_cast and types.get(node.input[0]) == TensorProto.FLOAT:
            _remove_cast(graph, node)
    return model


def _remove_cast(graph: Graph, cast: NodeProto) -> None:
    source, output = cast.input[0], cast.output[0]
    producer = graph.producer(source)
    if output not in graph.outputs:
        bypass_node(graph, cast)
    elif producer is not None and source not in graph.outputs:  # the output keeps its name
        graph.proto.node.remove(cast)
        for node in graph.nodes:
            for names in (node.input, node.output):
                names[:] = [output if name == source else name for name in names]
        graph.reindex()
