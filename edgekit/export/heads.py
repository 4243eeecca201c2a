"""The end of a classifier: what its scores are, which classes they stand for, and how they become logits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from onnx import TensorProto, helper

from edgekit.errors import SpecError, unknown
from edgekit.evaluate.parity import Parity, compare_logits
from edgekit.export.activation import Activation, find_activation, refuse_scaled
from edgekit.export.head_labels import Background, head_labels
from edgekit.graph.edit import add_constant, append_node, bypass_node, declare_output, free_name, rename
from edgekit.graph.index import Graph
from edgekit.graph.passes.set_batch import BATCH
from edgekit.preprocess.scores import Floats, Task, sigmoid
from edgekit.preprocess.scoring import Scoring

OutputKind: TypeAlias = Literal["logits", "probabilities"]

MIN_PROBABILITY = 1e-30  # smaller probabilities are raised to it, so that their logarithm is finite
_MAX_PROBABILITY = 1 - 2.0**-24  # the float32 below 1: larger probabilities of a sigmoid are lowered to it
_SUM_TOLERANCE = 1e-3  # how far the sum of a row of float32 probabilities may be from 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What a classifier outputs.

    Attributes:
        scores: number of its scores.
        labels: class names of the logits: one per score, without a removed background class; two for a single score.
        task: whether an image has one label or any number of them.
        output_kind: whether the scores are logits or probabilities.
        first: index of the first score that has a label: 1 if a background class is removed, else 0.
        notes: what was detected, one line each.
    """

    scores: int
    labels: tuple[str, ...]
    task: Task
    output_kind: OutputKind
    first: int
    notes: tuple[str, ...]

    @property
    def independent(self) -> bool:
        """Whether each score stands for itself, as the logit or the probability of a sigmoid."""
        return self.scores == 1 or self.task == "multi-label"


def read_head(
    graph: Graph,
    outputs: Floats,
    *,
    name: str,
    labels: Sequence[str],
    task: Task | None = None,
    output_kind: OutputKind | None = None,
    background: Background | None = None,
) -> Head:
    """Determine what a classifier outputs, from its last operators and from its outputs for some images.

    Args:
        graph: the classifier; its first output is the scores.
        outputs: float (N, scores), the scores of N images.
        name: what messages call the classifier.
        labels: class names in the order of the scores. For a single score x, the names of both classes, in the order of
            the logits 0 and x, or only the name of the class that x is the score of.
        task: "single-label" or "multi-label" (default: multi-label if several scores are sigmoids).
        output_kind: "logits" or "probabilities" (default: detected).
        background: "first" removes the first class, "none" keeps it (default: removed if there are 1001 classes and
            1000 labels, or if the first label is "background" or "dummy").

    Returns:
        The head.

    Raises:
        SpecError: an argument does not fit the classifier, or is needed.
    """
    for what, value, known in (("task", task, Task), ("output kind", output_kind, OutputKind)):
        if value is not None and value not in get_args(known):
            raise SpecError(unknown(what, value, get_args(known)))
    activation = find_activation(graph)
    try:
        refuse_scaled(graph, outputs)
        kind, task_of_scores = _kind_and_task(activation, outputs, output_kind, task)
        is_multi_label = task_of_scores == "multi-label"
        names, first, note = head_labels(
            labels, scores=outputs.shape[1], background=background, multi_label=is_multi_label
        )
    except SpecError as error:
        raise SpecError(f"{name}: {error}") from None
    notes = []
    if is_multi_label and task is None:
        notes.append(
            f"multi-label: the {outputs.shape[1]} scores are sigmoids, so an image may have any number of labels"
        )
    if activation.is_quantized:
        notes.append(f"the output of {activation.operator} is rounded to integers, so probabilities are coarse")
    if kind == "probabilities" and not activation.operator and output_kind is None:
        notes.append("the scores are probabilities by their values; the logits are computed from them")
    return Head(
        scores=outputs.shape[1],
        labels=names,
        task=task_of_scores,
        output_kind=kind,
        first=first,
        notes=(*notes, *([note] if note else [])),
    )


def _kind_and_task(
    activation: Activation, outputs: Floats, kind: OutputKind | None, task: Task | None
) -> tuple[OutputKind, Task]:
    """What the scores are. kind, task: what the user says, or None."""
    scores, sums, lowest = outputs.shape[1], outputs.sum(axis=1), outputs.min()
    in_unit_interval = bool(lowest >= 0 and outputs.max() <= 1)
    is_softmax = activation.operator == "Softmax"
    sum_to_one = bool(lowest >= 0 and np.abs(sums - 1).max() <= _SUM_TOLERANCE)
    sum_to_one |= is_softmax and activation.is_quantized
    values = f"minimum {lowest:.3g}, rows sum to {sums[0]:.4g}"
    if scores == 1 and task == "multi-label":
        raise SpecError("`task` 'multi-label' needs several scores; a single one becomes two classes ('single-label')")
    if scores > 1 and sum_to_one:
        if task == "multi-label":
            raise SpecError("`task` must be 'single-label': the outputs sum to 1, so the classes exclude each other")
        if is_softmax and kind == "logits":
            raise SpecError(f"ends in Softmax and its outputs sum to {sums[0]:.4g}, so they are not logits")
        return kind or "probabilities", "single-label"
    if is_softmax:
        raise SpecError(f"ends in Softmax, but not over several classes: {values}")
    if activation.operator == "Sigmoid":
        if kind == "logits":
            raise SpecError("ends in Sigmoid, so its outputs are not logits; leave out `output_kind`")
        if scores > 1 and task == "single-label":
            raise SpecError(
                f"`task` must be 'multi-label': each of the {scores} outputs is a sigmoid, so the classes do not "
                f"exclude each other (rows sum to {sums[0]:.4g})"
            )
        return "probabilities", "multi-label" if scores > 1 else "single-label"
    if kind == "probabilities" and not (in_unit_interval and (scores == 1 or task == "multi-label")):
        raise SpecError(f"outputs are not probabilities: {values}; leave out `output_kind` to detect what they are")
    if kind is None and task == "multi-label" and in_unit_interval:
        return "probabilities", task
    if kind is None:
        _require_logits(outputs, in_unit_interval and not activation.is_linear)
    return kind or "logits", task or "single-label"


def _require_logits(outputs: Floats, are_unclear: bool) -> None:
    """Refuse to guess what scores are that no activation explains and that look like no logits."""
    sums = outputs.sum(axis=1)
    if are_unclear:
        raise SpecError(
            "outputs lie between 0 and 1, but neither Softmax nor Sigmoid computes them; set `output_kind` to 'logits' "
            "or 'probabilities' (and `task` to 'multi-label' if an image may have several labels)"
        )
    if outputs.min() >= 0 and np.ptp(sums) <= _SUM_TOLERANCE * sums.max():
        raise SpecError(
            f"outputs are never negative and always sum to {sums[0]:.4g}, so they are probably neither logits nor "
            f"probabilities; if they are logits, set `output_kind` to 'logits'"
        )


def append_logits(graph: Graph, head: Head) -> None:
    """Make the only output of a graph `logits`, float32 (batch, classes), whose softmax or sigmoids are the scores.

    Args:
        graph: the classifier that the head was read from; it is edited in place.
        head: what it outputs.
    """
    output = graph.proto.output[0]
    tensor, dtype, axes = output.name, output.type.tensor_type.elem_type, len(output.type.tensor_type.shape.dim)
    operator, node = find_activation(graph)[:2]
    inverted = node if operator == ("Sigmoid" if head.independent else "Softmax") else None
    if head.output_kind == "probabilities" and inverted is not None:
        tensor = inverted.input[0] if tensor == inverted.output[0] else tensor
        bypass_node(graph, inverted)
    if dtype != TensorProto.FLOAT:
        tensor = _append(graph, "Cast", [tensor], to=TensorProto.FLOAT)
    if head.output_kind == "probabilities" and inverted is None:
        tensor = _append_logarithms(graph, tensor, head.independent)
    if axes != 2:
        tensor = _append(graph, "Flatten", [tensor], axis=1)
    if head.first:
        labeled = add_constant(graph, "kept_classes", np.arange(head.first, head.scores))
        tensor = _append(graph, "Gather", [tensor, labeled], axis=1)
    if head.scores == 1:
        before = add_constant(graph, "one_column_before", np.array([0, 1, 0, 0]))
        tensor = _append(graph, "Pad", [tensor, before])  # with zeros
    del graph.proto.output[:]
    rename(graph, tensor, "logits")
    declare_output(graph, "logits", (BATCH, len(head.labels)))


def _append_logarithms(graph: Graph, tensor: str, independent: bool) -> str:
    """Append the inverse of the softmax, log(p), or of the sigmoid, log(p) - log(1 - p)."""
    least = add_constant(graph, "least_probability", np.array([MIN_PROBABILITY], np.float32))
    tensor = _append(graph, "Max", [tensor, least])
    if not independent:
        return _append(graph, "Log", [tensor])
    most = add_constant(graph, "largest_probability", np.array([_MAX_PROBABILITY], np.float32))
    one = add_constant(graph, "one", np.array([1], np.float32))
    tensor = _append(graph, "Min", [tensor, most])
    logs = [_append(graph, "Log", [p]) for p in (tensor, _append(graph, "Sub", [one, tensor]))]
    return _append(graph, "Sub", logs)


def _append(graph: Graph, operator: str, inputs: list[str], **attributes: Any) -> str:
    """Append a node and return the name of its output."""
    output = free_name(graph, f"logits_{operator.lower()}")
    append_node(graph, helper.make_node(operator, inputs, [output], name=output, **attributes))
    return output


def compare_head(outputs: Floats, logits: Floats, head: Head) -> Parity:
    """Compare the outputs of a classifier with the logits that its graph returns after `append_logits`.

    Logits are compared directly, and probabilities, whose logits are unknown, by their logarithms.

    Args:
        outputs: float (N, scores), the outputs of the classifier; their dtype states their resolution.
        logits: float32 (N, classes) of the same images.
        head: what the outputs are.
    """
    scores = outputs[:, head.first :].astype(np.float64)
    least = max(MIN_PROBABILITY, float(np.finfo(outputs.dtype).smallest_normal))
    if head.output_kind == "logits":
        expected = np.pad(scores, ((0, 0), (1, 0))) if head.scores == 1 else scores
        return compare_logits(expected, logits, scoring=Scoring(task=head.task))
    if not head.independent:
        return compare_logits(_log_softmax(np.log(np.maximum(scores, least)), least), _log_softmax(logits, least))
    probabilities = sigmoid(logits[:, -scores.shape[1] :])
    difference = float(np.abs(np.log(np.maximum(scores, least)) - np.log(np.maximum(probabilities, least))).max())
    return Parity(
        images=len(scores),
        logit_difference=difference,
        # The steps of a float near 1 are absolute, so where all logarithms are near 0, the difference is too.
        relative_difference=difference / max(1.0, float(-np.log(np.maximum(scores, least)).min())),
        probability_difference=float(np.abs(scores - probabilities).max()),
        agreement=float(((scores > 0.5) == (probabilities > 0.5)).all(axis=1).mean()),
    )


def _log_softmax(logits: Floats, least: float) -> Floats:
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return np.asarray(np.maximum(shifted, np.log(least)))
