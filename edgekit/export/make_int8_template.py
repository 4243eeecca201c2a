"""Makes int8 templates: those of float32 templates, with activation ranges measured with the weights that they are for.

The model that `quantize` makes of the filled float32 template is taken apart again. The activation scales stay in the
graph; of the layers with integers, only the corrections of the biases stay, which do not follow from the weights alone.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import ModelProto, NodeProto

from edgekit.artifact.info import ArtifactInfo, read_info, read_model
from edgekit.artifact.integer_weights import rounded_bias, weight_scales
from edgekit.artifact.template import IntegerLayer, Source, Template, Tensors, pack_template, unpack_template
from edgekit.dataset import ImageSet
from edgekit.errors import EdgekitError, quote
from edgekit.export.make_template import without_values
from edgekit.graph.index import Array, Graph, is_depthwise, output_axis
from edgekit.hub.fill_template import fill_template
from edgekit.preprocess.scores import Floats
from edgekit.preprocess.spec import Preprocess
from edgekit.quantize.passes.canonicalize import canonicalize
from edgekit.quantize.quality_gate import Gate
from edgekit.quantize.schemes import scheme_named
from edgekit.quantize.search import quantize
from edgekit.quantize.trials import Trial
from edgekit.runtime.targets import target_named

SCHEME = "int8"
TARGET = "x86-avx2"  # its integers are the same on every processor


def make_int8_template(
    template: bytes,
    tensors: Tensors,
    *,
    weights_sha256: str,
    labels: tuple[str, ...],
    calibration: ImageSet,
    held_out: ImageSet,
    gate: Gate,
) -> tuple[bytes, Trial]:
    """Make the int8 template of a network for one checkpoint.

    Args:
        template: content of the float32 template.
        tensors: tensors of the checkpoint by their published names.
        weights_sha256: of the checkpoint's file.
        labels: class names, in the order of the logits.
        calibration: images that the activation ranges are measured on.
        held_out: labeled images that the int8 model is compared with the float32 model on.
        gate: what the int8 model must keep to.

    Returns:
        Content of the template file, and the comparison.

    Raises:
        QualityGateError: the int8 model does not pass the gate.
        EdgekitError: the filled template is not the quantized model.
    """
    unpacked = unpack_template(template)
    info = ArtifactInfo(
        model=unpacked.facts["network"],
        arguments=unpacked.facts["arguments"],
        labels=labels,
        preprocess=Preprocess.from_dict(unpacked.facts["preprocess"]),
        license="unknown",
        weights_sha256=weights_sha256,
        parity=unpacked.facts["parity"],
    )
    model = fill_template(template, tensors, info=info)
    quantized, child, trial = _quantized(model, calibration=calibration, held_out=held_out, gate=gate)
    facts = {
        **unpacked.facts,
        "precision": child.precision,
        "target": TARGET,
        "weights_sha256": weights_sha256,
        "parity": child.parity,
        "calibration": child.calibration,
    }
    float_graph, int8_graph = canonicalize(onnx.load_from_string(model)), onnx.load_from_string(quantized)
    packed = pack_template(_with_layers(unpacked, facts, tensors, canonical=float_graph, quantized=int8_graph))
    if fill_template(packed, tensors, info=child) != quantized:
        raise EdgekitError(f"the filled int8 template of {info.model} is not the quantized model")
    return packed, trial


def _quantized(
    model: bytes, *, calibration: ImageSet, held_out: ImageSet, gate: Gate
) -> tuple[bytes, ArtifactInfo, Trial]:
    """Quantize a float32 model: the content of the file, its metadata, and the comparison."""
    with tempfile.TemporaryDirectory() as folder:
        source, path = Path(folder, "float32.onnx"), Path(folder, "int8.onnx")
        source.write_bytes(model)
        trial = quantize(
            source,
            path,
            calibration=calibration,
            held_out=held_out,
            schemes=[scheme_named(SCHEME)],
            target=target_named(TARGET),
            gate=gate,
        )
        return read_model(path), read_info(path), trial


def _with_layers(
    template: Template, facts: dict[str, Any], tensors: Tensors, *, canonical: ModelProto, quantized: ModelProto
) -> Template:
    """The template of the quantized model. template: of the float model; canonical: what was quantized."""
    floats = {name: np.asarray(tensor, np.float32) for name, tensor in tensors.items()}
    graph, sources = Graph(quantized), template.sources
    nodes = {node.name: node for node in graph.nodes}
    layers, values = [], dict[str, Array | None]()
    for node in Graph(canonical).layers():
        if len(node.input) < 3:
            raise EdgekitError(f"layer {quote(node.name)} has no bias, which a template's layer needs")
        layer, correction = _integer_layer(
            graph, nodes[node.name], weight=sources[node.input[1]], bias=sources[node.input[2]], floats=floats
        )
        layers.append(layer)
        values |= dict.fromkeys((*layer.weights, layer.bias[1])) | {layer.bias[0]: correction}
    remaining = {name: source for name, source in sources.items() if name in graph.initializers}
    model = without_values(quantized, values | dict.fromkeys(remaining))
    return Template(model=model, facts=facts, sources=remaining, layers=tuple(layers), optional=template.optional)


def _integer_layer(
    graph: Graph, node: NodeProto, *, weight: Source, bias: Source, floats: Mapping[str, Floats]
) -> tuple[IntegerLayer, Array]:
    """A layer of the quantized graph, and the correction of its int32 bias."""
    (of_input, of_weights, of_bias), weights = (_dequantized(graph, name) for name in node.input), weight.values(floats)
    axis, in_pairs = output_axis(node), target_named(TARGET).saturating and not is_depthwise(node, weights.shape)
    scales = weight_scales(weights, output_axis=axis, per_channel=True, in_pairs=in_pairs)
    stored, scales_of_bias = (_constant(graph, names[1]) for names in (of_weights, of_bias))
    raised = stored[stored > scales]
    layer = IntegerLayer(
        weights=of_weights,
        bias=of_bias,
        weight_source=weight,
        bias_source=bias,
        output_axis=axis,
        in_pairs=in_pairs,
        input_scale=float(_constant(graph, of_input[1])),
        least_scale=float(raised.min()) if raised.size else 0.0,
    )
    uncorrected = rounded_bias(bias.values(floats), scales=scales_of_bias)
    return layer, (_constant(graph, of_bias[0]) - uncorrected).astype(np.int32)


def _dequantized(graph: Graph, name: str) -> tuple[str, str]:
    """The integers and the scale of a tensor that a DequantizeLinear computes."""
    node = graph.producer(name)
    if node is None or node.op_type != "DequantizeLinear":
        raise EdgekitError(f"tensor {quote(name)} of the int8 model is not computed by a DequantizeLinear")
    return node.input[0], node.input[1]


def _constant(graph: Graph, name: str) -> npt.NDArray[Any]:
    values = graph.constant(name)
    if values is None:
        raise EdgekitError(f"tensor {quote(name)} of the int8 model is not a constant")
    return values
