"""A third-party graph wrapped: preprocessing in front, logits at its end, any batch size if it allows that."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
from onnx import ModelProto, TensorProto, helper

from edgekit.errors import ArtifactError
from edgekit.evaluate.parity import measure_parity, onnx_logits
from edgekit.export.third_party import ThirdPartyModel, normalization
from edgekit.graph.edit import (
    add_constant,
    append_node,
    bypass_node,
    clear_name,
    copied,
    declare_output,
    free_name,
    insert_node,
    rename,
)
from edgekit.graph.index import Graph, attribute, producer_behind, tensor_shapes
from edgekit.graph.passes.clean import serialized
from edgekit.graph.passes.set_batch import BATCH, set_batch
from edgekit.image.source import Pixels
from edgekit.preprocess.spec import Preprocess

OutputKind: TypeAlias = Literal["logits", "probabilities"]

LEAST_PROBABILITY = 1e-30  # smaller ones are raised to it, or their logarithm would be infinite
_RESHAPING = frozenset({"Flatten", "Reshape", "Squeeze", "Identity"})
_BATCH_TOLERANCE = 1e-4  # of the largest logit: batches of one and of two are summed in another order


def wrap(
    source: ThirdPartyModel, preprocess: Preprocess, *, bgr: bool, kind: OutputKind, first: int, classes: int
) -> ModelProto:
    """The graph with the preprocessing in front and logits at its end.

    kind: of its present output. first: the first of its `classes` that has a label.
    """
    graph = Graph(copied(source.model))
    _prepend_preprocessing(graph, source, preprocess, bgr)
    _append_logits(graph, kind, first, classes)
    return graph.model


def _prepend_preprocessing(graph: Graph, source: ThirdPartyModel, preprocess: Preprocess, bgr: bool) -> None:
    """Put the normalization of uint8 (batch, height, width, channels) in front, as PixelNetwork has it."""
    rename(graph, source.input, "normalized")
    clear_name(graph, "pixels")
    shape = [1] * 4
    shape[source.channel_axis] = preprocess.channels
    scale, shift = (
        add_constant(graph, name, value.reshape(shape))
        for name, value in zip(("scale", "shift"), normalization(preprocess), strict=True)
    )
    steps: list[tuple[str, list[str], dict[str, Any]]] = []
    if source.layout == "nchw":
        steps.append(("Transpose", [], {"perm": [0, 3, 1, 2]}))
    steps += [("Cast", [], {"to": TensorProto.FLOAT}), ("Mul", [scale], {}), ("Add", [shift], {})]
    if bgr:
        order = add_constant(graph, "blue_green_red", np.array([2, 1, 0]))
        steps.append(("Gather", [order], {"axis": source.channel_axis}))
    tensor = "pixels"
    for number, (operator, operands, attributes) in enumerate(steps):
        output = "normalized" if number + 1 == len(steps) else free_name(graph, f"pixels_{operator.lower()}")
        node = helper.make_node(operator, [tensor, *operands], [output], name=output, **attributes)
        insert_node(graph, number, node)
        tensor = output
    del graph.proto.input[:]
    pixels: list[int | str | None] = [BATCH, *preprocess.crop, preprocess.channels]
    graph.proto.input.append(helper.make_tensor_value_info("pixels", TensorProto.UINT8, pixels))


def _append_logits(graph: Graph, kind: OutputKind, first: int, classes: int) -> None:
    """End in float32 (batch, classes) logits: the softmax's input, without the background class."""
    tensor = graph.proto.output[0].name
    softmax = producer_behind(graph, tensor, skipped=_RESHAPING)
    if kind == "probabilities" and softmax is not None and softmax.op_type == "Softmax":
        tensor = softmax.input[0] if tensor == softmax.output[0] else tensor
        bypass_node(graph, softmax)
    elif kind == "probabilities":
        least = add_constant(graph, "least_probability", np.array([LEAST_PROBABILITY], np.float32))
        tensor = _append(graph, "Log", [_append(graph, "Max", [tensor, least])])
    if len(graph.proto.output[0].type.tensor_type.shape.dim) != 2:
        tensor = _append(graph, "Flatten", [tensor], axis=1)
    if first:
        labeled = add_constant(graph, "kept_classes", np.arange(first, classes))
        tensor = _append(graph, "Gather", [tensor, labeled], axis=1)
    del graph.proto.output[:]
    rename(graph, tensor, "logits")
    declare_output(graph, "logits", (BATCH, classes - first))


def _append(graph: Graph, operator: str, inputs: list[str], *, axis: int | None = None) -> str:
    """Append a node; the name of its output."""
    output = free_name(graph, f"logits_{operator.lower()}")
    attributes: dict[str, Any] = {} if axis is None else {"axis": axis}
    append_node(graph, helper.make_node(operator, inputs, [output], name=output, **attributes))
    return output


def open_batch(model: ModelProto, source: ThirdPartyModel, pixels: Pixels) -> tuple[bytes, int | None]:
    """The model for any batch size if its logits stay the same; else for its own; and that batch size, None if any."""
    fixed = source.batch or 1
    unopened = serialized(set_batch(model, batch=fixed))
    if source.batch is not None:
        model = _with_open_reshapes(set_batch(model, batch=fixed), fixed)
    model = set_batch(model, batch=None)
    opened = serialized(model)
    larger = np.stack([np.roll(pixels[0], shift, axis=0) for shift in range(fixed + 1)])
    try:
        before = onnx_logits(unopened, name=source.name)
        after = onnx_logits(serialized(set_batch(model, batch=len(larger))), name="opened")
        if measure_parity(before, after, larger).relative_difference <= _BATCH_TOLERANCE:
            return opened, None
    except ArtifactError:  # onnxruntime cannot load or run it for so many
        pass
    return unopened, fixed


def _with_open_reshapes(model: ModelProto, batch: int) -> ModelProto:
    """Let every Reshape of `batch` rows to as many rows keep the rows that it is given."""
    graph, shapes = Graph(copied(model)), tensor_shapes(model)
    for node in graph.nodes:
        shape = graph.constant(node.input[1]) if node.op_type == "Reshape" else None
        rows = (int(shape[0]), shapes.get(node.input[0], ("?",))[0]) if shape is not None and shape.size else ()
        if shape is not None and rows == (batch, batch) and not attribute(node, "allowzero", 0):
            node.input[1] = add_constant(graph, f"{node.input[1]}_opened", np.array([0, *shape[1:]], np.int64))
    return graph.model


def last_operator(graph: Graph, tensor: str) -> str:
    """The operator that computes the tensor, apart from reshaping; empty if it is an input."""
    node = producer_behind(graph, tensor, skipped=_RESHAPING)
    return "" if node is None else str(node.op_type)
