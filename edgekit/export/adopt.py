"""Converts a third-party ONNX classifier to an edgekit model, and verifies that its predictions are unchanged."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from onnx import GraphProto, TensorProto

from edgekit.artifact.info import ArtifactInfo, Precision, write_info
from edgekit.artifact.paths import require_new_path
from edgekit.dataset import ImageSet
from edgekit.errors import ArtifactError, SpecError, check_types, quote
from edgekit.evaluate.parity import Parity, require_parity
from edgekit.evaluate.temperature import require_fit_images
from edgekit.export.finalize import DEFAULT_INTERFACE, Interface, finalize
from edgekit.export.head_labels import Background
from edgekit.export.heads import Head, OutputKind, compare_head, read_head
from edgekit.export.parity_inputs import parity_pixels
from edgekit.export.score_output import choose_output, is_score, with_output
from edgekit.export.simplify import simplify
from edgekit.export.third_party import ThirdPartyModel, normalization
from edgekit.export.wrap_third_party import graph_logits, with_dynamic_batch, wrap
from edgekit.graph.index import Graph
from edgekit.graph.large_weights import completed
from edgekit.image.source import Pixels
from edgekit.labels import check_labels
from edgekit.preprocess.scores import Floats, Task
from edgekit.preprocess.spec import Preprocess
from edgekit.stages import StageProgress, no_progress

# The arithmetic is the same float32, but onnxruntime fuses it differently.
TOLERANCE = 1e-4
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
        notes: everything else that was detected and a user should know, one line each.
    """

    path: Path
    info: ArtifactInfo
    parity: Parity
    output_kind: OutputKind
    background: bool
    batch: int | None
    simplified_by: str
    notes: tuple[str, ...]


def adopt(
    source: ThirdPartyModel,
    path: str | os.PathLike[str],
    *,
    preprocess: Preprocess,
    labels: Sequence[str],
    bgr: bool = False,
    task: Task | None = None,
    output_kind: OutputKind | None = None,
    background: Background | None = None,
    model: str | None = None,
    license: str = "unknown",
    images: ImageSet | None = None,
    temperature_images: ImageSet | None = None,
    interface: Interface = DEFAULT_INTERFACE,
    progress: StageProgress = no_progress,
    on_warning: Callable[[str], None] = lambda warning: None,
) -> Adoption:
    """Convert a third-party classifier to an edgekit model and verify that its predictions are unchanged.

    Args:
        source: the classifier, from `read_third_party`.
        path: file to write; must not be the source.
        preprocess: how images become the input of the model; mean and std on a 0-1 scale, in RGB order.
        labels: class names, in the order of the outputs. If the model has a single output x, the names of its two
            classes in the order of the logits 0 and x, or only the name N of the second; the first is then "not N".
        bgr: the model expects its channels in BGR order.
        task: "single-label" or "multi-label" (default: multi-label if several outputs are sigmoids).
        output_kind: whether the model outputs "logits" or "probabilities" (default: detected from its last operator
            and its outputs).
        background: "first" removes its first class, "none" keeps all (default: removes it if there are 1001 classes
            for 1000 labels, or if the first label is "background" or "dummy").
        model: name of the network in the metadata (default: the source file's name).
        license: license of the weights, as an SPDX identifier.
        images: labeled images on which every step is compared with the source and the accuracy is measured. Without
            them, the steps are compared on synthetic images and no accuracy is stored.
        temperature_images: at least 100 labeled images to fit a temperature to, which calibrates the probabilities.
            None of them may have trained the network. They may be among `images`, from which
            `edgekit.evaluate.images_for_temperature` draws them: the calibration error is measured on the others.
            Without them, the probabilities stay those of the source.
        interface: additional outputs, or a fixed batch size.
        progress: called with a stage's name, its finished images and all its images; None if it counts none.
        on_warning: called with the reason if `temperature_images` do not determine the temperature.

    Returns:
        The written file, its metadata, and what was detected.

    Raises:
        DataError: the images cannot be used.
        SpecError: an argument does not fit the model.
        ArtifactError: the file is not a classifier, or cannot be run.
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
    progress("comparing the outputs", 0, None)
    pixels, origin = parity_pixels(preprocess, images)
    source, outputs = _with_outputs(source, pixels, preprocess, bgr, labels)
    head = read_head(
        Graph(source.model),
        outputs,
        name=source.name,
        labels=labels,
        task=task,
        output_kind=output_kind,
        background=background,
    )
    wrapped, batch = with_dynamic_batch(wrap(source, preprocess, bgr=bgr, head=head), source, pixels)
    parity = _verified_parity(outputs, graph_logits(wrapped, source, pixels), head)
    info = _info(source, head, preprocess, model or Path(source.name).stem, license, parity.to_dict() | {"on": origin})
    with tempfile.TemporaryDirectory() as folder:
        unsimplified, simplified = Path(folder, "adopted.onnx"), Path(folder, "simplified.onnx")
        write_info(completed(wrapped, source.read()), info, unsimplified)
        simplifier = simplify(unsimplified, simplified, images=images, progress=progress)
        info = finalize(
            simplified,
            path,
            parent_sha256=source.sha256,
            images=images,
            temperature_images=temperature_images,
            interface=interface,
            progress=progress,
            on_warning=on_warning,
        )
    return Adoption(
        path=Path(path),
        info=info,
        parity=parity,
        output_kind=head.output_kind,
        background=bool(head.first),
        batch=interface.batch or batch,
        simplified_by=simplifier,
        notes=(*source.notes, *_batch_notes(source, batch), *head.notes),
    )


def _check_arguments(
    source: ThirdPartyModel, path: str | os.PathLike[str], preprocess: Preprocess, **images: ImageSet | None
) -> None:
    check_types(ThirdPartyModel, source=source)
    check_types(Preprocess, preprocess=preprocess)
    check_types(ImageSet | None, **images)
    require_new_path(source.name, path)
    require_fit_images(images.get("temperature_images"))
    if source.size is not None and source.size != preprocess.crop:
        raise SpecError(f"{source.name}: `crop` must be the model's input size {source.size} (got {preprocess.crop})")
    if source.channels not in (None, preprocess.channels):
        raise SpecError(
            f"{source.name}: `color` must have the {source.channels} channels of the model's input "
            f"(got {quote(preprocess.color)})"
        )
    scale, shift = normalization(preprocess)
    if source.dtype == "uint8" and not (np.allclose(scale, 1, atol=1e-4) and np.allclose(shift, 0)):
        raise SpecError(
            f"{source.name}: the model normalizes uint8 pixels itself, so `mean` must be 0 and `std` 1/255 "
            f"(got {quote(preprocess.mean)} and {quote(preprocess.std)})"
        )


def _with_outputs(
    source: ThirdPartyModel, pixels: Pixels, preprocess: Preprocess, bgr: bool, labels: Sequence[str]
) -> tuple[ThirdPartyModel, Floats]:
    """The classifier with only its scores as output, and these scores of the pixels."""
    source = _with_single_output(source, pixels, preprocess, bgr, labels)
    return source, _outputs(source, pixels, preprocess, bgr)


def _with_single_output(
    source: ThirdPartyModel, pixels: Pixels, preprocess: Preprocess, bgr: bool, labels: Sequence[str]
) -> ThirdPartyModel:
    """The classifier with only its scores as output, and a note if it has other outputs."""
    count = len(check_labels(labels, least=1))
    names = [value.name for value in source.model.graph.output]
    (chosen, *others) = source.candidates
    if others:
        first_image = source.run(pixels[:1], preprocess, bgr=bgr, outputs=source.candidates)
        try:
            chosen = choose_output({name: rows[0] for name, rows in first_image.items()}, count)
        except SpecError as error:
            raise SpecError(f"{source.name}: {error}") from None
    notes = (f"the output {quote(chosen)} is the scores, of the {len(names)} outputs",) if len(names) > 1 else ()
    model = with_output(source.model, chosen)
    return replace(source, model=model, candidates=(chosen,), notes=(*source.notes, *notes))


def _outputs(source: ThirdPartyModel, pixels: Pixels, preprocess: Preprocess, bgr: bool) -> Floats:
    """The scores of the original file, float (N, scores)."""
    (name,) = source.candidates
    rows = source.run(pixels, preprocess, bgr=bgr, outputs=[name])[name]
    if not is_score(rows[0]):
        hint = "; export the model without ArgMax" if np.issubdtype(rows[0].dtype, np.integer) else ""
        raise ArtifactError(
            f"{source.name}: output {quote(name)} must be float (1, classes) for one image "
            f"(got {rows[0].dtype} {rows[0].shape}){hint}"
        )
    outputs = np.concatenate([row.reshape(1, -1) for row in rows])
    if not np.isfinite(outputs).all():
        raise ArtifactError(f"{source.name}: outputs are not finite; check the model, and its `mean` and `std`")
    return outputs


def _verified_parity(outputs: Floats, logits: Floats, head: Head) -> Parity:
    parity = compare_head(outputs, logits, head)
    # Outputs in float16 are known no better than to its last bit.
    require_parity(parity, step="adopting", tolerance=max(TOLERANCE, float(np.finfo(outputs.dtype).eps)))
    return parity


def _batch_notes(source: ThirdPartyModel, batch: int | None) -> tuple[str, ...]:
    if source.batch is None and batch is not None:
        return (f"the batch size is fixed to {batch}, because the outputs differ for larger batches",)
    if source.batch is not None and batch is None:
        return (f"the fixed batch size {source.batch} is dynamic now",)
    return ()


def _info(
    source: ThirdPartyModel, head: Head, preprocess: Preprocess, model: str, license: str, parity: dict[str, Any]
) -> ArtifactInfo:
    return ArtifactInfo(
        model=model,
        labels=head.labels,
        task=head.task,
        preprocess=preprocess,
        license=license,
        precision=_precision(source.model.graph),
        weights_sha256=source.sha256,
        parity={"adopt": parity},
    )


def _precision(graph: GraphProto) -> Precision:
    if any(node.op_type in _INTEGER_OPERATORS for node in graph.node):
        return "int8"
    sizes = {dtype: sum(math.prod(t.dims) for t in graph.initializer if t.data_type == dtype) for dtype in _FLOATS}
    return _FLOATS[max(sizes, key=lambda dtype: sizes[dtype])]
