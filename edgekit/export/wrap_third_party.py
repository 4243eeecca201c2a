"""Wraps a third-party graph: normalization in front, logits at the end, a dynamic batch size if the graph allows it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, helper

from edgekit.errors import ArtifactError
from edgekit.evaluate.parity import compare_logits, onnx_logits
from edgekit.export.heads import Head, append_logits
from edgekit.export.third_party import ThirdPartyModel, normalization
from edgekit.graph.edit import add_constant, clear_name, copied, free_name, insert_node, rename
from edgekit.graph.index import Graph, attribute, tensor_shapes
from edgekit.graph.large_weights import write
from edgekit.graph.passes.set_batch import BATCH, set_batch
from edgekit.image.source import Pixels
from edgekit.preprocess.scores import Floats
from edgekit.preprocess.spec import Preprocess

_BATCH_TOLERANCE = 1e-4  # relative to the largest logit: the batch size changes the order of sums


def wrap(source: ThirdPartyModel, preprocess: Preprocess, *, bgr: bool, head: Head) -> ModelProto:
    """Add the normalization and make the graph output logits.

    Args:
        source: third-party classifier with a single output; not changed.
        preprocess: mean, std and size of its input.
        bgr: it expects its channels in BGR order.
        head: what it outputs.

    Returns:
        A model with the input `pixels`, uint8 (batch, height, width, channels), and the output `logits`, float32
        (batch, classes).
    """
    graph = Graph(copied(source.model))
    _prepend_preprocessing(graph, source, preprocess, bgr)
    append_logits(graph, head)
    return graph.model


def _prepend_preprocessing(graph: Graph, source: ThirdPartyModel, preprocess: Preprocess, bgr: bool) -> None:
    """Insert the normalization of uint8 (batch, height, width, channels) as PixelNetwork computes it."""
    rename(graph, source.input, "normalized")
    clear_name(graph, "pixels")
    steps: list[tuple[str, list[str], dict[str, Any]]] = []
    if source.layout == "nchw":
        steps.append(("Transpose", [], {"perm": [0, 3, 1, 2]}))
    if source.dtype != "uint8":
        shape = [1] * 4
        shape[source.channel_axis] = preprocess.channels
        scale, shift = (
            add_constant(graph, name, value.reshape(shape))
            for name, value in zip(("scale", "shift"), normalization(preprocess), strict=True)
        )
        steps += [("Cast", [], {"to": TensorProto.FLOAT}), ("Mul", [scale], {}), ("Add", [shift], {})]
    if bgr:
        order = add_constant(graph, "blue_green_red", np.array([2, 1, 0]))
        steps.append(("Gather", [order], {"axis": source.channel_axis}))
    if source.dtype == "float16":
        steps.append(("Cast", [], {"to": TensorProto.FLOAT16}))
    tensor = "pixels"
    for number, (operator, operands, attributes) in enumerate(steps or [("Identity", [], {})]):
        output = "normalized" if number + 1 >= len(steps) else free_name(graph, f"pixels_{operator.lower()}")
        node = helper.make_node(operator, [tensor, *operands], [output], name=output, **attributes)
        insert_node(graph, number, node)
        tensor = output
    del graph.proto.input[:]
    pixels: list[int | str | None] = [BATCH, *preprocess.crop, preprocess.channels]
    graph.proto.input.append(helper.make_tensor_value_info("pixels", TensorProto.UINT8, pixels))


def graph_logits(model: ModelProto, source: ThirdPartyModel, pixels: Pixels, *, prepacking: bool = True) -> Floats:
    """Run a wrapped model.

    It is loaded from a file: from bytes, onnxruntime needs the size of the model once more.

    Args:
        model: the wrapped model.
        source: the classifier that it was made from.
        pixels: uint8 (N, height, width, channels).
        prepacking: as of `open_session`.

    Returns:
        float32 (N, classes).

    Raises:
        ArtifactError: onnxruntime cannot load or run it.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "wrapped.onnx")
        write(model, source.read(), path)
        return onnx_logits(path, name=source.name, prepacking=prepacking)(pixels)


def with_dynamic_batch(model: ModelProto, source: ThirdPartyModel, pixels: Pixels) -> tuple[ModelProto, int | None]:
    """Make the batch size dynamic if the logits are the same for a larger batch.

    Args:
        model: the wrapped model.
        source: the classifier that it was made from.
        pixels: uint8 (N, height, width, channels); the comparison uses shifted copies of them.

    Returns:
        The model, and its batch size; None if it is dynamic.
    """
    fixed_batch = source.batch or 1
    fixed = set_batch(model, batch=fixed_batch)
    opened = model if source.batch is None else _with_dynamic_reshapes(fixed, fixed_batch)
    numbers = range(fixed_batch + 1)
    larger_batch = np.stack([np.roll(pixels[number % len(pixels)], number, axis=0) for number in numbers])
    try:
        fixed_logits, larger_logits = (
            graph_logits(candidate, source, larger_batch, prepacking=False)
            for candidate in (fixed, set_batch(opened, batch=len(larger_batch)))
        )
        if compare_logits(fixed_logits, larger_logits).relative_difference <= _BATCH_TOLERANCE:
            return set_batch(opened, batch=None), None
    except ArtifactError:  # onnxruntime cannot load or run the larger batch
        pass
    return fixed, fixed_batch


def _with_dynamic_reshapes(model: ModelProto, batch: int) -> ModelProto:
    """Make each Reshape to a constant shape keep any number of rows."""
    graph, shapes = Graph(copied(model)), tensor_shapes(model)
    for node in graph.nodes:
        shape = graph.constant(node.input[1]) if node.op_type == "Reshape" else None
        if shape is None or not shape.size:
            continue
        rows = (int(shape[0]), shapes.get(node.input[0], ("?",))[0])
        opened = [0 if rows == (batch, batch) else -1, *shape[1:].tolist()]
        is_literal = attribute(node, "allowzero", 0) and 0 in shape
        # With -1, the first extent is computed: the same for the fixed batch size, and maybe right for others.
        if not is_literal and shape[0] > 0 and (opened[0] == 0 or -1 not in shape):
            node.input[1] = add_constant(graph, f"{node.input[1]}_opened", np.array(opened, np.int64))
            kept = [entry for entry in node.attribute if entry.name != "allowzero"]
            del node.attribute[:]
            node.attribute.extend(kept)
    return graph.model
