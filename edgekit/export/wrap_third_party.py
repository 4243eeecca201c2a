"""Wraps a third-party graph: normalization in front, logits at the end, a dynamic batch size if the graph allows it."""

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

MIN_PROBABILITY = 1e-30  # smaller probabilities are raised to it, so that their logarithm is finite
_RESHAPING = frozenset({"Flatten", "Reshape", "Squeeze", "Identity"})
_BATCH_TOLERANCE = 1e-4  # relative to the largest logit: the batch size changes the order of sums


def wrap(
    source: ThirdPartyModel, preprocess: Preprocess, *, bgr: bool, kind: OutputKind, first: int, classes: int
) -> ModelProto:
    """Add the normalization and make the graph output logits.

    Args:
        source: third-party classifier; not changed.
        preprocess: mean, std and size of its input.
        bgr: it expects its channels in BGR order.
        kind: what it outputs now.
        first: index of the first class to keep; 1 removes a background class.
        classes: number of its outputs.

    Returns:
        A model with the input `pixels`, uint8 (batch, height, width, channels), and the output `logits`, float32
        (batch, classes - first).
    """
    graph = Graph(copied(source.model))
    _prepend_preprocessing(graph, source, preprocess, bgr)
    _append_logits(graph, kind, first, classes)
    return graph.model


def _prepend_preprocessing(graph: Graph, source: ThirdPartyModel, preprocess: Preprocess, bgr: bool) -> None:
    """Insert the normalization of uint8 (batch, height, width, channels) as PixelNetwork computes it."""
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
    """Make the output float32 (batch, classes) logits: the input of the softmax, without a background class."""
    tensor = graph.proto.output[0].name
    softmax = producer_behind(graph, tensor, skipped=_RESHAPING)
    if kind == "probabilities" and softmax is not None and softmax.op_type == "Softmax":
        tensor = softmax.input[0] if tensor == softmax.output[0] else tensor
        bypass_node(graph, softmax)
    elif kind == "probabilities":
        minimum = add_constant(graph, "least_probability", np.array([MIN_PROBABILITY], np.float32))
        tensor = _append(graph, "Log", [_append(graph, "Max", [tensor, minimum])])
    if len(graph.proto.output[0].type.tensor_type.shape.dim) != 2:
        tensor = _append(graph, "Flatten", [tensor], axis=1)
    if first:
        labeled = add_constant(graph, "kept_classes", np.arange(first, classes))
        tensor = _append(graph, "Gather", [tensor, labeled], axis=1)
    del graph.proto.output[:]
    rename(graph, tensor, "logits")
    declare_output(graph, "logits", (BATCH, classes - first))


def _append(graph: Graph, operator: str, inputs: list[str], *, axis: int | None = None) -> str:
    """Append a node and return the name of its output."""
    output = free_name(graph, f"logits_{operator.lower()}")
    attributes: dict[str, Any] = {} if axis is None else {"axis": axis}
    append_node(graph, helper.make_node(operator, inputs, [output], name=output, **attributes))
    return output


def with_dynamic_batch(model: ModelProto, source: ThirdPartyModel, pixels: Pixels) -> tuple[bytes, int | None]:
    """Make the batch size dynamic if the logits are the same for a larger batch.

    Args:
        model: the wrapped model.
        source: the classifier that it was made from.
        pixels: uint8 (N, height, width, channels); the comparison uses shifted copies of the first image.

    Returns:
        The bytes of the model, and its batch size; None if it is dynamic.
    """
    fixed_batch = source.batch or 1
    fixed = serialized(set_batch(model, batch=fixed_batch))
    if source.batch is not None:
        model = _with_dynamic_reshapes(set_batch(model, batch=fixed_batch), fixed_batch)
    model = set_batch(model, batch=None)
    dynamic = serialized(model)
    larger_batch = np.stack([np.roll(pixels[0], shift, axis=0) for shift in range(fixed_batch + 1)])
    try:
        fixed_logits = onnx_logits(fixed, name=source.name)
        larger_logits = onnx_logits(serialized(set_batch(model, batch=len(larger_batch))), name="the larger batch")
        if measure_parity(fixed_logits, larger_logits, larger_batch).relative_difference <= _BATCH_TOLERANCE:
            return dynamic, None
    except ArtifactError:  # onnxruntime cannot load or run the larger batch
        pass
    return fixed, fixed_batch


def _with_dynamic_reshapes(model: ModelProto, batch: int) -> ModelProto:
    """Make each Reshape that keeps `batch` rows keep any number of rows."""
    graph, shapes = Graph(copied(model)), tensor_shapes(model)
    for node in graph.nodes:
        shape = graph.constant(node.input[1]) if node.op_type == "Reshape" else None
        rows = (int(shape[0]), shapes.get(node.input[0], ("?",))[0]) if shape is not None and shape.size else ()
        if shape is not None and rows == (batch, batch) and not attribute(node, "allowzero", 0):
            node.input[1] = add_constant(graph, f"{node.input[1]}_opened", np.array([0, *shape[1:]], np.int64))
    return graph.model


def last_operator(graph: Graph, tensor: str) -> str:
    """The operator that computes a tensor, looking through reshapes; empty if the tensor is an input."""
    node = producer_behind(graph, tensor, skipped=_RESHAPING)
    return "" if node is None else str(node.op_type)
