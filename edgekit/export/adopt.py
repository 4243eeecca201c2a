"""A stranger's ONNX classifier becomes an artifact: raw pixels in, logits out, labels and preprocessing inside."""

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
from edgekit.dataset import PictureSet
from edgekit.errors import ArtifactError, SpecError
from edgekit.evaluate.parity import Logits, Parity, compare, onnx_logits, require_parity
from edgekit.export.finalize import AS_IT_IS, Form, finish
from edgekit.export.parity_inputs import check_pixels
from edgekit.export.third_party import Answers, Plain
from edgekit.export.wrap_third_party import LEAST_PROBABILITY, OutputKind, last_operator, rebuilt, with_open_batch
from edgekit.files import sha256
from edgekit.image.source import Pixels
from edgekit.labels import check_labels
from edgekit.preprocess.scores import Floats
from edgekit.preprocess.spec import Preprocess

Background: TypeAlias = Literal["first", "none"]

# The same float32 arithmetic, merged by onnxruntime in another way.
TOLERANCE = 1e-4
_SUM_TOLERANCE = 1e-3  # of a row of float32 probabilities
_FLOATS: dict[int, Precision] = {TensorProto.FLOAT: "float32", TensorProto.FLOAT16: "float16"}
_INTEGER_OPERATORS = frozenset({"DequantizeLinear", "QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Adoption:
    """What was written, and what was found in the stranger's file.

    parity: with the plain file. output_kind: what the plain file answers. background: whether its first class, which
    has no label, was left out. batch: how many pictures the file takes at a time; None for any number.
    """

    path: Path
    info: ArtifactInfo
    parity: Parity
    output_kind: OutputKind
    background: bool
    batch: int | None
    simplified_by: str


def adopt(
    plain: Plain,
    path: str | os.PathLike[str],
    *,
    preprocess: Preprocess,
    labels: Sequence[str],
    bgr: bool = False,
    output_kind: OutputKind | None = None,
    background: Background | None = None,
    model: str | None = None,
    licence: str = "unknown",
    pictures: PictureSet | None = None,
    form: Form = AS_IT_IS,
    on_picture: Callable[[], None] = lambda: None,
) -> Adoption:
    """Write the classifier that `read_plain` found as an artifact to a new path.

    preprocess: how pictures become its input, mean and std in the order of red, green, blue; bgr: its channels stand
    in the other order. output_kind: what it answers; found out by default, from its last nodes and its answers.
    background: "first" leaves its first class out; by default where it has one class more than there are labels.
    model: what the file calls the network (its file's name). pictures: labelled ones, on which every step is compared
    and the accuracy measured; drawings for the steps by default. form: further outputs, or a fixed batch.

    Raises SpecError for options that do not fit the file, ArtifactError for a file that is no single-label classifier,
    and ParityError where the artifact answers otherwise than the plain file; then nothing is written.
    """
    require_new_path(plain.name, path)
    _check_preprocess(plain, preprocess)
    pixels, origin = check_pixels(preprocess, pictures)
    answers = plain.answers(pixels, preprocess, bgr=bgr)
    kind = _output_kind(plain, answers, output_kind)
    labels, first = _labels(plain, answers.shape[1], check_labels(labels), background)
    graph = rebuilt(plain, preprocess, bgr=bgr, kind=kind, first=first, classes=answers.shape[1])
    adopted, batch = with_open_batch(graph, plain, pixels)
    parity = _parity(answers[:, first:], onnx_logits(adopted, name="the adopted model"), pixels, kind)
    require_parity(parity, step="adopting", tolerance=TOLERANCE)
    digest = sha256(plain.data)
    info = ArtifactInfo(
        model=model or Path(plain.name).stem,
        labels=labels,
        preprocess=preprocess,
        licence=licence,
        precision=_precision(plain.model.graph),
        weights_sha256=digest,
        parity={"adopt": parity.to_dict() | {"on": origin}},
    )
    with tempfile.TemporaryDirectory() as folder:
        unfinished = Path(folder, "adopted.onnx")
        write_info(adopted, info, unfinished)
        info, by = finish(unfinished, path, parent_sha256=digest, pictures=pictures, form=form, on_picture=on_picture)
    return Adoption(
        path=Path(path),
        info=info,
        parity=parity,
        output_kind=kind,
        background=bool(first),
        batch=form.batch or batch,
        simplified_by=by,
    )


def _check_preprocess(plain: Plain, preprocess: Preprocess) -> None:
    if plain.size is not None and plain.size != preprocess.crop:
        raise SpecError(f"{plain.name}: takes inputs of {plain.size}, not of the crop's {preprocess.crop}")
    if plain.channels not in (None, preprocess.channels):
        raise SpecError(f"{plain.name}: takes {plain.channels} channels, but {preprocess.color} has another number")
    if max(map(abs, preprocess.mean)) > 1:
        raise SpecError(f"mean must be in 0..1 units, not {preprocess.mean}; 123.675 of 255 is 0.485")
    if max(preprocess.std) > 1:
        raise SpecError(f"std must be in 0..1 units, not {preprocess.std}; 58.395 of 255 is 0.229")


def _output_kind(plain: Plain, answers: Answers, wanted: OutputKind | None) -> OutputKind:
    last = last_operator(plain.model.graph, plain.output)
    total = answers.sum(axis=1)
    sums = bool(answers.min() >= 0 and np.abs(total - 1).max() <= _SUM_TOLERANCE)
    if last == "Sigmoid" and not sums:
        raise ArtifactError(f"{plain.name}: ends in Sigmoid, each class for itself; an artifact tells one of several")
    if last == "Softmax" and (not sums or wanted == "logits"):
        raise SpecError(f"{plain.name}: ends in Softmax, and its answers sum to {total[0]:.4g}: they are no logits")
    if wanted == "probabilities" and not sums:
        raise SpecError(
            f"{plain.name}: its answers are no probabilities: they are {answers.min():.3g} and more and sum to "
            f"{total[0]:.4g}"
        )
    if wanted is None and not sums and answers.min() >= 0 and np.ptp(total) <= _SUM_TOLERANCE * total.max() > 0:
        raise SpecError(
            f"{plain.name}: none of its answers is below 0 and they always sum to {total[0]:.4g}: neither logits nor "
            f"probabilities; where they are logits, say so"
        )
    return wanted or ("probabilities" if sums else "logits")


def _labels(
    plain: Plain, classes: int, labels: tuple[str, ...], background: Background | None
) -> tuple[tuple[str, ...], int]:
    """The labels, and which class is the first that has one."""
    first = int(background == "first" or (background is None and classes == len(labels) + 1))
    if first and classes == len(labels):
        labels = labels[1:]
    if classes - first != len(labels):
        besides = " besides the background" if first else ""
        raise SpecError(f"{plain.name}: answers {classes - first} classes{besides}, but there are {len(labels)} labels")
    return labels, first


def _parity(expected: Answers, child: Logits, pixels: Pixels, kind: OutputKind) -> Parity:
    """Logits are compared as they are; of probabilities, whose logits are not known, the logarithms are."""
    if kind == "logits":
        return compare(lambda _: expected, child, pixels)
    return compare(
        lambda _: _log_probabilities(np.log(np.maximum(expected, LEAST_PROBABILITY))),
        lambda given: _log_probabilities(child(given)),
        pixels,
    )


def _log_probabilities(logits: Floats) -> Floats:
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    shifted = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return np.asarray(np.maximum(shifted, np.log(LEAST_PROBABILITY)))


def _precision(graph: GraphProto) -> Precision:
    if any(node.op_type in _INTEGER_OPERATORS for node in graph.node):
        return "int8"
    sizes = {kind: sum(math.prod(t.dims) for t in graph.initializer if t.data_type == kind) for kind in _FLOATS}
    return _FLOATS[max(sizes, key=lambda kind: sizes[kind])]
