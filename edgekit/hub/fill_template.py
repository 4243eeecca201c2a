"""Builds a model file from a template and a checkpoint with numpy alone: without torch, onnx or onnxruntime."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from edgekit.artifact.info import ArtifactInfo, with_info
from edgekit.artifact.integer_weights import bias_scales, rounded_bias, rounded_weights, weight_scales
from edgekit.artifact.protobuf import delimited_header, fields
from edgekit.artifact.template import IntegerLayer, Shape, Source, Template, Tensors, unpack_template
from edgekit.errors import SpecError, WeightsError, listed, must_be
from edgekit.preprocess.scores import Floats
from edgekit.preprocess.spec import Preprocess

# Field numbers of onnx.proto: ModelProto.graph, GraphProto.initializer, and TensorProto's dims, name and raw_data.
_GRAPH, _INITIALIZER, _DIMS, _NAME, _RAW_DATA = 7, 5, 1, 8, 9
_VARIANCE = ".running_var"
_NOT_NEEDED = ".num_batches_tracked"  # of batch norms; older checkpoints lack it


def fill_template(template: bytes, tensors: Tensors, *, info: ArtifactInfo) -> bytes:
    """Build a model file from the weights of a checkpoint.

    The result is the file that `edgekit export`, and for int8 `edgekit quantize`, write for these weights. Its peak
    memory is about three times the size of the weights.

    Args:
        template: content of a template file, models/templates/NAME.template.
        tensors: tensors of the checkpoint by their published names; floats are converted to float32.
        info: what the model file is to state about itself; its labels, preprocessing, precision and, for int8,
            `weights_sha256` must agree with the template.

    Returns:
        Content of the .onnx file. The same arguments give the same bytes.

    Raises:
        WeightsError: the tensors do not fit the template; the message lists every missing, unknown, misshapen and
            unusable one. Or the template is an int8 one of other weights.
        SpecError: `info` does not agree with the template.
        ArtifactError: `template` is not a template.

    Example:
        >>> from edgekit.artifact.checkpoint_reader import read_checkpoint
        >>> from edgekit.hub.fill_template import fill_template
        >>> tensors = read_checkpoint("resnet18-f37072fd.pth")  # doctest: +SKIP
        >>> model = fill_template(template, tensors, info=info)  # doctest: +SKIP
    """
    unpacked = unpack_template(template)
    _check_info(info, unpacked.facts)
    message = memoryview(with_info(unpacked.model, info))
    graph = next(part for part in fields(message) if part.number == _GRAPH)
    chunks = list(_filled_graph(message[graph.payload : graph.end], unpacked, tensors))
    header = delimited_header(_GRAPH, sum(map(len, chunks)))
    return b"".join((message[: graph.start], header, *chunks, message[graph.end :]))


def template_facts(template: bytes) -> dict[str, Any]:
    """Read what is known about the model of a template.

    Args:
        template: content of a template file.

    Returns:
        JSON-ready values by name: `network`, `arguments`, `classes`, `preprocess`, `precision`; `target` and
        `weights_sha256`, which are None unless int8; and as in `ArtifactInfo`, `parity` and `calibration` as measured
        when the template was made, and `metrics`: None, because the images of that measurement may be ones that the
        weights were trained on.

    Raises:
        ArtifactError: not a template.
    """
    return dict(unpack_template(template).facts)


def _check_info(info: ArtifactInfo, facts: Mapping[str, Any]) -> None:
    """Raises an error if the metadata does not agree with the template."""
    if len(info.labels) != facts["classes"]:
        raise SpecError(must_be("info.labels", f"{facts['classes']} names, as the network has classes", info.labels))
    if info.precision != facts["precision"]:
        raise SpecError(must_be("info.precision", f"{facts['precision']}, as in the template", info.precision))
    if info.preprocess != Preprocess.from_dict(facts["preprocess"]):
        raise SpecError(must_be("info.preprocess", f"{facts['preprocess']}, as in the template", info.preprocess))
    expected = facts["weights_sha256"]
    if expected is not None and info.weights_sha256 != expected:
        raise WeightsError(
            f"the activation ranges of this int8 template were measured with other weights: those of the file with "
            f"sha256 {expected} (got {info.weights_sha256}); build the float32 model and quantize it"
        )


class _Initializer(NamedTuple):
    """A tensor of the graph.

    Attributes:
        name: of the tensor.
        shape: of the tensor.
        before: the fields of its message that precede its values.
        values: its raw_data; empty if they come from the checkpoint alone.
        after: the fields that follow them.
    """

    name: str
    shape: Shape
    before: bytes
    values: memoryview
    after: bytes


def _initializer(message: memoryview) -> _Initializer:
    name, dims, values = "", [], message[:0]
    before, after = bytearray(), bytearray()
    for part in fields(message):
        if part.number == _RAW_DATA:
            values = message[part.payload : part.end]
            continue
        (before if part.number < _RAW_DATA else after).extend(message[part.start : part.end])
        if part.number == _NAME:
            name = str(message[part.payload : part.end], "utf-8")
        elif part.number == _DIMS:
            dims.append(part.value)
    return _Initializer(name, tuple(dims), bytes(before), values, bytes(after))


def _filled_graph(graph: memoryview, template: Template, tensors: Tensors) -> Iterator[bytes | memoryview]:
    """The parts of the graph's message, with the values of all initializers."""
    parts = list(fields(graph))
    initializers = {
        part.start: _initializer(graph[part.payload : part.end]) for part in parts if part.number == _INITIALIZER
    }
    values = _initializer_values(template, {entry.name: entry for entry in initializers.values()}, tensors)
    for part in parts:
        entry = initializers.get(part.start)
        if entry is None or entry.name not in values:
            yield graph[part.start : part.end]
            continue
        array = values[entry.name]
        data = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).data.cast("B")
        before = entry.before + delimited_header(_RAW_DATA, len(data))
        yield delimited_header(_INITIALIZER, len(before) + len(data) + len(entry.after)) + before
        yield data
        yield entry.after


def _initializer_values(
    template: Template, initializers: Mapping[str, _Initializer], tensors: Tensors
) -> dict[str, npt.NDArray[np.generic]]:
    """The values of every initializer that depends on the checkpoint, by its name."""
    needed = [(source, initializers[name].shape) for name, source in template.sources.items()]
    for layer in template.layers:
        needed.append((layer.weight_source, initializers[layer.weights[0]].shape))
        needed.append((layer.bias_source, initializers[layer.bias[0]].shape))
    floats = _checked_tensors(tensors, needed, template)
    values: dict[str, npt.NDArray[np.generic]] = {
        name: source.values(floats) for name, source in template.sources.items()
    }
    for layer in template.layers:
        correction = np.frombuffer(initializers[layer.bias[0]].values, "<i4")
        values |= _layer_values(layer, floats, correction)
    return values


def _layer_values(
    layer: IntegerLayer, floats: Mapping[str, Floats], correction: npt.NDArray[np.int32]
) -> dict[str, npt.NDArray[np.generic]]:
    """The values of a layer's initializers, as `quantize.passes.insert_qdq` computes them."""
    weights, bias = layer.weight_source.values(floats), layer.bias_source.values(floats)
    scales = weight_scales(weights, output_axis=layer.output_axis, per_channel=True, in_pairs=layer.in_pairs)
    scales = np.maximum(scales, layer.least_scale).astype(np.float32)
    of_bias = bias_scales(scales, input_scale=layer.input_scale)
    return {
        layer.weights[0]: rounded_weights(weights, output_axis=layer.output_axis, scales=scales),
        layer.weights[1]: scales,
        layer.bias[0]: rounded_bias(bias, scales=of_bias) + correction,
        layer.bias[1]: of_bias,
    }


def _checked_tensors(tensors: Tensors, needed: list[tuple[Source, Shape]], template: Template) -> dict[str, Floats]:
    """The needed tensors in float32. Raises WeightsError if the checkpoint does not have exactly those of the network.

    needed: each source with the shape of its initializer.
    """
    shapes: dict[str, Shape] = {}
    for source, shape in needed:
        shapes |= source.shapes(shape)
    missing = [name for name in shapes if name not in tensors]
    extra = [
        n for n in tensors if n not in shapes and not n.startswith(template.optional) and not n.endswith(_NOT_NEEDED)
    ]
    present = {name: (tensors[name], shape) for name, shape in shapes.items() if name in tensors}
    misshapen = [f"{n} is {t.shape}, not {shape}" for n, (t, shape) in present.items() if t.shape != shape]
    with np.errstate(over="ignore"):  # what overflows is reported below
        floats = {n: np.asarray(t, np.float32) for n, (t, _) in present.items() if np.issubdtype(t.dtype, np.floating)}
    unusable = [f"{n} is {t.dtype}, not float32" for n, (t, _) in present.items() if n not in floats]
    unusable += [
        f"{n} has values that are not finite in float32" for n, t in floats.items() if not np.isfinite(t).all()
    ]
    unusable += [f"{n} has negative values" for n, t in floats.items() if n.endswith(_VARIANCE) and (t < 0).any()]
    problems = (("missing", missing), ("unknown", extra), ("misshapen", misshapen), ("unusable", unusable))
    summary = "; ".join(f"{len(names)} {kind}: {listed(names)}" for kind, names in problems if names)
    if summary:
        raise WeightsError(f"the weights do not fit {template.facts['network']}: {summary}")
    return floats
