"""From logits to scores: probabilities, their mean over the views, the most probable classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

Floats: TypeAlias = "npt.NDArray[np.floating[Any]]"
Average: TypeAlias = Literal["probabilities", "logits"]


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


def averaged(logits: Floats, average: Average) -> npt.NDArray[np.float64]:
    """Probabilities (classes,) from logits (views, classes): `average` names what is averaged over the views."""
    if average == "logits":
        return softmax(logits.mean(axis=0, dtype=np.float64))
    return np.asarray(softmax(logits).mean(axis=0))


def best(probabilities: Floats, labels: tuple[str, ...], top: int) -> tuple[Score, ...]:
    """The `top` most probable classes, most probable first; ties in the order of the indexes."""
    order = np.argsort(-probabilities, kind="stable")[:top]
    return tuple(Score(labels[index], int(index), float(probabilities[index])) for index in order)
