"""Converts a third-party ONNX classifier to an edgekit model, and verifies that its predictions are unchanged."""

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
from edgekit.errors import ArtifactError, SpecError, check_types, quote
from edgekit.evaluate.parity import LogitsFunction, Parity, compare_logits, onnx_logits, require_parity
from edgekit.evaluate.temperature import require_fit_images
from edgekit.export.finalize import DEFAULT_INTERFACE, Interface, finalize
from edgekit.export.parity_inputs import parity_pixels
from edgekit.export.simplify import simplify
from edgekit.export.third_party import Outputs, ThirdPartyModel
from edgekit.export.wrap_third_party import MIN_PROBABILITY, OutputKind, last_operator, with_dynamic_batch, wrap
from edgekit.files import sha256
from edgekit.graph.index import Graph
from edgekit.image.source import Pixels
from edgekit.labels import check_labels
from edgekit.preprocess.scores import Floats
from edgekit.preprocess.spec import Preprocess

Background: TypeAlias = Literal["first", "none"]

# The arithmetic is the same float32, but onnxruntime fuses it differently.
TOLERANCE = 1e-4
_SUM_TOLERANCE = 1e-3  # how far the sum of a row of float32 probabilities may be from 1
_FLOATS: dict[int, Precision] = {TensorProto.FLOAT: "float32", TensorProto.FLOAT16: "float16"}
_INTEGER_OPERATORS = frozenset({"DequantizeLinear", "QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Adoption:
    """The model that `adopt` wrote, and the properties detected in the third-party file.

    Attributes:
        path: the file that was written.
        info: its metadata.
        parity: its logits compared with those of the third-party file.
        output_kind: whether the third-party file outputs logits or probabilities.
        background: whether its first class, an unlabeled background, was removed.
        batch: fixed batch size of the written file; None for a dynamic one.
        simplified_by: "onnxsim", "onnxslim" or "none".
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
    temperature_images: ImageSet | None = None,
    interface: Interface = DEFAULT_INTERFACE,
    on_image: Callable[[], None] = lambda: None,
    on_warning: Callable[[str], None] = lambda warning: None,
) -> Adoption:
    """Convert a third-party classifier to an edgekit model and verify that its predictions are unchanged.

    Args:
        source: the classifier, from `read_third_party`.
        path: file to write; must not be the source.
        preprocess: how images become the input of the model; mean and std on a 0-1 scale, in RGB order.
        labels: class names, in the order of the outputs.
        bgr: the model expects its channels in BGR order.
        output_kind: whether the model outputs "logits" or "probabilities" (default: detected from its last operator
            and its outputs).
        background: "first" removes its first class, "none" keeps all (default: removes it if there is one class more
            than labels).
        model: name of the network in the metadata (default: the source file's name).
        license: license of the weights, as an SPDX identifier.
        images: labeled images on which every step is compared with the source and the accuracy is measured. Without
            them, the steps are compared on synthetic images and no accuracy is stored.
        temperature_images: at least 100 labeled images to fit a temperature to, which calibrates the probabilities.
            None of them may be in `images` or have trained the network; `edgekit.evaluate.split_for_temperature` splits
            a set. Without them, the probabilities stay those of the source.
        interface: additional outputs, or a fixed batch size.
        on_image: called after each image of the fit and the accuracy measurement.
        on_warning: called with the reason if `temperature_images` do not determine the temperature.

    Returns:
        The written file, its metadata, and what was detected.

    Raises:
        DataError: the images cannot be used.
        SpecError: an argument does not fit the model.
        ArtifactError: the file is not a single-label classifier, or cannot be run.
        ParityError: the outputs of the two files differ; nothing is written.

    Example:
        >>> from edgekit import Preprocess
        >>> from edgekit.export import adopt, read_third_party
        >>> adoption = adopt(
        ...     read_third_party("plain.onnx"),
        ...     "adopted.onnx",
        ...     preprocess=Preprocess(resize=36, crop=32),
        ...     labels=["bolt", "nut", "washer"],
        ... )
        >>> adoption.output_kind, adoption.parity.agreement
        ('logits', 1.0)
    """
    _check_arguments(source, path, preprocess, images=images, temperature_images=temperature_images)
    pixels, origin = parity_pixels(preprocess, images)
    outputs = source.outputs(pixels, preprocess, bgr=bgr)
    kind = _determine_output_kind(source, outputs, output_kind)
    labels, first = _labels_and_first_class(source, outputs.shape[1], check_labels(labels), background)
    wrapped = wrap(source, preprocess, bgr=bgr, kind=kind, first=first, classes=outputs.shape[1])
    adopted, batch = with_dynamic_batch(wrapped, source, pixels)
    parity = _verified_parity(outputs[:, first:], onnx_logits(adopted, name="the adopted model"), pixels, kind)
    info = ArtifactInfo(
        model=model or Path(source.name).stem,
        labels=labels,
        preprocess=preprocess,
        license=license,
        precision=_precision(source.model.graph),
        weights_sha256=sha256(source.data),
        parity={"adopt": parity.to_dict() | {"on": origin}},
    )
    with tempfile.TemporaryDirectory() as folder:
        unsimplified, simplified = Path(folder, "adopted.onnx"), Path(folder, "simplified.onnx")
        write_info(adopted, info, unsimplified)
        simplifier = simplify(unsimplified, simplified, images=images)
        info = finalize(
            simplified,
            path,
            parent_sha256=sha256(source.data),
            images=images,
            temperature_images=temperature_images,
            interface=interface,
            on_image=on_image,
            on_warning=on_warning,
        )
    return Adoption(
        path=Path(path),
        info=info,
        parity=parity,
        output_kind=kind,
        background=bool(first),
        batch=interface.batch or batch,
        simplified_by=simplifier,
    )


def _check_arguments(
    source: ThirdPartyModel, path: str | os.PathLike[str], preprocess: Preprocess, **images: ImageSet | None
) -> None:
    check_types(ThirdPartyModel, source=source)
    check_types(Preprocess, preprocess=preprocess)
    check_types(ImageSet | None, **images)
    require_new_path(source.name, path)
    require_fit_images(**images)
    if source.size is not None and source.size != preprocess.crop:
        raise SpecError(f"{source.name}: `crop` must be the model's input size {source.size} (got {preprocess.crop})")
    if source.channels not in (None, preprocess.channels):
        raise SpecError(
            f"{source.name}: `color` must have the {source.channels} channels of the model's input "
            f"(got {quote(preprocess.color)})"
        )
    if max(map(abs, preprocess.mean)) > 1:
        raise SpecError(
            f"`mean` must be on a 0-1 scale (got {quote(preprocess.mean)}); divide 0-255 values by 255, "
            f"e.g. 123.675 becomes 0.485"
        )
    if max(preprocess.std) > 1:
        raise SpecError(
            f"`std` must be on a 0-1 scale (got {quote(preprocess.std)}); divide 0-255 values by 255, "
            f"e.g. 58.395 becomes 0.229"
        )


def _determine_output_kind(source: ThirdPartyModel, outputs: Outputs, requested: OutputKind | None) -> OutputKind:
    last = last_operator(Graph(source.model), source.output)
    sums, lowest = outputs.sum(axis=1), outputs.min()
    are_probabilities = bool(lowest >= 0 and np.abs(sums - 1).max() <= _SUM_TOLERANCE)
    if last == "Sigmoid" and not are_probabilities:
        raise ArtifactError(
            f"{source.name}: ends in Sigmoid, as multi-label models do; edgekit supports single-label classifiers only"
        )
    if last == "Softmax" and (not are_probabilities or requested == "logits"):
        raise SpecError(f"{source.name}: ends in Softmax and its outputs sum to {sums[0]:.4g}, so they are not logits")
    if requested == "probabilities" and not are_probabilities:
        raise SpecError(
            f"{source.name}: outputs are not probabilities: minimum {lowest:.3g}, rows sum to {sums[0]:.4g}; "
            f"leave out `output_kind` to detect what they are"
        )
    if requested is None and not are_probabilities and lowest >= 0 and np.ptp(sums) <= _SUM_TOLERANCE * sums.max() > 0:
        raise SpecError(
            f"{source.name}: outputs are never negative and always sum to {sums[0]:.4g}, so they are probably neither "
            f"logits nor probabilities; if they are logits, set `output_kind` to 'logits'"
        )
    return requested or ("probabilities" if are_probabilities else "logits")


def _labels_and_first_class(
    source: ThirdPartyModel, classes: int, labels: tuple[str, ...], background: Background | None
) -> tuple[tuple[str, ...], int]:
    """The labels without that of a removed background class, and the index of the first class with a label."""
    first = int(background == "first" or (background is None and classes == len(labels) + 1))
    if first and classes == len(labels):
        labels = labels[1:]
    if classes - first != len(labels):
        except_background = " after the background class" if first else ""
        raise SpecError(
            f"{source.name}: `labels` must have one name for each of the model's {classes - first} classes"
            f"{except_background} (got {len(labels)} names)"
        )
    return labels, first


def _verified_parity(expected: Outputs, child: LogitsFunction, pixels: Pixels, kind: OutputKind) -> Parity:
    """Compare logits directly, and probabilities, whose logits are unknown, by their logarithms."""
    logits = child(pixels)
    if kind == "probabilities":
        expected, logits = _log_probabilities(np.log(np.maximum(expected, MIN_PROBABILITY))), _log_probabilities(logits)
    parity = compare_logits(expected, logits)
    require_parity(parity, step="adopting", tolerance=TOLERANCE)
    return parity


def _log_probabilities(logits: Floats) -> Floats:
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return np.asarray(np.maximum(shifted, np.log(MIN_PROBABILITY)))


def _precision(graph: GraphProto) -> Precision:
    if any(node.op_type in _INTEGER_OPERATORS for node in graph.node):
        return "int8"
    sizes = {dtype: sum(math.prod(t.dims) for t in graph.initializer if t.data_type == dtype) for dtype in _FLOATS}
    return _FLOATS[max(sizes, key=lambda dtype: sizes[dtype])]
