"""How logits become probabilities, and probabilities labels: the difference between the two tasks of a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

import numpy as np

from edgekit.errors import SpecError, check_types, must_be, quote, unknown
from edgekit.preprocess.adaptive_crops import margins
from edgekit.preprocess.scores import Floats, Task, class_probabilities

if TYPE_CHECKING:
    import numpy.typing as npt

DEFAULT_THRESHOLD = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Scoring:
    """How a model's logits become probabilities, and these become labels.

    Args:
        task: "single-label": an image has exactly one label, that of the highest probability, and the probabilities are
            the softmax of the logits. "multi-label": it has every label whose probability is above the threshold of
            its class, and the probabilities are the sigmoids of the logits.
        thresholds: for multi-label, one for each class, between 0 and 1; None for 0.5 everywhere.

    Raises:
        SpecError: the task is unknown, or the thresholds are not possible.
    """

    task: Task = "single-label"
    thresholds: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if self.task not in get_args(Task):
            raise SpecError(unknown("task", str(self.task), get_args(Task)))
        if self.thresholds is None:
            return
        check_types(tuple, thresholds=self.thresholds)
        if self.task != "multi-label":
            raise SpecError(f"`thresholds` need the task 'multi-label' (got {quote(self.task)})")
        if not all(isinstance(value, float) and 0 < value < 1 for value in self.thresholds):
            raise SpecError(must_be("thresholds", "numbers between 0 and 1", self.thresholds))

    @property
    def is_multi_label(self) -> bool:
        """Whether an image may have any number of labels."""
        return self.task == "multi-label"

    def probabilities(self, logits: Floats) -> npt.NDArray[np.float64]:
        """Probabilities of the classes, float64 (..., classes).

        Args:
            logits: (..., classes).
        """
        return class_probabilities(logits, self.task)

    def assigned(self, probabilities: Floats) -> npt.NDArray[np.bool_]:
        """Which labels the images have, bool (..., classes).

        Args:
            probabilities: (..., classes).
        """
        if self.is_multi_label:
            return np.asarray(probabilities > self.cutoffs)
        return np.asarray(np.arange(probabilities.shape[-1]) == probabilities.argmax(axis=-1)[..., None])

    def lead(self, probabilities: Floats) -> Floats:
        """How clear the labels are, 0 to 1: (..., classes) -> (...).

        The lead of the best class over the second; for multi-label, the smallest lead of "has it" over "does not have
        it", or the reverse: twice the distance of a probability from its threshold.

        Args:
            probabilities: (..., classes).
        """
        if self.is_multi_label:
            return np.asarray(2 * np.abs(probabilities - self.cutoffs).min(axis=-1))
        return margins(probabilities)

    @property
    def cutoffs(self) -> npt.NDArray[np.float64]:
        """The thresholds of a multi-label model: float64 (classes,), or () if they are all 0.5."""
        return np.asarray(DEFAULT_THRESHOLD if self.thresholds is None else self.thresholds, np.float64)


SINGLE_LABEL = Scoring()
