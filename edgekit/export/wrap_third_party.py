"""A stranger's graph rebuilt: the preprocessing in front, logits at its end, any number of pictures where it can."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper

from edgekit.errors import ArtifactError
from edgekit.evaluate.parity import compare, onnx_logits
from edgekit.export.third_party import Plain, normalization
from edgekit.graph.clean import serialized
from edgekit.graph.edit import (
    BATCH,
    add_constant,
    attribute,
    clear_name,
    constant,
    float_output,
    free_name,
    producer,
    rename,
    set_batch,
    tensor_shapes,
)
from edgekit.image.source import Pixels
from edgekit.preprocess.spec import Preprocess

OutputKind: TypeAlias = Literal["logits", "probabilities"]

LEAST_PROBABILITY = 1e-30  # what is less counts as this, or its logarithm would be infinite
_PASSING = frozenset({"Flatten", "Reshape", "Squeeze", "Identity"})
_SAME = 1e-4  # of the largest logit: batches of one and of two are summed in another order


def rebuilt(
    plain: Plain, preprocess: Preprocess, *, bgr: bool, kind: OutputKind, first: int, classes: int
) -> ModelProto:
    """The plain graph with the preprocessing in front and logits at its end.

    kind: what it answers as it is. first: the first of its `classes` that has a label.
    """
    model = ModelProto()
    model.CopyFrom(plain.model)
    _take_pixels(model.graph, plain, preprocess, bgr)
    _give_logits(model.graph, kind, first, classes)
    return model


def _take_pixels(graph: GraphProto, plain: Plain, preprocess: Preprocess, bgr: bool) -> None:
    """Put the normalization of uint8 (batch, height, width, channels) in front, as PixelNetwork has it."""
    rename(graph, plain.input, "normalized")
    clear_name(graph, "pixels")
    shape = [1] * 4
    shape[plain.channel_axis] = preprocess.channels
    scale, shift = (
        add_constant(graph, name, value.reshape(shape))
        for name, value in zip(("scale", "shift"), normalization(preprocess), strict=True)
    )
    steps: list[tuple[str, list[str], dict[str, Any]]] = []
    if plain.layout == "nchw":
        steps.append(("Transpose", [], {"perm": [0, 3, 1, 2]}))
    steps += [("Cast", [], {"to": TensorProto.FLOAT}), ("Mul", [scale], {}), ("Add", [shift], {})]
    if bgr:
        order = add_constant(graph, "blue_green_red", np.array([2, 1, 0]))
        steps.append(("Gather", [order], {"axis": plain.channel_axis}))
    tensor = "pixels"
    for number, (operator, further, attributes) in enumerate(steps):
        output = "normalized" if number + 1 == len(steps) else free_name(graph, f"pixels_{operator.lower()}")
        node = helper.make_node(operator, [tensor, *further], [output], name=output, **attributes)
        graph.node.insert(number, node)
        tensor = output
    del graph.input[:]
    pixels: list[int | str | None] = [BATCH, *preprocess.crop, preprocess.channels]
    graph.input.append(helper.make_tensor_value_info("pixels", TensorProto.UINT8, pixels))


def _give_logits(graph: GraphProto, kind: OutputKind, first: int, classes: int) -> None:
    """End in float32 (batch, classes) logits: what a softmax would be taken of, without the background class."""
    tensor = graph.output[0].name
    softmax = _behind_passing(graph, tensor)
    if kind == "probabilities" and softmax is not None and softmax.op_type == "Softmax":
        tensor = _without(graph, softmax, tensor)
    elif kind == "probabilities":
        least = add_constant(graph, "least_probability", np.array(LEAST_PROBABILITY, np.float32))
        tensor = _then(graph, "Log", [_then(graph, "Max", [tensor, least])])
    if len(graph.output[0].type.tensor_type.shape.dim) != 2:
        tensor = _then(graph, "Flatten", [tensor], axis=1)
    if first:
        kept = add_constant(graph, "kept_classes", np.arange(first, classes))
        tensor = _then(graph, "Gather", [tensor, kept], axis=1)
    del graph.output[:]
    rename(graph, tensor, "logits")
    graph.output.append(float_output("logits", (BATCH, classes - first)))


def _then(graph: GraphProto, operator: str, inputs: list[str], *, axis: int | None = None) -> str:
    """Append a node; its output."""
    output = free_name(graph, f"logits_{operator.lower()}")
    attributes: dict[str, Any] = {} if axis is None else {"axis": axis}
    graph.node.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
    return output


def _without(graph: GraphProto, node: NodeProto, tensor: str) -> str:
    """Lead around the node; the name that the tensor has then."""
    before, after = node.input[0], node.output[0]
    graph.node.remove(node)
    for other in graph.node:
        other.input[:] = [before if name == after else name for name in other.input]
    return before if tensor == after else tensor


def with_open_batch(model: ModelProto, plain: Plain, pixels: Pixels) -> tuple[bytes, int | None]:
    """The model for any number of pictures where it gives them the same as before; else for as many as it says."""
    fixed = plain.batch or 1
    as_it_is = set_batch(serialized(model), fixed)
    if plain.batch is not None:
        model = onnx.load_from_string(as_it_is)
        _open_reshapes(model, fixed)
    opened = set_batch(serialized(model), None)
    others = np.stack([np.roll(pixels[0], shift, axis=0) for shift in range(fixed + 1)])  # one more than it says
    try:
        together = onnx_logits(set_batch(opened, len(others)), name="opened")
        if compare(onnx_logits(as_it_is, name=plain.name), together, others).relative_difference <= _SAME:
            return opened, None
    except ArtifactError:  # onnxruntime cannot load or run it for so many
        pass
    return as_it_is, fixed


def _open_reshapes(model: ModelProto, batch: int) -> None:
    """Let every Reshape of `batch` rows to as many rows keep the rows that it is given."""
    graph, shapes = model.graph, tensor_shapes(model)
    for node in graph.node:
        shape = constant(graph, node.input[1]) if node.op_type == "Reshape" else None
        rows = (int(shape[0]), shapes.get(node.input[0], ("?",))[0]) if shape is not None and shape.size else ()
        if shape is not None and rows == (batch, batch) and not attribute(node, "allowzero", 0):
            node.input[1] = add_constant(graph, f"{node.input[1]}_opened", np.array([0, *shape[1:]], np.int64))


def last_operator(graph: GraphProto, tensor: str) -> str:
    """The operator that computes the tensor, but for its shape; nothing where it is an input."""
    node = _behind_passing(graph, tensor)
    return "" if node is None else str(node.op_type)


def _behind_passing(graph: GraphProto, tensor: str) -> NodeProto | None:
    """The node that makes the tensor but for its shape."""
    node = producer(graph, tensor)
    while node is not None and node.op_type in _PASSING:
        node = producer(graph, node.input[0])
    return node
