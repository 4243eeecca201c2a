"""A model's predictions by every view of an image, and by every fixed crop plan."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgekit.errors import DataError, SpecError
from edgekit.evaluate.fit_adaptive_crops import ClassIndexes
from edgekit.image.source import ImageSource
from edgekit.preprocess.adaptive_crops import VIEW_RULES
from edgekit.preprocess.crops import CropPlan
from edgekit.preprocess.scores import softmax
from edgekit.runtime.classifier import Classifier


@dataclass(frozen=True, slots=True, eq=False)
class CropPredictions:
    """A model's predictions for each image, by every view and by every fixed plan.

    Attributes:
        logits: float32 (images, views, classes), for the views of `VIEW_RULES` in order.
        by_plan: int64 (images,) predicted class indexes for each fixed plan, by its name.
        views: mean number of distinct views per image, for each fixed plan.
        consensus: int64 (images,) class indexes predicted by the mean over all views, those of the plans included.
        first_ms: median time of a prediction with one view, in milliseconds.
        further_ms: median time of each further view, in milliseconds.
    """

    logits: npt.NDArray[np.float32]
    by_plan: dict[str, ClassIndexes]
    views: dict[str, float]
    consensus: ClassIndexes
    first_ms: float
    further_ms: float


def check_single_label(classifier: Classifier) -> None:
    """Raise SpecError for a multi-label model: plans are compared by the most probable class."""
    if classifier.info.task == "multi-label":
        raise SpecError(
            f"{classifier.name}: crop plans of a multi-label model are not compared here; evaluate it with each of them"
        )


def predict_crops(
    classifier: Classifier,
    sources: Sequence[ImageSource],
    plans: Sequence[CropPlan],
    *,
    on_image: Callable[[], None] = lambda: None,
) -> CropPredictions:
    """Run all views of the given plans, and those that adaptive plans choose from, on every image.

    Args:
        classifier: the model.
        sources: the images.
        plans: fixed crop plans to compare.
        on_image: called after each image.

    Raises:
        DataError: there are no images.
        ImageError: an image cannot be read.
        SpecError: the model is multi-label.
    """
    check_single_label(classifier)
    if not sources:
        raise DataError("there are no images to predict")
    all_rules = dict.fromkeys((*VIEW_RULES.values(), *(rule for plan in plans for rule in plan.rules)))
    every_view = CropPlan("every", tuple(all_rules))
    logits, view_counts, consensus, times = [], [], [], []
    by_plan: dict[str, list[int]] = {plan.name: [] for plan in plans}
    for source in sources:
        image = _ViewLogits(classifier, source, every_view)
        logits.append([image.logits[rule] for rule in VIEW_RULES.values()])
        for plan in plans:
            by_plan[plan.name].append(image.predicted(plan))
        view_counts.append([image.view_count(plan) for plan in plans])
        consensus.append(image.predicted(every_view))
        times.append((image.first_ms, image.further_ms))
        on_image()
    first_ms, further_ms = np.median(times, axis=0).tolist()
    return CropPredictions(
        logits=np.array(logits),
        by_plan={name: np.array(indexes) for name, indexes in by_plan.items()},
        views=dict(zip(by_plan, np.mean(view_counts, axis=0).tolist(), strict=True)),
        consensus=np.array(consensus),
        first_ms=first_ms,
        further_ms=further_ms,
    )


class _ViewLogits:
    """The logits of one image for every view; rules that give the same view share one run."""

    def __init__(self, classifier: Classifier, source: ImageSource, every_view: CropPlan) -> None:
        start = time.perf_counter()
        image, preprocess = classifier.load(source, [every_view]), classifier.info.preprocess
        load_ms = (time.perf_counter() - start) * 1e3
        self._views = dict(zip(every_view.rules, every_view.views(image.size, preprocess), strict=True))
        by_view, view_ms = {}, []
        for view in dict.fromkeys(self._views.values()):
            start = time.perf_counter()
            by_view[view] = classifier.logits(preprocess.pixels(image, [view], whole=classifier.exact))[0]
            view_ms.append((time.perf_counter() - start) * 1e3)
        self.logits = {rule: by_view[view] for rule, view in self._views.items()}
        self.first_ms, self.further_ms = load_ms + view_ms[0], float(np.median(view_ms))

    def predicted(self, plan: CropPlan) -> int:
        """The class with the highest mean probability over the plan's views."""
        return int(softmax(np.stack([self.logits[rule] for rule in plan.rules])).mean(axis=0).argmax())

    def view_count(self, plan: CropPlan) -> int:
        """The number of distinct views of this image that the plan has."""
        return len({self._views[rule] for rule in plan.rules})
