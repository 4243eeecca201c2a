"""A third-party ONNX classifier becomes an artifact: raw pixels in, logits out, labels and preprocessing inside."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from onnx import GraphProto, TensorProto

from edgekit.artifact.info import ArtifactInfo, Precision, write_info
from edgekit.artifact.paths import require_new_path
from edgekit.dataset import ImageSet
from edgekit.errors import ArtifactError, SpecError
from edgekit.evaluate.parity import LogitsFunction, Parity, measure_parity, onnx_logits, require_parity
from edgekit.export.finalize import DEFAULT_INTERFACE, Interface, finalize
from edgekit.export.parity_inputs import parity_pixels
from edgekit.export.simplify import simplify
from edgekit.export.third_party import Outputs, ThirdPartyModel
from edgekit.export.wrap_third_party import LEAST_PROBABILITY, OutputKind, last_operator, open_batch, wrap
from edgekit.files import sha256
from edgekit.graph.index import Graph
from edgekit.image.source import Pixels
from edgekit.labels import check_labels
from edgekit.preprocess.scores import Floats
from edgekit.preprocess.spec import Preprocess

Background: TypeAlias = Literal["first", "none"]

# The same float32 arithmetic, fused by onnxruntime in another way.
TOLERANCE = 1e-4
_SUM_TOLERANCE = 1e-3  # of a row of float32 probabilities
_FLOATS: dict[int, Precision] = {TensorProto.FLOAT: "float32", TensorProto.FLOAT16: "float16"}
_INTEGER_OPERATORS = frozenset({"DequantizeLinear", "QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Adoption:
    """The file that was written, and what was found in the third-party file.

    parity: with the third-party file. output_kind: of the third-party file. background: whether its first class, which
    has no label, was left out. batch: None for any number. simplified_by: the simplifier, or none.
    """

    path: Path
    info: ArtifactInfo
    parity: Parity
    output_kind: OutputKind
    background: bool
    batch: int | None
    simplified_by: str


def adopt(
    source: ThirdPartyModel,
    path: str | os.PathLike[str],
    *,
    preprocess: Preprocess,
    labels: Sequence[str],
    bgr: bool = False,
    output_kind: OutputKind | None = None,
    background: Background | None = None,
    model: str | None = None,
    license: str = "unknown",
    images: ImageSet | None = None,
    interface: Interface = DEFAULT_INTERFACE,
    on_image: Callable[[], None] = lambda: None,
) -> Adoption:
    """Write the classifier that `read_third_party` read as an artifact to a new path.

    preprocess: how images become its input, mean and std in the order of red, green, blue; bgr: its channels are in
    the other order. output_kind: determined by default, from its last nodes and its outputs. background: "first" leaves
    its first class out; by default if it has one class more than there are labels. model: the network's name in the
    file (the source file's name). images: labeled ones, on which every step is compared and the accuracy measured;
    synthetic images for the steps by default. interface: further outputs, or a fixed batch.

    Raises SpecError for options that do not fit the file, ArtifactError for a file that is not a single-label
    classifier, and ParityError if the outputs of the artifact and the source differ; then nothing is written.
    """
    require_new_path(source.name, path)
    _check_preprocess(source, preprocess)
    pixels, origin = parity_pixels(preprocess, images)
    outputs = source.outputs(pixels, preprocess, bgr=bgr)
    kind = _determine_output_kind(source, outputs, output_kind)
    labels, first = _labels_and_first_class(source, outputs.shape[1], check_labels(labels), background)
    wrapped = wrap(source, preprocess, bgr=bgr, kind=kind, first=first, classes=outputs.shape[1])
    adopted, batch = open_batch(wrapped, source, pixels)
    parity = _measure_parity(outputs[:, first:], onnx_logits(adopted, name="the adopted model"), pixels, kind)
    require_parity(parity, step="adopting", tolerance=TOLERANCE)
    digest = sha256(source.data)
    info = ArtifactInfo(
        model=model or Path(source.name).stem,
        labels=labels,
        preprocess=preprocess,
        license=license,
        precision=_precision(source.model.graph),
        weights_sha256=digest,
        parity={"adopt": parity.to_dict() | {"on": origin}},
    )
    with tempfile.TemporaryDirectory() as folder:
        unsimplified, simplified = Path(folder, "adopted.onnx"), Path(folder, "simplified.onnx")
        write_info(adopted, info, unsimplified)
        simplifier = simplify(unsimplified, simplified, images=images)
        info = finalize(simplified, path, parent_sha256=digest, images=images, interface=interface, on_image=on_image)
    return Adoption(
        path=Path(path),
        info=info,
        parity=parity,
        output_kind=kind,
        background=bool(first),
        batch=interface.batch or batch,
        simplified_by=simplifier,
    )


def _check_preprocess(source: ThirdPartyModel, preprocess: Preprocess) -> None:
    if source.size is not None and source.size != preprocess.crop:
        raise SpecError(f"{source.name}: takes inputs of {source.size}, not of the crop's {preprocess.crop}")
    if source.channels not in (None, preprocess.channels):
        raise SpecError(f"{source.name}: takes {source.channels} channels, but {preprocess.color} has another number")
    if max(map(abs, preprocess.mean)) > 1:
        raise SpecError(f"mean must be in 0..1 units, not {preprocess.mean}; 123.675 of 255 is 0.485")
    if max(preprocess.std) > 1:
        raise SpecError(f"std must be in 0..1 units, not {preprocess.std}; 58.395 of 255 is 0.229")


def _determine_output_kind(source: ThirdPartyModel, outputs: Outputs, requested: OutputKind | None) -> OutputKind:
    last = last_operator(Graph(source.model), source.output)
    sums, lowest = outputs.sum(axis=1), outputs.min()
    are_probabilities = bool(lowest >= 0 and np.abs(sums - 1).max() <= _SUM_TOLERANCE)
    if last == "Sigmoid" and not are_probabilities:
        raise ArtifactError(f"{source.name}: ends in Sigmoid, each class for itself; an artifact tells one of several")
    if last == "Softmax" and (not are_probabilities or requested == "logits"):
        raise SpecError(f"{source.name}: ends in Softmax, and its answers sum to {sums[0]:.4g}: they are no logits")
    if requested == "probabilities" and not are_probabilities:
        raise SpecError(
            f"{source.name}: its answers are no probabilities: they are {lowest:.3g} and more and sum to {sums[0]:.4g}"
        )
    if requested is None and not are_probabilities and lowest >= 0 and np.ptp(sums) <= _SUM_TOLERANCE * sums.max() > 0:
        raise SpecError(
            f"{source.name}: none of its answers is below 0 and they always sum to {sums[0]:.4g}: neither logits nor "
            f"probabilities; where they are logits, say so"
        )
    return requested or ("probabilities" if are_probabilities else "logits")


def _labels_and_first_class(
    source: ThirdPartyModel, classes: int, labels: tuple[str, ...], background: Background | None
) -> tuple[tuple[str, ...], int]:
    """The labels, and the index of the first class that has one."""
    first = int(background == "first" or (background is None and classes == len(labels) + 1))
    if first and classes == len(labels):
        labels = labels[1:]
    if classes - first != len(labels):
        besides = " besides the background" if first else ""
        raise SpecError(
            f"{source.name}: answers {classes - first} classes{besides}, but there are {len(labels)} labels"
        )
    return labels, first


def _measure_parity(expected: Outputs, child: LogitsFunction, pixels: Pixels, kind: OutputKind) -> Parity:
    """Logits are compared as they are; of probabilities, whose logits are not known, the logarithms are."""
    if kind == "logits":
        return measure_parity(lambda _: expected, child, pixels)
    return measure_parity(
        lambda _: _log_probabilities(np.log(np.maximum(expected, LEAST_PROBABILITY))),
        lambda batch: _log_probabilities(child(batch)),
        pixels,
    )


def _log_probabilities(logits: Floats) -> Floats:
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return np.asarray(np.maximum(shifted, np.log(LEAST_PROBABILITY)))


def _precision(graph: GraphProto) -> Precision:
    if any(node.op_type in _INTEGER_OPERATORS for node in graph.node):
        return "int8"
    sizes = {dtype: sum(math.prod(t.dims) for t in graph.initializer if t.data_type == dtype) for dtype in _FLOATS}
    return _FLOATS[max(sizes, key=lambda dtype: sizes[dtype])]
