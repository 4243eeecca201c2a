"""The figures of a multi-label model: average precision, and precision, recall and F1 score at its thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from edgekit.evaluate.confusion import ClassMetrics, class_figures, macro_f1
from edgekit.evaluate.intervals import Flags, Interval
from edgekit.preprocess.scoring import DEFAULT_THRESHOLD, Scoring

_RESAMPLES = 1000
_MAX_WEIGHTS = 2**22  # of the resamples that are computed at a time: 32 MiB for each array
_DIGITS = 6  # of the figures in a model file: the last bits of a sum depend on the machine

Probabilities = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelMetrics(ClassMetrics):
    """The figures of one class of a multi-label model; precision, recall and F1 score are those at its threshold.

    Attributes:
        threshold: probability above which an image has the label.
        average_precision: area under the precision-recall curve, 0 to 1; None if the class has no images.
    """

    threshold: float
    average_precision: float | None


@dataclass(frozen=True, slots=True, eq=False)
class MultiLabelAccuracy:
    """A multi-label model's predictions for labeled images.

    Attributes:
        truth: bool (N, classes), which of the model's labels each image has.
        probabilities: float64 (N, classes).
        scoring: the model's thresholds.
    """

    truth: Flags
    probabilities: Probabilities
    scoring: Scoring

    key: ClassVar[str] = "map"
    metric: ClassVar[str] = "mAP"

    @property
    def value(self) -> float:
        """Mean average precision (mAP), 0 to 1: the mean over the classes that have images.

        The average precision of a class is the sum of (R_n - R_{n-1}) P_n over its probabilities in descending order,
        without interpolation, as in scikit-learn's `average_precision_score`; P_n and R_n are precision and recall if
        every probability from the n-th on counts as the label.
        """
        return float(_mean_over_classes(average_precisions(self.truth, self.probabilities))[0])

    @property
    def assigned(self) -> Flags:
        """Which labels the model gives to each image: bool (N, classes)."""
        return self.scoring.assigned(self.probabilities)

    @property
    def micro_f1(self) -> float | None:
        """F1 score of all decisions of all classes together; None if no image has a label, neither true nor given."""
        given = self.assigned
        return class_figures(int((given & self.truth).sum()), int(self.truth.sum()), int(given.sum()))[2]

    def classes(self, labels: tuple[str, ...]) -> tuple[LabelMetrics, ...]:
        """The figures of every class, in the order of the labels.

        Args:
            labels: names of the classes.
        """
        given, cutoffs = self.assigned, self.scoring.thresholds or (DEFAULT_THRESHOLD,) * len(labels)
        correct, images, predicted = (a.sum(axis=0).tolist() for a in (given & self.truth, self.truth, given))
        areas = average_precisions(self.truth, self.probabilities)[0].tolist()
        rows = []
        for index, label in enumerate(labels):
            precision, recall, f1 = class_figures(correct[index], images[index], predicted[index])
            rows.append(
                LabelMetrics(
                    label=label,
                    index=index,
                    images=images[index],
                    predicted=predicted[index],
                    precision=precision,
                    recall=recall,
                    f1=f1,
                    threshold=cutoffs[index],
                    average_precision=areas[index] if images[index] else None,
                )
            )
        return tuple(rows)

    def interval(self) -> Interval:
        """The mean average precision with its 95% bootstrap interval over the images."""
        (samples,) = _bootstrap([self])
        return _percentiles(self.value, samples)

    def drop(self, child: MultiLabelAccuracy, *, confidence: float = 0.95) -> Interval:
        """How much lower the mAP of another model is on the same images, in percentage points.

        The interval is that of a paired bootstrap: both models are evaluated on the same resampled images.

        Args:
            child: the other model's predictions for the same images.
            confidence: of the interval, above 0 and below 1.
        """
        ours, theirs = _bootstrap([self, child])
        return _percentiles(100 * (self.value - child.value), 100 * (ours - theirs), confidence=confidence)

    def to_dict(self) -> dict[str, Any]:
        """The number of images, mAP, micro and macro F1 score, as JSON-ready values."""
        names = tuple(map(str, range(self.truth.shape[1])))
        figures = {"map": self.value, "micro_f1": self.micro_f1 or 0.0, "macro_f1": macro_f1(self.classes(names))}
        return {"images": len(self.truth)} | {name: round(value, _DIGITS) for name, value in figures.items()}

    def threshold_figures(self, measured: Flags) -> dict[str, Any]:
        """Micro and macro F1 score at the thresholds, as JSON-ready values.

        Args:
            measured: bool (N,), the images to measure on: those that the thresholds were not fitted to.

        Returns:
            `f1_images`, the number of these images, `micro_f1` and `macro_f1`; nothing if none of them has a label.
        """
        part = MultiLabelAccuracy(self.truth[measured], self.probabilities[measured], self.scoring)
        if not part.truth.any():
            return {}
        figures = part.to_dict()
        return {"f1_images": figures["images"]} | {name: figures[name] for name in ("micro_f1", "macro_f1")}


def average_precisions(
    truth: Flags, probabilities: Probabilities, weights: npt.NDArray[np.int64] | None = None
) -> npt.NDArray[np.float64]:
    """The average precision of each class, as in `MultiLabelAccuracy.value`, for weighted images.

    Args:
        truth: bool (N, classes).
        probabilities: float64 (N, classes).
        weights: int64 (samples, N), how often each image counts in each sample; one sample of every image by default.

    Returns:
        float64 (samples, classes); NaN for a class that has no image in a sample.
    """
    weights = np.ones((1, len(truth)), np.int64) if weights is None else weights
    areas = np.full((len(weights), truth.shape[1]), np.nan)
    for column, (has_label, scores) in enumerate(zip(truth.T, probabilities.T, strict=True)):
        order = np.argsort(-scores, kind="stable")
        ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))  # equal probabilities count together
        sorted_weights = weights[:, order]
        images = np.cumsum(sorted_weights, axis=1)[:, ends]
        hits = np.cumsum(sorted_weights * has_label[order], axis=1)[:, ends]
        gained, total = np.diff(hits, axis=1, prepend=0), hits[:, -1]
        sums = (gained * hits / np.maximum(images, 1)).sum(axis=1)
        np.divide(sums, total, out=areas[:, column], where=total > 0)
    return areas


def _mean_over_classes(areas: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The mean over the classes that have images: (samples, classes) -> (samples,), 0 without any."""
    present = ~np.isnan(areas)
    return np.asarray(np.where(present, areas, 0).sum(axis=1) / np.maximum(present.sum(axis=1), 1))


def _bootstrap(models: Sequence[MultiLabelAccuracy]) -> list[npt.NDArray[np.float64]]:
    """The mAP of each model on 1000 resamples of the images, the same ones for all: float64 (1000,) each."""
    count, rng = len(models[0].truth), np.random.default_rng(0)
    samples: list[list[npt.NDArray[np.float64]]] = [[] for _ in models]
    at_a_time = max(1, _MAX_WEIGHTS // count)
    for start in range(0, _RESAMPLES, at_a_time):
        size = min(at_a_time, _RESAMPLES - start)
        weights = np.stack([np.bincount(rng.integers(count, size=count), minlength=count) for _ in range(size)])
        for values, model in zip(samples, models, strict=True):
            values.append(_mean_over_classes(average_precisions(model.truth, model.probabilities, weights)))
    return [np.concatenate(values) for values in samples]


def _percentiles(value: float, samples: npt.NDArray[np.float64], *, confidence: float = 0.95) -> Interval:
    low, high = np.quantile(samples, [(1 - confidence) / 2, (1 + confidence) / 2]).tolist()
    return Interval(value=float(value), low=low, high=high)
