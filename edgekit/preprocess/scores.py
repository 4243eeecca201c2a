"""From logits to scores: probabilities, their mean over the views, the most probable classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

Floats: TypeAlias = "npt.NDArray[np.floating[Any]]"
Average: TypeAlias = Literal["probabilities", "logits"]
Task: TypeAlias = Literal["single-label", "multi-label"]

_SMALLEST = np.finfo(np.float64).tiny  # probability whose logarithm stands for that of 0


@dataclass(frozen=True, slots=True)
class Score:
    """The score of one class.

    Attributes:
        label: name of the class.
        index: its index in the logits.
        probability: 0 to 1.
    """

    label: str
    index: int
    probability: float


def softmax(logits: Floats) -> npt.NDArray[np.float64]:
    """Probabilities over the last axis, in float64; large logits do not overflow."""
    shifted = np.asarray(logits, np.float64)
    shifted = np.exp(shifted - shifted.max(axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True))


def sigmoid(logits: Floats) -> npt.NDArray[np.float64]:
    """The probability of each class on its own, in float64; large logits do not overflow."""
    return np.asarray(np.exp(-np.logaddexp(0.0, -np.asarray(logits, np.float64))))


def class_probabilities(logits: Floats, task: Task) -> npt.NDArray[np.float64]:
    """The probabilities of a model with this task: the softmax over the last axis, or the sigmoid of each logit."""
    return softmax(logits) if task == "single-label" else sigmoid(logits)


def averaged(logits: Floats, average: Average, task: Task = "single-label") -> npt.NDArray[np.float64]:
    """Probabilities (classes,) from logits (views, classes): `average` names what is averaged over the views."""
    if len(logits) == 1:
        return class_probabilities(logits[0], task)
    if average == "logits":
        return class_probabilities(mean_logits(logits), task)
    return np.asarray(class_probabilities(logits, task).mean(axis=0))


def mean_logits(logits: Floats) -> npt.NDArray[np.float64]:
    """The mean (classes,) of logits (views, classes), in float64."""
    return np.asarray(logits[0] if len(logits) == 1 else logits.mean(axis=0, dtype=np.float64), np.float64)


def with_temperature(probabilities: Floats, temperature: float) -> npt.NDArray[np.float64]:
    """Scale probabilities by a temperature: softmax(log(probabilities) / temperature).

    For one view this is softmax(logits / temperature), as in Guo et al. 2017, arXiv 1706.04599, section 4.2. For the
    mean over several views it keeps the order of the classes too, so a temperature never changes a label.

    Args:
        probabilities: (..., classes), 0 to 1.
        temperature: above 0; above 1 lowers the highest probability, below 1 raises it.

    Returns:
        float64 (..., classes).
    """
    logs = np.log(np.maximum(np.asarray(probabilities, np.float64), _SMALLEST))
    with np.errstate(over="ignore"):  # a quotient of minus infinity gives a probability of 0
        scaled = np.exp((logs - logs.max(axis=-1, keepdims=True)) / temperature)
    return np.asarray(scaled / scaled.sum(axis=-1, keepdims=True))


def best(
    probabilities: Floats, labels: tuple[str, ...], top: int, *, tie_breaker: Floats | None = None
) -> tuple[Score, ...]:
    """The `top` most probable classes, most probable first.

    Args:
        probabilities: (classes,).
        labels: names of the classes.
        top: number of classes; all of them if there are fewer.
        tie_breaker: (classes,) values that order equally probable classes, highest first; then comes the index.
    """
    indexes = np.arange(len(probabilities))
    if top < len(probabilities):  # sorting a thousand classes takes longer than finding the few that can be among them
        indexes = np.flatnonzero(~(probabilities < np.partition(probabilities, -top)[-top]))
    keys = (-probabilities[indexes],) if tie_breaker is None else (-tie_breaker[indexes], -probabilities[indexes])
    order = indexes[np.lexsort(keys)[:top]].tolist()
    return tuple(Score(labels[index], index, float(probabilities[index])) for index in order)
